//! Walks every cell of the module's table, which is read out of the module's own documentation.

use std::vec;

use nostr_proto::{Reason, Timestamp};

use super::leg::{Eose, State, is_final};
use super::paging::Ground;
use super::*;
use crate::event::{GapCause, PoolEvent};
use crate::resume::seconds::Range;
use crate::walked::table;

const IX: RelayIx = RelayIx(0);

fn at(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000), unix: Timestamp::new(1_000_000 + secs) }
}

struct Stage {
    sub: Subscription,
    config: Config,
    fx: Effects,
}

impl Stage {
    fn new(mode: Mode) -> Self {
        let (config, mut fx) = (Config::default(), Effects::default());
        let request = Subscribe { filters: vec![Filter::new()], mode, ..Subscribe::default() };
        let mut sub = Subscription::new(SubId(1), request, &config, at(0));
        sub.add_leg(IX, RelayUrl::parse("wss://r.example.com").unwrap(), at(0));
        sub.start(&mut fx);
        Self { sub, config, fx }
    }

    /// One whose leg is in this state, reached on the way on which it comes about.
    fn in_state(state: &str, mode: Mode) -> Self {
        let mut stage = Self::new(if state == "`Done`" { Mode::UntilEose } else { mode });
        if state != "`Waiting`" {
            stage.apply("asked");
        }
        match state {
            "`Waiting`" | "`Requested`" => {}
            "`Live`" if mode == Mode::UntilEose => stage.apply("the same, and it owes"),
            "`Live`" | "`Done`" => stage.apply("EOSE"),
            "`Closed`" => stage.apply("CLOSED, once too often"),
            "`Closed`, final" => stage.apply("CLOSED, for good"),
            other => panic!("the table names a state that nobody can build: {other}"),
        }
        stage.fx.events.clear();
        assert_eq!(stage.name(), state);
        stage
    }

    fn leg(&mut self) -> &mut Leg {
        self.sub.leg(IX).unwrap()
    }

    fn name(&mut self) -> &'static str {
        match &self.leg().state {
            State::Waiting(_) => "`Waiting`",
            State::Requested(_) => "`Requested`",
            State::Live { .. } => "`Live`",
            State::Closed(reason) if is_final(reason) => "`Closed`, final",
            State::Closed(_) => "`Closed`",
            State::Done => "`Done`",
        }
    }

    fn refused(&mut self, text: &str) {
        self.sub.refused(IX, Reason::parse(text), &self.config, at(1), &mut self.fx);
    }

    fn apply(&mut self, input: &str) {
        let ground = Ground { config: &self.config, largest: 0, now: at(1) };
        match input {
            "asked" => drop(self.sub.ask(IX, WireId(1), &self.config, at(0), &mut self.fx)),
            "EOSE" | "EOSE, and it ends with that" => {
                let _ = self.sub.eose(IX, Eose::default(), ground, &mut self.fx);
            }
            "the same, and it owes" => {
                if matches!(self.leg().state, State::Requested(_)) {
                    self.leg().resume.owe([0].into_iter(), Range::second(Timestamp::new(5)));
                }
                let ground = Ground { config: &self.config, largest: 0, now: at(1) };
                let _ = self.sub.eose(IX, Eose::default(), ground, &mut self.fx);
            }
            "CLOSED" => self.refused("error: busy"),
            "CLOSED, once too often" => {
                self.leg().refusals = Config::default().max_refusals - 1;
                self.refused("error: busy");
            }
            "CLOSED, for good" => self.refused("blocked: no"),
            "connection lost" => self.sub.disconnected(IX, None, false, &mut self.fx),
            "connection lost, another is on its way" => self.sub.disconnected(IX, None, true, &mut self.fx),
            "no connection for a while" => self.sub.unavailable(IX, &mut self.fx),
            "connection there" => self.sub.reconnected(IX, &mut self.fx),
            "new filters" => drop(self.sub.replace(vec![Filter::new()], &self.config, at(1))),
            "time" => drop(self.sub.timeout(&self.config, at(10), &mut self.fx)),
            other => panic!("the table names an input that nobody can make: {other}"),
        }
    }
}

#[test]
fn every_input_in_every_state_does_what_the_documentation_says() {
    let (states, rows) = table(include_str!("mod.rs"));
    assert_eq!((states.len(), rows.len()), (6, 13), "the whole table is read");
    for row in &rows {
        let input = row[0].as_str();
        let ends = matches!(input, "EOSE, and it ends with that" | "the same, and it owes");
        for (state, cell) in states.iter().zip(&row[1..]) {
            let mut stage = Stage::in_state(state, if ends { Mode::UntilEose } else { Mode::Live });
            let settled = stage.leg().settled.is_some();
            let told = stage.sub.eose_told;
            assert_eq!(settled, told, "one leg is all legs");
            stage.apply(input);
            let next = if cell.contains('`') { cell.trim_end_matches(['●', '▼', ' ']) } else { state };
            assert_eq!(stage.name(), next, "{input} in {state}");
            let settles = !settled && stage.leg().settled.is_some();
            assert_eq!(settles, cell.contains('●'), "{input} in {state}: whether it settles");
            let lost = |event: &PoolEvent| matches!(event, PoolEvent::Item { item: Item::Gap(gap), .. } if gap.cause == GapCause::Disconnected);
            assert_eq!(stage.fx.events.iter().any(lost), cell.contains('▼'), "{input} in {state}: whether it is a gap");
            let eose = stage.fx.events.iter().filter(|it| matches!(it, PoolEvent::Item { item: Item::Eose(_), .. }));
            assert_eq!(eose.count(), usize::from(settles), "{input} in {state}: once per generation");
        }
    }
}
