//! Which event ended a connection.
//!
//! Some relays, or something on the way to them, end the connection over a message that they cannot take, and would do so
//! at every try. An EVENT is *on trial* from being taken by the socket's sink until anything but a ping is heard from the
//! relay, or `suspect_window` is over. If the relay or the transport ends the connection meanwhile:
//!
//! - with close code 1009 (message too big), it is the largest EVENT on trial, unless a REQ on trial is larger still;
//! - otherwise every EVENT on trial is *doubted*. What is doubted is sent alone from then on: not while anything else
//!   is on trial, and nothing but CLOSE is sent while it is. So it is not blamed for another's deed a second time: the
//!   connection that ends right after it then makes it suspect, and nothing else.
//!
//! Never blamed: an event after which the relay said anything, of whatever, pings apart; one that the sink had not taken; one sent
//! longer ago than the window; any at all when the pool closed the connection, or the relay sent too large a message.

use alloc::collections::{BTreeMap, VecDeque};

use crate::config::Config;
use crate::ids::PublishId;
use crate::time::Instant;

/// What the end of a connection says about an event that was in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    Innocent,
    /// The connection ended right after it.
    RightAfter,
    /// The connection ended with code 1009 right after it.
    ForSize,
}

/// An EVENT after which nothing was heard.
#[derive(Clone, Copy, Debug)]
struct Entry {
    publish: PublishId,
    bytes: usize,
    doubted: bool,
    /// Frames that the sink has yet to take until it has taken this one.
    ahead: usize,
    /// When it took this one.
    taken: Instant,
}

/// What is on trial on one connection. At most one entry per publish and try within the window.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    events: VecDeque<Entry>,
    /// The largest REQ among those that were sent since the relay was last heard, and when the last of them was.
    asked: Option<(usize, Instant)>,
    losses: BTreeMap<PublishId, Loss>,
}

impl Trial {
    /// An EVENT was handed to the socket; `untaken` frames, itself included, wait for its sink.
    pub(crate) fn event(&mut self, publish: PublishId, bytes: usize, doubted: bool, untaken: usize, now: Instant) {
        self.events.push_back(Entry { publish, bytes, doubted, ahead: untaken, taken: now });
    }

    /// A REQ was handed to the socket.
    pub(crate) fn asked(&mut self, bytes: usize, now: Instant) {
        let largest = self.asked.map_or(0, |(largest, _)| largest);
        self.asked = Some((largest.max(bytes), now));
    }

    /// The sink took a frame.
    pub(crate) fn taken(&mut self, now: Instant) {
        // Those not taken yet are the last ones, and few: the socket's credits bound them.
        for entry in self.events.iter_mut().rev().take_while(|entry| entry.ahead > 0) {
            entry.ahead -= 1;
            entry.taken = now;
        }
    }

    /// The relay said something: nothing sent so far has ended the connection. True: something may wait for that.
    pub(crate) fn heard(&mut self) -> bool {
        let was = !self.events.is_empty() || self.asked.is_some();
        self.events.clear();
        self.asked = None;
        was
    }

    /// Whether an EVENT may go now.
    pub(crate) fn admits_event(&mut self, doubted: bool, config: &Config, now: Instant) -> bool {
        self.acquit(config, now);
        if doubted { self.events.is_empty() && self.asked.is_none() } else { self.admits_request() }
    }

    /// Whether a REQ may go now.
    pub(crate) fn admits_request(&self) -> bool {
        !self.events.iter().any(|entry| entry.doubted)
    }

    /// Forgets what was sent longer ago than the window.
    pub(crate) fn acquit(&mut self, config: &Config, now: Instant) {
        while self.events.pop_front_if(|entry| entry.ahead == 0 && entry.taken + config.suspect_window <= now).is_some()
        {
        }
        self.asked = self.asked.filter(|(_, at)| *at + config.suspect_window > now);
    }

    /// When everything that is on trial now will have been acquitted by the time; `None`: the sink has to take it first.
    pub(crate) fn over(&self, config: &Config) -> Option<Instant> {
        let events = self.events.back().map(|entry| (entry.ahead == 0).then_some(entry.taken));
        let asked = self.asked.map(|(_, at)| Some(at));
        let last = events.into_iter().chain(asked).collect::<Option<alloc::vec::Vec<_>>>()?.into_iter().max()?;
        Some(last + config.suspect_window)
    }

