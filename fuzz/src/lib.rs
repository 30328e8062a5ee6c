//! Fuzz targets as plain library functions: bytes in, and a panic where a promise is broken.
//!
//! `tests/replay.rs` runs them on stable over the committed seeds and seeded mutations of these; the binaries in
//! `fuzz_targets/` hand them to libFuzzer. `README.md` says how.

mod agree;
mod core;
mod event;
mod filter;
mod hll;
mod info;
mod message;
// What judges the integration tests of `nostr-proto` judges here too.
#[path = "../../nostr-proto/tests/it/naive.rs"]
mod naive;
mod negentropy;
mod oracle;
mod recording;
#[path = "../../nostr-proto/tests/it/tree.rs"]
mod tree;
mod url;

pub use crate::core::core_inputs;
pub use event::event;
pub use filter::filter;
pub use hll::count_hll;
pub use info::nip11;
pub use message::{client_message, head_scan_agrees, relay_frame};
pub use negentropy::nip77;
pub use recording::recording;
pub use url::relay_url;

/// A fuzz target: it must return, whatever the bytes are.
pub type Target = fn(&[u8]);

/// Every target, under the name of its folder in `seeds/` and of its binary.
pub const TARGETS: &[(&str, Target)] = &[
    ("client_message", client_message),
    ("core_inputs", core_inputs),
    ("count_hll", count_hll),
    ("event", event),
    ("filter", filter),
    ("head_scan_agrees", head_scan_agrees),
    ("nip11", nip11),
    ("nip77", nip77),
    ("recording", recording),
    ("relay_frame", relay_frame),
    ("relay_url", relay_url),
];
