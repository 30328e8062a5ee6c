//! Why a text from the wire was refused, and where.

use alloc::borrow::Cow;
use core::fmt;

/// A text that is not the event, filter or message it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte position in the parsed text at which the fault was seen: the start of the
    /// offending value or key, or the closing brace where something is missing.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text, or the event in it, is longer than this many bytes.
    TooLarge {
        /// The bound that was exceeded; see [`crate::limits`].
        limit: usize,
    },
    /// The message holds more filters than this.
    TooManyFilters {
        /// The bound that was exceeded; see [`crate::limits`].
        limit: usize,
    },
    /// Arrays and objects are nested deeper than this.
    TooDeep {
        /// The bound that was exceeded; see [`crate::limits`].
        limit: usize,
    },
    /// The text ends in the middle of a value.
    UnexpectedEnd,
    /// Something else should stand here.
    Expected(&'static str),
    /// The value is complete, yet more text follows.
    TrailingText,
    /// A control character stands unescaped in a string.
    ControlCharacter,
    /// A backslash begins no JSON escape.
    BadEscape,
    /// A `\u` escape names half of a surrogate pair.
    LoneSurrogate,
    /// The characters form no JSON number.
    BadNumber,
    /// A field appears twice.
    DuplicateField {
        /// What the field belongs to.
        part: Part,
        /// The field's name.
        field: Cow<'static, str>,
    },
    /// A required field is absent.
    MissingField {
        /// What the field belongs to.
        part: Part,
        /// The field's name.
        field: &'static str,
    },
    /// A field has the wrong type or form.
    BadField {
        /// What the field belongs to.
        part: Part,
        /// The field's name.
        field: Cow<'static, str>,
        /// What it must be, as the end of the sentence "it must be …".
        expected: &'static str,
    },
    /// The first element names no message that a client may send.
    UnknownMessage,
}

/// What a field belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A field of an event object.
    Event,
    /// A field of a filter object.
    Filter,
    /// An element of a message array, or a field of its payload.
    Message,
}

impl Part {
    fn label(self) -> &'static str {
        match self {
            Part::Event => "event field",
            Part::Filter => "filter field",
            Part::Message => "message element",
        }
    }
}

impl ParseError {
    pub(crate) fn new(offset: usize, kind: ParseErrorKind) -> ParseError {
        ParseError { offset, kind }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.kind)
    }
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "larger than {limit} bytes"),
            Self::TooManyFilters { limit } => write!(f, "more than {limit} filters"),
            Self::TooDeep { limit } => write!(f, "nested deeper than {limit} levels"),
            Self::UnexpectedEnd => f.write_str("the text ends too early"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::TrailingText => f.write_str("more text follows the value"),
            Self::ControlCharacter => f.write_str("unescaped control character in a string"),
            Self::BadEscape => f.write_str("not a JSON escape"),
            Self::LoneSurrogate => f.write_str("half of a surrogate pair"),
            Self::BadNumber => f.write_str("not a JSON number"),
            Self::DuplicateField { part, field } => {
                write!(f, "{} \"{field}\" appears twice", part.label())
            }
            Self::MissingField { part, field } => {
                write!(f, "{} \"{field}\" is missing", part.label())
            }
            Self::BadField { part, field, expected } => write!(f, "{} \"{field}\" must be {expected}", part.label()),
            Self::UnknownMessage => {
                f.write_str("the message must be EVENT, REQ, CLOSE, AUTH, COUNT, NEG-OPEN, NEG-MSG or NEG-CLOSE")
            }
        }
    }
}

impl core::error::Error for ParseError {}
