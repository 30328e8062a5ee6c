//! What relays send.

use super::elements::{Elements, bad};
use super::reason::shorten;
use super::{Reason, encode};
use crate::error::ParseError;
use crate::event::parse_event;
use crate::json::{write_integer, write_joined, write_string};
use crate::{Event, EventId, HyperLogLog, hex_text};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A message from a relay to a client (NIP-01, 42, 45, 67, 77). Texts borrow from the frame where nothing in them was
/// escaped.
///
/// ```
/// use nostr_proto::{Prefix, RelayMessage};
///
/// let frame = r#"["CLOSED","feed","auth-required: hello"]"#;
/// let RelayMessage::Closed { subscription, reason } = RelayMessage::parse(frame)? else {
///     panic!("another message");
/// };
/// assert_eq!(subscription, "feed");
/// assert_eq!((reason.prefix, reason.message.as_str()), (Some(Prefix::AuthRequired), "hello"));
/// # Ok::<(), nostr_proto::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayMessage<'a> {
    /// An event for a subscription.
    Event {
        /// The subscription's name on this connection.
        subscription: Cow<'a, str>,
        /// The event, unverified.
        event: Event,
    },
    /// The answer to an EVENT or AUTH.
    Ok {
        /// The event it is about; `None` where the relay sent an empty string.
        event_id: Option<EventId>,
        /// Whether the relay took it.
        accepted: bool,
        /// Why, or why not; empty where the relay gave none.
        reason: Reason,
    },
    /// The stored events have been sent.
    Eose {
        /// The subscription's name on this connection.
        subscription: Cow<'a, str>,
        /// Whether these were all (NIP-67).
        hints: EoseHints,
    },
    /// The relay ended or refused a subscription.
    Closed {
        /// The subscription's name on this connection.
        subscription: Cow<'a, str>,
        /// Why; empty where the relay gave no reason.
        reason: Reason,
    },
    /// A text for people, at most [`MAX_REASON_BYTES`](crate::limits::MAX_REASON_BYTES) of it.
    Notice {
        /// The text. May hold control characters: escape it when showing it.
        message: Cow<'a, str>,
    },
    /// A challenge to authenticate (NIP-42).
    Auth {
        /// The challenge.
        challenge: Cow<'a, str>,
    },
    /// The answer to a COUNT (NIP-45).
    Count {
        /// The query's name on this connection.
        subscription: Cow<'a, str>,
        /// How many events match.
        count: u64,
        /// Whether that is an estimate.
        approximate: bool,
        /// The registers that counts are merged by. `None` where the relay sent none, or anything but
        /// 512 hex characters.
        hll: Option<Box<HyperLogLog>>,
    },
    /// Continues a reconciliation of event sets (NIP-77).
    NegMsg {
        /// The reconciliation's name on this connection.
        subscription: Cow<'a, str>,
        /// The negentropy message: binary, hex only on the wire.
        message: Vec<u8>,
    },
    /// The relay refused a reconciliation, or ended it (NIP-77).
    NegErr {
        /// The reconciliation's name on this connection.
        subscription: Cow<'a, str>,
        /// Why; empty where the relay gave no reason.
        reason: Reason,
        /// How many records the relay would compare at most, where it says so.
        max_records: Option<u64>,
    },
    /// A message of a type that we don't know.
    Unknown {
        /// Its first element.
        verb: Cow<'a, str>,
    },
}

/// What an EOSE says about completeness (NIP-67). Neither is known to be false where a relay
/// says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct EoseHints {
    /// Every stored match was sent.
    pub finish: bool,
    /// The relay holds more matches than it sent.
    pub more: bool,
}

