//! Whether an event is genuine, found out apart from the core: the hash by the model relay's naive code, the signature by
//! `nostr-proto`, for there is no naive Schnorr.

use std::collections::BTreeMap;

use nostr_proto::Event;
use serde_json::Value;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Its author signed it.
    Good,
    /// Its id is not the hash of the rest.
    BadHash,
    /// Nobody signed it.
    BadSignature,
    /// It is no event.
    Unreadable,
}

/// What was judged before: each event once.
#[derive(Debug, Default)]
pub(super) struct Judge {
    known: BTreeMap<String, Judged>,
}

impl Judge {
    pub(super) fn judge(&mut self, event: &Value) -> Judged {
        *self.known.entry(event.to_string()).or_insert_with_key(|text| judge(event, text))
    }
}

fn judge(event: &Value, text: &str) -> Judged {
    if !nostr_model_relay::has_right_id(event) {
        return if event["id"].is_string() { Judged::BadHash } else { Judged::Unreadable };
    }
    match Event::from_json(text) {
        Ok(event) if nostr_proto::verify_event(event.clone()).is_ok() => Judged::Good,
        Ok(_) => Judged::BadSignature,
        Err(_) => Judged::Unreadable,
    }
}
