//! How the process ends.

use std::process::ExitCode;

/// The exit codes of every command; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went as asked.
    Ok,
    /// It certainly did not.
    Failed,
    /// Whether it did is not known.
    Indeterminate,
    /// The arguments or the input are at fault.
    Usage,
    /// The user pressed Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Indeterminate => 2,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// The worse of two: what a command that did many things ends with.
    pub(crate) fn worst(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Ok => 0,
            Self::Indeterminate => 1,
            Self::Failed => 2,
            Self::Usage => 3,
            Self::Interrupted => 4,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody reads our output any more. That is the reader's good right: the command ends quietly, with 0.
    PipeClosed,
    /// Something is wrong; the message is one line that names what.
    Error(Exit, String),
}

impl Stop {
    /// The user's arguments or input are at fault.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Error(Exit::Usage, message.into())
    }

    /// The work failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Error(Exit::Failed, message.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_outranks_failure_and_failure_outranks_doubt() {
        let order = [Exit::Ok, Exit::Indeterminate, Exit::Failed, Exit::Usage, Exit::Interrupted];
        for (i, low) in order.iter().enumerate() {
            for high in &order[i..] {
                assert_eq!(low.worst(*high), *high);
                assert_eq!(high.worst(*low), *high);
            }
        }
    }
}
