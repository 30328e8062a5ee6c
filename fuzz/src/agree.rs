//! Accepted exactly where the naive reading accepts, and then the same.

use nostr_proto::{ParseError, limits};
use serde_json::Value;

use crate::tree::{Reading, Tree};

/// Judges our reading of a text, given as the encoding of what was understood.
pub(crate) fn assert_agrees(text: &str, ours: &Result<String, ParseError>, naive: fn(&Tree) -> Option<Value>) {
    if text.len() > limits::MAX_EVENT_BYTES {
        return; // Sizes are not the naive reading's business.
    }
    if let Err(error) = ours {
        assert!(error.offset <= text.len() && text.is_char_boundary(error.offset), "{error} in {text}");
    }
    let naive = match Tree::read(text) {
        Reading::Tree(tree) => naive(&tree),
        Reading::Refused => None,
        Reading::Beyond => return,
    };
    match (ours, naive) {
        (Ok(encoded), Some(naive)) => {
            let read: Value = serde_json::from_str(encoded).expect("what we encode is JSON");
            assert_eq!(read, naive, "another meaning of {text}");
        }
        (Ok(_), None) => assert!(text.is_empty(), "accepted against the rules: {text}"),
        (Err(error), Some(_)) => assert!(text.is_empty(), "refused against the rules: {error}: {text}"),
        (Err(_), None) => {}
    }
}
