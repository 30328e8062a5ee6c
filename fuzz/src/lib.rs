//! Fuzz targets as plain library functions: bytes in, and a panic where a promise is broken.
//!
//! `tests/replay.rs` runs them on stable over the committed seeds and seeded mutations of these; the binaries in
//! `fuzz_targets/` hand them to libFuzzer. `README.md` says how.

mod core;
mod event;
mod filter;
mod message;
mod oracle;
mod url;

pub use crate::core::core_inputs;
pub use event::event;
pub use filter::filter;
pub use message::{client_message, head_scan_agrees, relay_frame};
pub use url::relay_url;

/// A fuzz target: it must return, whatever the bytes are.
pub type Target = fn(&[u8]);

/// Every target, under the name of its folder in `seeds/` and of its binary.
pub const TARGETS: &[(&str, Target)] = &[
    ("client_message", client_message),
    ("core_inputs", core_inputs),
    ("event", event),
    ("filter", filter),
    ("head_scan_agrees", head_scan_agrees),
    ("relay_frame", relay_frame),
    ("relay_url", relay_url),
];