impl<'a> RelayMessage<'a> {
    /// Parses a relay's frame: strict about events, lenient around them. Further elements and
    /// unknown hints are ignored, reasons may be missing, a COUNT may be a bare number,
    /// registers that are malformed count as absent; registers and negentropy messages may be in hex of either case.
    ///
    /// # Errors
    ///
    /// No valid JSON, no array that begins with a string, a bad event, an element of the wrong
    /// type, or a text above [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    pub fn parse(frame: &'a str) -> Result<RelayMessage<'a>, ParseError> {
        let (mut elements, _, verb) = Elements::open(frame)?;
        let elements = &mut elements;
        let message = match &*verb {
            "EVENT" => {
                let subscription = subscription(elements)?;
                elements.require("event")?;
                let event = parse_event(&mut elements.reader)?;
                RelayMessage::Event { subscription, event }
            }
            "OK" => ok(elements)?,
            "EOSE" => RelayMessage::Eose { subscription: subscription(elements)?, hints: hints(elements)? },
            "CLOSED" => RelayMessage::Closed { subscription: subscription(elements)?, reason: reason(elements)? },
            "NOTICE" => RelayMessage::Notice { message: shorten_cow(elements.text("message")?) },
            "AUTH" => RelayMessage::Auth { challenge: elements.text("challenge")? },
            "COUNT" => count(elements)?,
            "NEG-MSG" => {
                RelayMessage::NegMsg { subscription: subscription(elements)?, message: elements.negentropy()? }
            }
            "NEG-ERR" => neg_err(elements)?,
            _ => RelayMessage::Unknown { verb },
        };
        elements.finish()?;
        Ok(message)
    }

    /// The message as minified JSON. An [`RelayMessage::Unknown`] is its verb alone.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("[");
        match self {
            RelayMessage::Event { subscription, event } => {
                put_texts(&mut out, &["EVENT", subscription]);
                out.reserve(event.size() + 2);
                out.push(',');
                event.write_json(&mut out);
            }
            RelayMessage::Ok { event_id, accepted, reason } => {
                let id = event_id.map(|id| id.to_string()).unwrap_or_default();
                put_texts(&mut out, &["OK", &id]);
                out.push_str(if *accepted { ",true," } else { ",false," });
                write_string(&mut out, &reason.to_string());
            }
            RelayMessage::Eose { subscription, hints } => {
                put_texts(&mut out, &["EOSE", subscription]);
                out.push_str(match (hints.finish, hints.more) {
                    (true, true) => ",[\"finish\",\"more\"]",
                    (true, false) => ",[\"finish\"]",
                    (false, true) => ",[\"more\"]",
                    (false, false) => "",
                });
            }
            RelayMessage::Closed { subscription, reason } => {
                put_texts(&mut out, &["CLOSED", subscription, &reason.to_string()]);
            }
            RelayMessage::Notice { message } => put_texts(&mut out, &["NOTICE", message]),
            RelayMessage::Auth { challenge } => put_texts(&mut out, &["AUTH", challenge]),
            RelayMessage::Count { subscription, count, approximate, hll } => {
                put_texts(&mut out, &["COUNT", subscription]);
                put_count(&mut out, *count, *approximate, hll.as_deref());
            }
            RelayMessage::NegMsg { subscription, message } => return encode::neg_msg(subscription, message),
            RelayMessage::NegErr { subscription, reason, max_records } => {
                put_texts(&mut out, &["NEG-ERR", subscription, &reason.to_string()]);
                if let Some(records) = max_records {
                    out.push(',');
                    write_integer(&mut out, *records);
                }
            }
            RelayMessage::Unknown { verb } => put_texts(&mut out, &[verb]),
        }
        out.push(']');
        out
    }

    /// The same message with texts of its own, so that it can outlive the frame.
    #[must_use]
    pub fn into_owned(self) -> RelayMessage<'static> {
        match self {
            RelayMessage::Event { subscription, event } => {
                RelayMessage::Event { subscription: owned(subscription), event }
            }
            RelayMessage::Ok { event_id, accepted, reason } => RelayMessage::Ok { event_id, accepted, reason },
            RelayMessage::Eose { subscription, hints } => {
                RelayMessage::Eose { subscription: owned(subscription), hints }
            }
            RelayMessage::Closed { subscription, reason } => {
                RelayMessage::Closed { subscription: owned(subscription), reason }
            }
            RelayMessage::Notice { message } => RelayMessage::Notice { message: owned(message) },
            RelayMessage::Auth { challenge } => RelayMessage::Auth { challenge: owned(challenge) },
            RelayMessage::Count { subscription, count, approximate, hll } => {
                RelayMessage::Count { subscription: owned(subscription), count, approximate, hll }
            }
            RelayMessage::NegMsg { subscription, message } => {
                RelayMessage::NegMsg { subscription: owned(subscription), message }
            }
            RelayMessage::NegErr { subscription, reason, max_records } => {
                RelayMessage::NegErr { subscription: owned(subscription), reason, max_records }
            }
            RelayMessage::Unknown { verb } => RelayMessage::Unknown { verb: owned(verb) },
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn shorten_cow(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(shorten(text)),
        Cow::Owned(text) => Cow::Owned(shorten(&text).into()),
    }
}

