//! Who signed: signatures of events, and NIP-42 authentication.

use crate::event::StoredEvent;
use serde_json::Value;

/// The kind of authentication events.
pub(crate) const KIND: u64 = 22_242;

/// How far an authentication event's `created_at` may be from now, in seconds.
const MAX_AGE_SECS: u64 = 600;

/// Checks id and signature; the error is a reason with its prefix. The only place where the relay relies on
/// `nostr-proto` for a judgement, for there is no naive Schnorr.
pub(crate) fn verify(event: &StoredEvent) -> Result<(), String> {
    if !event.has_right_id() {
        return Err("invalid: bad id".to_owned());
    }
    let hashed = event.event.clone().check_id().map_err(|_| "invalid: bad id".to_owned())?;
    nostr_proto::verify(&hashed).map(drop).map_err(|_| "invalid: bad signature".to_owned())
}

/// Checks an authentication event against the challenge that was sent, and the relay's URL if that is known.
pub(crate) fn check(event: &StoredEvent, challenge: Option<&str>, url: Option<&str>, now: u64) -> Result<(), String> {
    let Some(challenge) = challenge else {
        return Err("invalid: no challenge was sent".to_owned());
    };
    if event.kind() != KIND {
        return Err("invalid: an authentication event has kind 22242".to_owned());
    }
    if event.created_at.abs_diff(now) > MAX_AGE_SECS {
        return Err("invalid: the authentication event is not from now".to_owned());
    }
    if event.first_tag_value("challenge") != Some(challenge) {
        return Err("invalid: not the challenge that was sent".to_owned());
    }
    let same = |named: &str, own: &str| named.trim_end_matches('/').eq_ignore_ascii_case(own.trim_end_matches('/'));
    let names_url = |own: &str| {
        let relay_tags = event.tags().filter(|tag| tag.first().and_then(Value::as_str) == Some("relay"));
        relay_tags.filter_map(|tag| tag.get(1)?.as_str()).any(|named| same(named, own))
    };
    if url.is_none_or(names_url) { Ok(()) } else { Err("invalid: authentication for another relay".to_owned()) }
}
