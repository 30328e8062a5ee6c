//! What others make of a frame.

use nostr_proto::Event;
use serde::{Deserialize, Serialize};
use simd_json::Buffers;
use simd_json::prelude::ValueAsScalar;
use sonic_rs::{JsonValueTrait, pointer};

/// An event as a plain struct that owns all of its strings.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct OwnedEvent {
    pub(super) id: String,
    pub(super) pubkey: String,
    pub(super) created_at: u64,
    pub(super) kind: u16,
    pub(super) tags: Vec<Vec<String>>,
    pub(super) content: String,
    pub(super) sig: String,
}

/// An EVENT frame as plain owned values.
pub(super) type OwnedFrame = (String, String, OwnedEvent);

/// simd-json, which parses in place: it works on a copy of the frame, in memory that it keeps.
#[derive(Default)]
pub(super) struct SimdJson {
    copy: Vec<u8>,
    buffers: Buffers,
}

impl SimdJson {
    /// The whole frame.
    pub(super) fn frame(&mut self, frame: &str) -> Option<OwnedFrame> {
        self.copy.clear();
        self.copy.extend_from_slice(frame.as_bytes());
        simd_json::serde::from_slice_with_buffers(&mut self.copy, &mut self.buffers).ok()
    }

    /// The event's id, by way of a tape: the least that simd-json does.
    pub(super) fn id<T>(&mut self, frame: &str, use_id: impl FnOnce(&str) -> T) -> Option<T> {
        self.copy.clear();
        self.copy.extend_from_slice(frame.as_bytes());
        let tape = simd_json::to_tape(&mut self.copy).ok()?;
        Some(use_id(tape.as_value().get_idx(2)?.get("id")?.as_str()?))
    }
}

/// The event's id by sonic-rs, which skips what stands before it.
pub(super) fn sonic_id<T>(frame: &str, use_id: impl FnOnce(&str) -> T) -> Option<T> {
    let id = sonic_rs::get_from_str(frame, pointer![2, "id"]).ok()?;
    Some(use_id(id.as_str()?))
}

/// Whether all contenders read this frame as an EVENT with this event's id.
pub(super) fn all_agree(frame: &str, event: &Event) -> bool {
    let id = event.id().to_string();
    let nostr = match nostr::message::RelayMessage::from_json(frame) {
        Ok(nostr::message::RelayMessage::Event { event, .. }) => event.id.to_hex() == id,
        _ => false,
    };
    let owned = |frame: Option<OwnedFrame>| frame.is_some_and(|frame| frame.2.id == id);
    nostr
        && owned(serde_json::from_str(frame).ok())
        && owned(sonic_rs::from_str(frame).ok())
        && owned(SimdJson::default().frame(frame))
}