fn subscription<'a>(elements: &mut Elements<'a>) -> Result<Cow<'a, str>, ParseError> {
    elements.text("subscription id")
}

fn ok<'a>(elements: &mut Elements<'a>) -> Result<RelayMessage<'a>, ParseError> {
    elements.require("event id")?;
    let start = elements.reader.offset();
    let wrong = || bad("event id", "64 lowercase hex characters, or empty");
    let id = elements.reader.string_or(wrong())?;
    let event_id = match id.parse() {
        Ok(id) => Some(id),
        Err(_) if id.is_empty() => None,
        Err(_) => return Err(ParseError::new(start, wrong())),
    };
    elements.require("accepted")?;
    let Some(accepted) = elements.reader.boolean() else {
        return elements.reader.error(bad("accepted", "true or false"));
    };
    Ok(RelayMessage::Ok { event_id, accepted, reason: reason(elements)? })
}

/// Reads the next element as a reason. Some relays leave it out, or write null.
fn reason(elements: &mut Elements<'_>) -> Result<Reason, ParseError> {
    if !elements.next()? {
        return Ok(Reason::default());
    }
    match elements.reader.peek() {
        Some(b'"') => Ok(Reason::parse(&elements.reader.string()?)),
        _ => elements.skip().map(|()| Reason::default()),
    }
}

/// Reads the next element as an array of hints; anything else says nothing.
fn hints(elements: &mut Elements<'_>) -> Result<EoseHints, ParseError> {
    let mut hints = EoseHints::default();
    if !elements.next()? {
        return Ok(hints);
    }
    if !elements.reader.eat(b'[') {
        elements.skip()?;
        return Ok(hints);
    }
    let mut first = true;
    while elements.reader.next_item(first)? {
        first = false;
        if elements.reader.peek() != Some(b'"') {
            elements.skip_within()?;
            continue;
        }
        match &*elements.reader.string()? {
            "finish" => hints.finish = true,
            "more" => hints.more = true,
            _ => {}
        }
    }
    Ok(hints)
}

/// Reads a NEG-ERR. What stands where the number of records may stand counts only if it is one.
fn neg_err<'a>(elements: &mut Elements<'a>) -> Result<RelayMessage<'a>, ParseError> {
    let subscription = subscription(elements)?;
    let reason = reason(elements)?;
    let mut max_records = None;
    if elements.next()? {
        max_records = elements.reader.integer();
        if max_records.is_none() {
            elements.skip()?;
        }
    }
    Ok(RelayMessage::NegErr { subscription, reason, max_records })
}

const COUNT_SHAPE: &str = "an integer, or an object with an integer \"count\"";

fn count<'a>(elements: &mut Elements<'a>) -> Result<RelayMessage<'a>, ParseError> {
    let subscription = subscription(elements)?;
    elements.require("count")?;
    let start = elements.reader.offset();
    let (mut approximate, mut hll) = (false, None);
    let mut count = elements.reader.integer();
    if count.is_none() && elements.reader.eat(b'{') {
        let mut first = true;
        while let Some((_, key)) = elements.reader.next_key(first)? {
            let key = key.into_text()?;
            first = false;
            let value = elements.reader.peek();
            match &*key {
                "count" => {
                    count = elements.reader.integer();
                    if count.is_none() {
                        return elements.reader.error(bad("count", COUNT_SHAPE));
                    }
                }
                "hll" if value == Some(b'"') => {
                    hll = HyperLogLog::from_hex(&elements.reader.string()?).ok().map(Box::new);
                }
                "approximate" if matches!(value, Some(b't' | b'f')) => {
                    approximate = elements.reader.boolean() == Some(true);
                }
                _ => elements.skip_within()?,
            }
        }
    }
    match count {
        Some(count) => Ok(RelayMessage::Count { subscription, count, approximate, hll }),
        None => Err(ParseError::new(start, bad("count", COUNT_SHAPE))),
    }
}

/// Writes the first elements of a message, all strings.
fn put_texts(out: &mut String, texts: &[&str]) {
    write_joined(out, texts, |out, text| write_string(out, text));
}

fn put_count(out: &mut String, count: u64, approximate: bool, hll: Option<&HyperLogLog>) {
    out.push_str(",{\"count\":");
    write_integer(out, count);
    if approximate {
        out.push_str(",\"approximate\":true");
    }
    if let Some(hll) = hll {
        out.push_str(",\"hll\":\"");
        hex_text::push(out, hll.as_bytes());
        out.push('"');
    }
    out.push('}');
}
