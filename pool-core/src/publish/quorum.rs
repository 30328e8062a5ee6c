//! When a publish counts as published.

use alloc::collections::BTreeSet;
#[cfg(feature = "planted-bugs")]
use alloc::vec::Vec;

use crate::call::{CallError, Quorum};
use crate::event::Verdict;
use crate::ids::RelayIx;

/// A quorum over the relays of one publish: how many must accept, and which ones must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) needed: usize,
    named: BTreeSet<RelayIx>,
    /// Relays that were named twice, where that makes a difference, which it should not.
    #[cfg(feature = "planted-bugs")]
    pub(crate) twice: Vec<RelayIx>,
}

/// A relay's vote as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    Accepted,
    Rejected,
    /// Not known, or not known yet.
    Open,
}

impl Rule {
    /// Resolves a quorum over `relays` relays. `find` gives the number of a named relay if the publish goes there.
    pub(crate) fn new(
        quorum: &Quorum,
        relays: usize,
        mut find: impl FnMut(&nostr_proto::RelayUrl) -> Option<RelayIx>,
    ) -> Result<Self, CallError> {
        let mut named = BTreeSet::new();
        let needed = match quorum {
            Quorum::First => 1,
            Quorum::AtLeast(n) => (*n).max(1),
            Quorum::Percent(p) => (relays * usize::from(*p)).div_ceil(100).max(1),
            Quorum::Majority => relays / 2 + 1,
            Quorum::All => relays,
            Quorum::Named(urls) => {
                named.extend(urls.iter().filter_map(&mut find));
                let needed = urls.iter().collect::<BTreeSet<_>>().len();
                if named.len() < needed {
                    return Err(CallError::ImpossibleQuorum { needed, relays: named.len() });
                }
                needed.max(1)
            }
        };
        if needed > relays {
            return Err(CallError::ImpossibleQuorum { needed, relays });
        }
        Ok(Self {
            needed,
            named,
            #[cfg(feature = "planted-bugs")]
            twice: Vec::new(),
        })
    }

    /// The verdict that these votes allow, if it is certain.
    pub(crate) fn judge(&self, votes: impl Iterator<Item = (RelayIx, Vote)>) -> Option<Verdict> {
        let (mut accepted, mut open) = (0, 0);
        for (relay, vote) in votes {
            if !self.named.is_empty() && !self.named.contains(&relay) {
                continue;
            }
            match vote {
                #[cfg(feature = "planted-bugs")]
                Vote::Accepted if self.twice.contains(&relay) => accepted += 2,
                Vote::Accepted => accepted += 1,
                Vote::Open => open += 1,
                Vote::Rejected => {}
            }
        }
        if accepted >= self.needed {
            Some(Verdict::Reached)
        } else if accepted + open < self.needed {
            Some(Verdict::Failed)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(quorum: &Quorum, relays: usize) -> Result<usize, CallError> {
        Rule::new(quorum, relays, |_| Some(RelayIx(0))).map(|r| r.needed)
    }

    fn rule_of(needed: usize, named: BTreeSet<RelayIx>) -> Rule {
        Rule {
            needed,
            named,
            #[cfg(feature = "planted-bugs")]
            twice: Vec::new(),
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(rule(&Quorum::First, 3), Ok(1));
        assert_eq!(rule(&Quorum::AtLeast(2), 3), Ok(2));
        assert_eq!(rule(&Quorum::AtLeast(0), 3), Ok(1), "nothing is published where nobody accepted");
        assert_eq!(rule(&Quorum::Percent(50), 3), Ok(2));
        assert_eq!(rule(&Quorum::Majority, 4), Ok(3));
        assert_eq!(rule(&Quorum::All, 4), Ok(4));
        assert_eq!(rule(&Quorum::AtLeast(4), 3), Err(CallError::ImpossibleQuorum { needed: 4, relays: 3 }));
    }

    #[test]
    fn failure_is_told_as_soon_as_it_is_certain() {
        let rule = rule_of(2, BTreeSet::new());
        let judge = |votes: &[Vote]| rule.judge(votes.iter().map(|v| (RelayIx(0), *v)));
        assert_eq!(judge(&[Vote::Accepted, Vote::Open, Vote::Rejected]), None);
        assert_eq!(judge(&[Vote::Accepted, Vote::Rejected, Vote::Rejected]), Some(Verdict::Failed));
        assert_eq!(judge(&[Vote::Accepted, Vote::Rejected, Vote::Accepted]), Some(Verdict::Reached));
    }

    #[test]
    fn only_named_relays_count() {
        let rule = rule_of(1, [RelayIx(7)].into());
        assert_eq!(rule.judge([(RelayIx(1), Vote::Accepted), (RelayIx(7), Vote::Open)].into_iter()), None);
        assert_eq!(
            rule.judge([(RelayIx(1), Vote::Accepted), (RelayIx(7), Vote::Rejected)].into_iter()),
            Some(Verdict::Failed)
        );
    }
}
