//! What an event is made of: fixed fields, and one text for all of its strings.

use super::Address;
use super::tags::{self, Form, Tags};
use crate::{EventId, Kind, KindClass, PublicKey, Signature, Timestamp};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
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

/// Writes the text of an event: first each tag's strings, then the content.
pub(super) struct TextBuilder {
    text: String,
    tag_count: usize,
    form: Form,
    /// Whether the next string is the first of its tag.
    first: bool,
}

impl TextBuilder {
    /// A builder with room for this many bytes; what is written beyond costs a larger allocation.
    pub(super) fn new(form: Form, bytes: usize) -> TextBuilder {
        let mut text = String::with_capacity(bytes);
        if form == Form::Plain {
            text.push('[');
        }
        TextBuilder { text, tag_count: 0, form, first: true }
    }

    /// Takes over tags that are written in plain form already.
    pub(super) fn from_plain_tags(tags: &str, tag_count: usize, bytes: usize) -> TextBuilder {
        let mut text = String::with_capacity(bytes);
        text.push_str(&tags[..tags.len() - 1]);
        TextBuilder { text, tag_count, form: Form::Plain, first: true }
    }

    pub(super) fn begin_tag(&mut self) {
        self.first = true;
        if self.form == Form::Plain {
            self.text.push_str(if self.tag_count > 0 { ",[" } else { "[" });
        }
        self.tag_count += 1;
    }

    /// Appends a string of this many bytes, which `write` appends, to the tag under construction.
    pub(super) fn tag_value<E>(
        &mut self,
        bytes: usize,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.form {
            Form::Plain => {
                self.text.push_str(if self.first { "\"" } else { ",\"" });
                self.first = false;
                write(&mut self.text)?;
                self.text.push('"');
                Ok(())
            }
            Form::Sized => {
                tags::push_size(&mut self.text, bytes);
                write(&mut self.text)
            }
        }
    }

    pub(super) fn end_tag(&mut self) {
        match self.form {
            Form::Plain => self.text.push(']'),
            Form::Sized => tags::push_end(&mut self.text),
        }
    }

    /// Ends the tags and appends the content, which `write` appends.
    pub(super) fn finish<E>(
        mut self,
        plain_content: bool,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Text, E> {
        if self.form == Form::Plain {
            self.text.push(']');
        }
        let tags_end = self.text.len();
        write(&mut self.text)?;
        Ok(Text {
            text: self.text.into_boxed_str(),
            tag_count: self.tag_count,
            tags_end,
            form: self.form,
            plain_content,
        })
    }

    /// The text of an event that is made here.
    pub(super) fn from_parts(tags: &[Vec<String>], content: &str) -> Text {
        let plain = tags.iter().flatten().all(|value| tags::is_plain(value));
        TextBuilder::from_parts_in(if plain { Form::Plain } else { Form::Sized }, tags, content)
    }

    pub(super) fn from_parts_in(form: Form, tags: &[Vec<String>], content: &str) -> Text {
        fn push(value: &str) -> impl FnOnce(&mut String) -> Result<(), Infallible> {
            |out| {
                out.push_str(value);
                Ok(())
            }
        }
        // Three bytes around each value and each tag in plain form, and one to four before each in sized form.
        let bytes = tags.iter().flatten().map(|value| value.len() + 4).sum::<usize>() + 3 * tags.len();
        let mut text = TextBuilder::new(form, 2 + bytes + content.len());
        for tag in tags {
            text.begin_tag();
            for value in tag {
                let Ok(()) = text.tag_value(value.len(), push(value));
            }
            text.end_tag();
        }
        let Ok(text) = text.finish(tags::is_plain(content), push(content));
        text
    }
}

impl Text {
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
        ARC_HEADER + size_of::<Body>() + self.text.text.len()
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
