//! Which subscriptions share no REQ at a relay, because one that they shared was refused; or, where one REQ runs at a time, because
//! what they were answered together may have been cut short.
//!
//! | a subscription | shared REQ refused | own REQ answered |
//! |---|---|---|
//! | shares | alone | – |
//! | alone | – | was alone |
//! | was alone, and shares again | always alone | – |
//! | always alone | – | – |
//!
//! It says nothing of any of them that what they shared was refused: so each is asked alone. Whoever is answered then was not the
//! cause and may share again, or a few would keep the rest waiting for a place. If that is refused, too, it is what they
//! are together that the relay does not take. All of this is forgotten with the connection.

use alloc::collections::BTreeMap;

use crate::ids::SubId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alone,
    WasAlone,
    Always,
}

/// See the module. Those that share are not in it.
#[derive(Debug, Default)]
pub(crate) struct Alone(BTreeMap<SubId, State>);

impl Alone {
    pub(crate) fn contains(&self, sub: SubId) -> bool {
        self.0.get(&sub).is_some_and(|state| *state != State::WasAlone)
    }

    /// A REQ that it shared was refused.
    pub(crate) fn refused(&mut self, sub: SubId) {
        let state = match self.0.get(&sub) {
            None | Some(State::Alone) => State::Alone,
            Some(State::WasAlone | State::Always) => State::Always,
        };
        self.0.insert(sub, state);
    }

    /// A REQ of its own was answered.
    pub(crate) fn answered(&mut self, sub: SubId) {
        if let Some(state) = self.0.get_mut(&sub).filter(|state| **state == State::Alone) {
            *state = State::WasAlone;
        }
    }

    pub(crate) fn forget(&mut self, sub: SubId) {
        self.0.remove(&sub);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_the_one_of_the_table() {
        let sub = SubId::from_u64(1);
        let states = [None, Some(State::Alone), Some(State::WasAlone), Some(State::Always)];
        let step = |from: Option<State>, step: fn(&mut Alone, SubId)| {
            let mut alone = Alone(from.map(|state| (sub, state)).into_iter().collect());
            step(&mut alone, sub);
            alone.0.get(&sub).copied()
        };
        let refused = states.map(|state| step(state, Alone::refused));
        assert_eq!(refused, [State::Alone, State::Alone, State::Always, State::Always].map(Some));
        let answered = states.map(|state| step(state, Alone::answered));
        assert_eq!(answered, [None, Some(State::WasAlone), Some(State::WasAlone), Some(State::Always)]);
        assert_eq!(states.map(|state| step(state, Alone::forget)), [None; 4]);
    }
}
