//! What an event is made of: fixed fields, and one buffer for all of its strings.

use super::Address;
use super::tags::{self, Tags};
use crate::{EventId, Kind, KindClass, PublicKey, Signature, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::ops::Range;

/// The one representation of signed and unsigned events: two allocations, this and `text`.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) id: EventId,
    pub(super) pubkey: PublicKey,
    pub(super) created_at: Timestamp,
    pub(super) kind: Kind,
    pub(super) signature: Signature,
    strings: Strings,
}

/// All tag strings, in the encoding of [`tags`], and the content, one behind the other in
/// whichever order they came.
#[derive(Clone)]
pub(super) struct Strings {
    text: Box<str>,
    tags: Range<usize>,
    tag_count: usize,
    content: Range<usize>,
}

/// Collects an event's strings. Each of tags and content is written at most once.
#[derive(Default)]
pub(super) struct StringsBuilder {
    text: String,
    tags: Range<usize>,
    tag_count: usize,
    content: Range<usize>,
}

impl StringsBuilder {
    pub(super) fn with_capacity(bytes: usize) -> StringsBuilder {
        StringsBuilder { text: String::with_capacity(bytes), ..StringsBuilder::default() }
    }

    /// Appends the content through `write`, which may only append.
    pub(super) fn content<E>(&mut self, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        let start = self.text.len();
        write(&mut self.text)?;
        self.content = start..self.text.len();
        Ok(())
    }

    /// Opens the list of tags. Until [`StringsBuilder::end_tags`] nothing but tags may follow.
    pub(super) fn begin_tags(&mut self) {
        self.tags.start = self.text.len();
    }

    /// Appends a string to the tag under construction.
    pub(super) fn tag_value(&mut self, value: &str) {
        tags::push_value(&mut self.text, value);
    }

    /// Ends the tag under construction; the next value begins another.
    pub(super) fn end_tag(&mut self) {
        tags::push_end(&mut self.text);
        self.tag_count += 1;
    }

    pub(super) fn end_tags(&mut self) {
        self.tags.end = self.text.len();
    }

    pub(super) fn finish(self) -> Strings {
        Strings { text: self.text.into_boxed_str(), tags: self.tags, tag_count: self.tag_count, content: self.content }
    }
}

impl Body {
    pub(super) fn new(
        (id, pubkey, signature): (EventId, PublicKey, Signature),
        created_at: Timestamp,
        kind: Kind,
        strings: Strings,
    ) -> Body {
        Body { id, pubkey, created_at, kind, signature, strings }
    }

    pub(super) fn content(&self) -> &str {
        &self.strings.text[self.strings.content.clone()]
    }

    pub(super) fn tags(&self) -> Tags<'_> {
        Tags::new(self.encoded_tags(), self.strings.tag_count)
    }

    fn encoded_tags(&self) -> &str {
        &self.strings.text[self.strings.tags.clone()]
    }

    /// Whether any string holds a control character that NIP-01 names no escape for.
    pub(super) fn has_rare_controls(&self) -> bool {
        let rare = |text: &str| text.bytes().any(|b| b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c));
        rare(self.content()) || self.tags().any(|tag| tag.iter().any(rare))
    }

    pub(super) fn first_value(&self, tag_name: &str) -> Option<&str> {
        self.tags().find(|tag| tag.name() == tag_name)?.value()
    }

    pub(super) fn address(&self) -> Option<Address> {
        let identifier = match self.kind.class() {
            KindClass::Replaceable => "",
            KindClass::Addressable => self.first_value("d").unwrap_or(""),
            KindClass::Regular | KindClass::Ephemeral => return None,
        };
        Some(Address { kind: self.kind, pubkey: self.pubkey, identifier: identifier.into() })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // The two counters that `Arc` keeps beside the body.
        const ARC_HEADER: usize = 2 * size_of::<usize>();
        ARC_HEADER + size_of::<Body>() + self.strings.text.len()
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

/// By meaning, not by layout: the order of tags and content in the buffer plays no part.
impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.id == other.id
            && self.signature == other.signature
            && self.pubkey == other.pubkey
            && self.created_at == other.created_at
            && self.kind == other.kind
            && self.content() == other.content()
            && self.encoded_tags() == other.encoded_tags()
    }
}
