//! What no driver should do: stale, early, repeated and made-up inputs. They must do no harm.

use nostr_pool_core::{CloseReason, Input, SocketId, Ticket};
use nostr_proto::{BadSignature, EventId};

use super::step::{Age, Odd, Said};
use super::world::World;

/// Words that answer nothing and belong to no running request: wire ids of ours are `p` and a number.
const WORDS: [&str; 16] = [
    "",
    "[",
    "{}",
    "[\"EOSE\",\"p999999999\"]",
    "[\"EOSE\",\"q1\"]",
    "[\"EOSE\",\"p01\"]",
    "[\"CLOSED\",\"p888888888\",\"error: what?\"]",
    "[\"CLOSED\",\"\",\"\"]",
    "[\"OK\",\"\",false,\"error: who?\"]",
    "[\"OK\",\"0707070707070707070707070707070707070707070707070707070707070707\",true,\"\"]",
    "[\"NOTICE\",\"\\u001b[31mslow down\"]",
    "[\"COUNT\",\"p1\",{\"count\":7}]",
    "[\"NEG-MSG\",\"p1\",\"61\"]",
    "[\"EVENT\",\"p777777777\",{}]",
    "[\"EVENT\",\"p18446744073709551616\",{\"id\":1}]",
    "[\"HELLO\",{\"deep\":[[[[[[]]]]]]}]",
];

impl World {
    pub(super) fn odd(&mut self, odd: Odd) {
        match odd {
            Odd::Socket { relay, age, said } => self.odd_socket(self.nth(relay), age, said),
            Odd::VerifiedAgain { nth } => {
                let at = usize::from(nth).checked_rem(self.answered.len()).unwrap_or_default();
                let Some(&(ticket, outcome)) = self.answered.get(at) else { return };
                self.totals.fault("ticket answered twice");
                self.quietly(|world| world.core.handle_input(Input::Verified { ticket, outcome }, world.clock.read()));
            }
            Odd::UnknownTicket { ticket, sign } => {
                let ticket = Ticket::from_u64(u64::MAX - u64::from(ticket));
                let (outcome, id) = (Err("who?".to_owned()), EventId::from_bytes([7; 32]));
                self.totals.fault("unknown ticket answered");
                self.quietly(|world| {
                    let input = match sign {
                        true => Input::Signed { ticket, outcome },
                        false => Input::Verified { ticket, outcome: Err(BadSignature { id }) },
                    };
                    world.core.handle_input(input, world.clock.read());
                });
            }
            Odd::EarlyTimeout => {
                self.totals.fault("early timeout");
                self.time_out();
            }
        }
    }

    /// Does something that must change nothing that can be seen.
    pub(super) fn quietly<R>(&mut self, step: impl FnOnce(&mut Self) -> R) -> R {
        let result = step(self);
        let (command, event) = (self.core.poll_command(), self.core.poll_event());
        let silent = command.is_none() && event.is_none();
        self.check(silent, &format!("what is stale or unknown changes nothing: {command:?}, {event:?}"));
        result
    }

    fn odd_socket(&mut self, relay: usize, age: Age, said: Said) {
        let now = self.oracle.socket_of(&self.sites[relay].url);
        let socket = match age {
            Age::Current => {
                if let Some(socket) = now {
                    self.odd_current(socket, relay, said);
                }
                return;
            }
            Age::Earlier(n) => {
                let Some(at) = usize::from(n).checked_rem(self.past.len()) else { return };
                self.past[self.past.len() - 1 - at]
            }
            Age::Later(n) => {
                let Some(now) = now else { return };
                SocketId::new(now.slot(), now.generation() + 1 + u32::from(n))
            }
            Age::Never => SocketId::new(1_000_000 + u32::try_from(relay).unwrap_or_default(), 1),
        };
        self.totals.fault("stale or unknown socket");
        self.quietly(|world| world.say(socket, said));
    }

    /// The socket of now: what is said is early or too much, but it is about something.
    fn odd_current(&mut self, socket: SocketId, relay: usize, said: Said) {
        self.totals.fault("input that was not asked for");
        let dials = self.oracle.is_dialling(socket) && !self.oracle.is_open(socket);
        let stands = self.links.get(&socket).is_some_and(|link| !link.dead);
        match said {
            Said::Opened if dials => self.dialled(socket, relay),
            Said::OpenFailed if !self.oracle.is_open(socket) => {
                self.over(socket);
                self.input(Input::OpenFailed { socket, error: "no route".into() });
            }
            Said::Closed(how) => self.gone(socket, reason(how)),
            Said::Opened | Said::OpenFailed => self.say_and_settle(socket, said),
            Said::Sent if stands => {
                self.oracle.wire.taken(socket);
                self.input(Input::Sent { socket });
            }
            Said::Text(_) | Said::Binary | Said::Ping | Said::Pong if stands => self.say_and_settle(socket, said),
            Said::Text(_) | Said::Binary | Said::Ping | Said::Pong | Said::Sent => {}
        }
    }

    fn say_and_settle(&mut self, socket: SocketId, said: Said) {
        self.say(socket, said);
        self.settle();
    }

    fn say(&mut self, socket: SocketId, said: Said) {
        match said {
            Said::Text(n) => {
                let words = WORDS[usize::from(n) % WORDS.len()];
                self.note_heard(socket, words);
                let url = self.ways.get(&socket).map(|&relay| self.url(relay));
                url.iter().for_each(|url| self.oracle.watch.sources.words(url, words));
                self.oracle.counts.made_up(socket, "p1");
            }
            Said::Pong if self.oracle.is_open(socket) => self.oracle.reqs.ponged(socket),
            Said::Binary if self.oracle.is_open(socket) => {
                let url = self.ways.get(&socket).map(|&relay| self.url(relay));
                url.iter().for_each(|url| self.oracle.watch.records.heard_binary(url));
            }
            _ => {}
        }
        if !matches!(said, Said::Opened | Said::OpenFailed | Said::Sent) {
            self.oracle.pings.heard(socket);
        }
        let input = match said {
            Said::Opened => Input::Opened { socket },
            Said::OpenFailed => Input::OpenFailed { socket, error: "no route".into() },
            Said::Text(n) => Input::Text { socket, frame: WORDS[usize::from(n) % WORDS.len()] },
            Said::Binary => Input::Binary { socket },
            Said::Ping => Input::Ping { socket },
            Said::Pong => Input::Pong { socket },
            Said::Sent => Input::Sent { socket },
            Said::Closed(how) => Input::Closed { socket, reason: reason(how) },
        };
        self.totals.inputs += 1;
        self.core.handle_input(input, self.clock.read());
    }
}

fn reason(how: u8) -> CloseReason {
    match how % 4 {
        0 => CloseReason::Remote { code: 1_000, reason: "bye".into() },
        1 => CloseReason::Error("connection reset".into()),
        2 => CloseReason::Local,
        _ => CloseReason::TooLarge,
    }
}
