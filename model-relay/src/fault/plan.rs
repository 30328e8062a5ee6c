//! Several faults at once.

use super::Fault;

/// A relay's misbehaviour: any number of [`Fault`]s at once. Of two of a sort the first counts. Empty means honest.
///
/// ```
/// use nostr_model_relay::{Fault, FaultPlan};
///
/// let plan = FaultPlan::new().with(Fault::NeverEose).with(Fault::ForgeSignature { every: 3 });
/// assert_eq!(plan.faults().len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultPlan {
    pub(super) faults: Vec<Fault>,
}

impl FaultPlan {
    /// An honest relay.
    pub const fn new() -> Self {
        Self { faults: Vec::new() }
    }

    /// The plan with one more fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The faults in the order in which they were added.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl From<Fault> for FaultPlan {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self { faults: faults.into_iter().collect() }
    }
}
