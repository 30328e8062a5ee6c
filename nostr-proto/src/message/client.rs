//! What clients send.

use super::elements::{Elements, bad};
use super::encode;
use crate::error::{ParseError, ParseErrorKind};
use crate::event::parse_event;
use crate::filter::parse_filter;
use crate::limits::MAX_FILTERS;
use crate::{Event, Filter};
use alloc::string::String;
use alloc::vec::Vec;

/// A message from a client to a relay (NIP-01, 42, 45, 77). To write one without owning its parts, see
/// [`encode`](crate::encode).
///
/// ```
/// use nostr_proto::{ClientMessage, Filter};
///
/// let message = ClientMessage::Req { subscription: "feed".into(), filters: vec![Filter::new().limit(1)] };
/// assert_eq!(message.to_json(), r#"["REQ","feed",{"limit":1}]"#);
/// assert_eq!(ClientMessage::from_json(r#"[ "REQ", "feed", {"limit": 1} ]"#)?, message);
/// # Ok::<(), nostr_proto::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Publishes an event.
    Event(Event),
    /// Opens or replaces a subscription.
    Req {
        /// The subscription's name on this connection.
        subscription: String,
        /// What is asked for: events that match any of these.
        filters: Vec<Filter>,
    },
    /// Ends a subscription.
    Close {
        /// The subscription's name on this connection.
        subscription: String,
    },
    /// Answers an authentication challenge (NIP-42).
    Auth(Event),
    /// Asks how many events match (NIP-45).
    Count {
        /// The query's name on this connection.
        subscription: String,
        /// What is counted: events that match any of these.
        filters: Vec<Filter>,
    },
    /// Opens a reconciliation of event sets (NIP-77), or begins it anew.
    NegOpen {
        /// The reconciliation's name on this connection; not in one space with those of REQ.
        subscription: String,
        /// Which events are compared.
        filter: Filter,
        /// The first negentropy message: binary, hex only on the wire.
        message: Vec<u8>,
    },
    /// Continues a reconciliation (NIP-77).
    NegMsg {
        /// The reconciliation's name on this connection.
        subscription: String,
        /// The negentropy message: binary, hex only on the wire.
        message: Vec<u8>,
    },
    /// Ends a reconciliation (NIP-77).
    NegClose {
        /// The reconciliation's name on this connection.
        subscription: String,
    },
}

impl ClientMessage {
    /// Parses a message as a relay receives it. Further elements are ignored, except that all
    /// behind a subscription id of REQ and COUNT are filters. The hex of a negentropy message may be in
    /// either case; its bytes are not looked at.
    ///
    /// # Errors
    ///
    /// Another verb, an element of the wrong type, no filter or more than [`MAX_FILTERS`], a bad event or filter, a
    /// text above [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES), or no valid JSON. The subscription id may be
    /// any string that is not empty; its length is the relay's business.
    pub fn from_json(json: &str) -> Result<ClientMessage, ParseError> {
        let (mut elements, at, verb) = Elements::open(json)?;
        let elements = &mut elements;
        let message = match &*verb {
            "EVENT" => ClientMessage::Event(event(elements)?),
            "AUTH" => ClientMessage::Auth(event(elements)?),
            "REQ" => ClientMessage::Req { subscription: subscription(elements)?, filters: filters(elements)? },
            "COUNT" => ClientMessage::Count { subscription: subscription(elements)?, filters: filters(elements)? },
            "CLOSE" => ClientMessage::Close { subscription: subscription(elements)? },
            "NEG-OPEN" => {
                let subscription = subscription(elements)?;
                elements.require("filter")?;
                let filter = parse_filter(&mut elements.reader)?;
                ClientMessage::NegOpen { subscription, filter, message: elements.negentropy()? }
            }
            "NEG-MSG" => {
                ClientMessage::NegMsg { subscription: subscription(elements)?, message: elements.negentropy()? }
            }
            "NEG-CLOSE" => ClientMessage::NegClose { subscription: subscription(elements)? },
            _ => return Err(ParseError::new(at, ParseErrorKind::UnknownMessage)),
        };
        elements.finish()?;
        Ok(message)
    }

    /// The message as minified JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            ClientMessage::Event(event) => encode::event(event),
            ClientMessage::Auth(event) => encode::auth(event),
            ClientMessage::Req { subscription, filters } => encode::req(subscription, filters),
            ClientMessage::Count { subscription, filters } => encode::count(subscription, filters),
            ClientMessage::Close { subscription } => encode::close(subscription),
            ClientMessage::NegOpen { subscription, filter, message } => encode::neg_open(subscription, filter, message),
            ClientMessage::NegMsg { subscription, message } => encode::neg_msg(subscription, message),
            ClientMessage::NegClose { subscription } => encode::neg_close(subscription),
        }
    }
}

fn event(elements: &mut Elements<'_>) -> Result<Event, ParseError> {
    elements.require("event")?;
    parse_event(&mut elements.reader)
}

fn subscription(elements: &mut Elements<'_>) -> Result<String, ParseError> {
    elements.require("subscription id")?;
    let start = elements.reader.offset();
    let wrong = || bad("subscription id", "a string that is not empty");
    let id = elements.reader.string_or(wrong())?;
    if id.is_empty() {
        return Err(ParseError::new(start, wrong()));
    }
    Ok(id.into_owned())
}

/// Reads all remaining elements as filters: one at least.
fn filters(elements: &mut Elements<'_>) -> Result<Vec<Filter>, ParseError> {
    elements.require("filter")?;
    let mut filters = Vec::from([parse_filter(&mut elements.reader)?]);
    while elements.next()? {
        if filters.len() == MAX_FILTERS {
            return elements.reader.error(ParseErrorKind::TooManyFilters { limit: MAX_FILTERS });
        }
        filters.push(parse_filter(&mut elements.reader)?);
    }
    Ok(filters)
}
