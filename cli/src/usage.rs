//! Faults in the arguments, each in one line.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::exit::Exit;
use crate::output;
use crate::secrets;

/// Characters of a faulty value that are shown.
const SHOWN: usize = 60;

/// Answers arguments that name no command to run: help and version on stdout, faults on stderr.
pub(crate) fn answer(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that went away is no fault.
            let _ = error.print();
            Exit::Ok
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            output::error(&message(error));
            Exit::Usage
        }
    }
}

/// The argument and the reason, in one line.
fn message(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if error.kind() == ErrorKind::ValueValidation
        && let (Some(arg), Some(value), Some(reason)) =
            (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue), error.source())
    {
        let value = match arg.split(' ').next() {
            Some("--relay" | "<RELAY>...") => secrets::without_password(value),
            // Any part of these may be a secret, and the reason says enough.
            Some("--header" | "--proxy") => return format!("{arg}: {reason}"),
            _ => value.to_owned(),
        };
        return format!("{arg}: {reason} (given: '{}')", output::cut(&without_secrets(&value), SHOWN));
    }
    let rendered = error.render().to_string();
    let rendered = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    // The first paragraph says what is wrong; usage and hints follow after a blank line.
    let lines = rendered.lines().map(str::trim).take_while(|line| !line.is_empty());
    let fault = without_secrets(&lines.collect::<Vec<_>>().join(" "));
    match text(ContextKind::SuggestedArg).or_else(|| text(ContextKind::SuggestedSubcommand)) {
        Some(similar) => format!("{fault}; did you mean '{similar}'?"),
        None => fault,
    }
}

/// Before anything is cut, for a part of a secret is none that can be told from other text.
fn without_secrets(text: &str) -> String {
    secrets::without_nsec(&secrets::without_hex(&secrets::without_passwords(text)))
}