    /// The relay or the transport ended the connection; `code`: the relay's close code, if it sent one.
    pub(crate) fn ended(&mut self, code: Option<u16>, config: &Config, now: Instant) {
        const TOO_BIG: u16 = 1009;
        self.acquit(config, now);
        let on_trial = self.events.iter().filter(|entry| entry.ahead == 0);
        if code == Some(TOO_BIG) {
            let largest = on_trial.max_by_key(|entry| entry.bytes);
            let asked = self.asked.map_or(0, |(bytes, _)| bytes);
            let culprit = largest.filter(|entry| entry.bytes >= asked).map(|entry| entry.publish);
            self.losses = culprit.map(|publish| (publish, Loss::ForSize)).into_iter().collect();
        } else {
            self.losses = on_trial.map(|entry| (entry.publish, Loss::RightAfter)).collect();
        }
    }

    /// What its end says about an event.
    pub(crate) fn loss(&self, publish: PublishId) -> Loss {
        self.losses.get(&publish).copied().unwrap_or(Loss::Innocent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PublishId = PublishId(1);
    const B: PublishId = PublishId(2);

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    fn losses(mut trial: Trial, code: Option<u16>, ms: u64) -> [Loss; 2] {
        trial.ended(code, &Config::default(), at(ms));
        [trial.loss(A), trial.loss(B)]
    }

    fn two() -> Trial {
        let mut trial = Trial::default();
        trial.event(A, 500, false, 1, at(0));
        trial.event(B, 900, false, 2, at(0));
        trial.taken(at(100));
        trial.taken(at(200));
        trial
    }

    #[test]
    fn what_the_end_of_a_connection_says() {
        use Loss::{ForSize, Innocent, RightAfter};
        assert_eq!(losses(two(), None, 300), [RightAfter; 2]);
        assert_eq!(losses(two(), Some(1006), 300), [RightAfter; 2]);
        assert_eq!(losses(two(), Some(1009), 300), [Innocent, ForSize], "the largest");
        assert_eq!(losses(two(), None, 2_150), [Innocent, RightAfter], "the first was longer ago");
        assert_eq!(losses(two(), None, 2_200), [Innocent; 2]);
        let mut heard = two();
        assert!(heard.heard());
        assert_eq!(losses(heard, None, 300), [Innocent; 2], "the relay said something");
        let mut untaken = two();
        untaken.event(A, 500, false, 1, at(250));
        assert_eq!(losses(untaken, None, 300), [RightAfter; 2]);
        let mut untaken = Trial::default();
        untaken.event(A, 500, false, 2, at(0));
        untaken.taken(at(1));
        assert_eq!(losses(untaken, None, 2), [Innocent; 2], "it was not sent");
        let mut larger = two();
        larger.asked(901, at(210));
        assert_eq!(losses(larger, Some(1009), 300), [Innocent; 2], "the REQ was too large");
    }

    #[test]
    fn the_largest_request_counts_until_it_is_long_ago_or_something_was_heard() {
        let with = |asked: &[(usize, u64)]| {
            let mut trial = two();
            asked.iter().for_each(|(bytes, ms)| trial.asked(*bytes, at(*ms)));
            trial
        };
        assert_eq!(losses(with(&[(901, 210), (10, 220)]), Some(1009), 300), [Loss::Innocent; 2], "not the last one");
        assert_eq!(losses(with(&[(900, 210)]), Some(1009), 300), [Loss::Innocent, Loss::ForSize], "none is larger");
        let mut trial = Trial::default();
        assert!(!trial.heard());
        trial.asked(10, at(0));
        let config = Config::default();
        assert!(!trial.admits_event(true, &config, at(1_999)) && trial.admits_event(true, &config, at(2_000)));
        trial.asked(10, at(3_000));
        assert!(trial.heard(), "a doubted event may wait for that");
    }

    #[test]
    fn what_is_doubted_is_sent_alone() {
        let config = Config::default();
        let mut trial = two();
        assert!(trial.admits_event(false, &config, at(300)) && !trial.admits_event(true, &config, at(300)));
        assert_eq!(trial.over(&config), Some(at(2_200)));
        assert!(trial.admits_event(true, &config, at(2_200)), "the relay may be silent");
        trial.event(A, 500, true, 1, at(2_200));
        assert_eq!(trial.over(&config), None, "it is not sent yet");
        trial.taken(at(2_300));
        for doubted in [false, true] {
            assert!(!trial.admits_event(doubted, &config, at(2_400)));
        }
        assert!(!trial.admits_request());
        trial.heard();
        assert!(trial.admits_request() && trial.admits_event(true, &config, at(2_400)));
        trial.asked(10, at(2_400));
        assert!(!trial.admits_event(true, &config, at(2_500)) && trial.admits_event(false, &config, at(2_500)));
    }
}
