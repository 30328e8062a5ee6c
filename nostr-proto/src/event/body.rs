//! What an event is made of: fixed fields, and one text for all of its strings.

use super::Address;
use super::tags::{self, Form, Tags, TagsWriter};
use crate::{EventId, Kind, KindClass, PublicKey, Signature, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The one representation of signed and unsigned events: two allocations, this and its text.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) id: EventId,
    pub(super) pubkey: PublicKey,
    pub(super) created_at: Timestamp,
    pub(super) kind: Kind,
    pub(super) signature: Signature,
    text: Text,
}

/// All tags, encoded as [`tags`] says, and the content behind them.
#[derive(Clone)]
pub(super) struct Text {
    text: Box<str>,
    tag_count: usize,
    tags_end: usize,
    form: Form,
    /// Whether the content is known to need no escape. Where it is not known, it may need none all the same.
    plain_content: bool,
}

impl Text {
    /// The text of an event: its tags, encoded, and from `tags_end` on its content.
    pub(super) fn new(text: String, (form, tag_count, tags_end): (Form, usize, usize), plain_content: bool) -> Text {
        Text { text: text.into_boxed_str(), tag_count, tags_end, form, plain_content }
    }

    /// The text of an event that is made here.
    pub(super) fn from_parts(tags: &[Vec<String>], content: &str) -> Text {
        let plain = tags.iter().flatten().all(|value| tags::is_plain(value));
        Text::from_parts_in(if plain { Form::Plain } else { Form::Sized }, tags, content)
    }

    pub(super) fn from_parts_in(form: Form, tags: &[Vec<String>], content: &str) -> Text {
        let bytes = tags::encoded_bytes(form, tags);
        let mut text = String::with_capacity(bytes + content.len());
        let mut writer = TagsWriter::new(form, &mut text);
        for tag in tags {
            writer.begin_tag();
            for value in tag {
                writer.begin_value(value.len()).push_str(value);
                writer.end_value();
            }
            writer.end_tag();
        }
        writer.finish();
        debug_assert_eq!(text.len(), bytes, "the exact size");
        let tags_end = text.len();
        text.push_str(content);
        Text::new(text, (form, tags.len(), tags_end), tags::is_plain(content))
    }

    pub(super) fn tags(&self) -> Tags<'_> {
        Tags::new(self.form, self.encoded_tags(), self.tag_count)
    }

    fn encoded_tags(&self) -> &str {
        &self.text[..self.tags_end]
    }

    fn content(&self) -> &str {
        &self.text[self.tags_end..]
    }
}

/// What the body takes beside its text, the two counters of its `Arc` included. The same on every machine, for what the core
/// does depends on it; where words have 64 bits, it is exact.
const FIXED_BYTES: usize = 200;

impl Body {
    pub(super) fn new(
        (id, pubkey, signature): (EventId, PublicKey, Signature),
        created_at: Timestamp,
        kind: Kind,
        text: Text,
    ) -> Body {
        Body { id, pubkey, created_at, kind, signature, text }
    }

    pub(super) fn content(&self) -> &str {
        self.text.content()
    }

    /// The content, if it is known that JSON holds it as it is.
    pub(super) fn plain_content(&self) -> Option<&str> {
        self.text.plain_content.then(|| self.content())
    }

    pub(super) fn tags(&self) -> Tags<'_> {
        self.text.tags()
    }

    /// The canonical JSON of the tags, where that is how they are held.
    pub(super) fn plain_tags(&self) -> Option<&str> {
        (self.text.form == Form::Plain).then(|| self.text.encoded_tags())
    }

    /// Whether any string holds a control character that NIP-01 names no escape for.
    pub(super) fn has_rare_controls(&self) -> bool {
        let rare = |text: &str| text.bytes().any(|b| b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c));
        rare(self.content()) || self.tags().any(|tag| tag.iter().any(rare))
    }

    pub(super) fn address(&self) -> Option<Address> {
        let identifier = match self.kind.class() {
            KindClass::Replaceable => "",
            KindClass::Addressable => self.tags().identifier(),
            KindClass::Regular | KindClass::Ephemeral => return None,
        };
        Some(Address { kind: self.kind, pubkey: self.pubkey, identifier: identifier.into() })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        FIXED_BYTES + self.text.text.len()
    }

    pub(super) fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("id", &self.id)
            .field("pubkey", &self.pubkey)
            .field("created_at", &self.created_at)
            .field("kind", &self.kind)
            .field("tags", &self.tags())
            .field("content", &self.content())
            .finish_non_exhaustive()
    }
}

/// By meaning, not by layout: how tags are held plays no part.
impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.id == other.id
            && self.signature == other.signature
            && self.pubkey == other.pubkey
            && self.created_at == other.created_at
            && self.kind == other.kind
            && self.content() == other.content()
            && self.tags().len() == other.tags().len()
            && self.tags().eq(other.tags())
    }
}
