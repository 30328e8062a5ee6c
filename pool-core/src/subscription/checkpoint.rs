//! What a subscription has and its application is done with, as a value that outlives it.

/// What a subscription has and its application is done with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {}
