//! Wake-ups, and how long the core's lock is held, under several loads: what the pool counts with its feature `metrics`.

#[cfg(feature = "metrics")]
mod loads;

#[cfg(feature = "metrics")]
pub(crate) use loads::{measure, report};
#[cfg(not(feature = "metrics"))]
pub(crate) use missing::{measure, report};

#[cfg(not(feature = "metrics"))]
mod missing {
    use std::error::Error;

    use crate::args::Args;

    pub(crate) fn report(_: &Args) -> Result<(), Box<dyn Error>> {
        Err("nothing is counted in this build; it needs `--features metrics`".into())
    }

    pub(crate) fn measure(_: &str, args: &Args) -> Result<(), Box<dyn Error>> {
        report(args)
    }
}
