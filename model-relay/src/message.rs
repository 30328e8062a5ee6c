//! Messages, read and written naively.

use serde_json::{Value, json};

/// What a client sent.
pub(crate) enum Message {
    Event(Value),
    Auth(Value),
    Req { subscription: String, filters: Vec<Value> },
    Count { subscription: String, filters: Vec<Value> },
    Close { subscription: String },
}

impl Message {
    /// Reads a message, or says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("invalid: bad JSON: {error}"))?;
        let Value::Array(items) = value else {
            return Err("invalid: a message must be an array".to_owned());
        };
        let mut items = items.into_iter();
        let Some(Value::String(verb)) = items.next() else {
            return Err("invalid: a message must begin with its type".to_owned());
        };
        match verb.as_str() {
            "EVENT" => Ok(Self::Event(items.next().unwrap_or_default())),
            "AUTH" => Ok(Self::Auth(items.next().unwrap_or_default())),
            "REQ" => Ok(Self::Req { subscription: subscription(items.next())?, filters: items.collect() }),
            "COUNT" => Ok(Self::Count { subscription: subscription(items.next())?, filters: items.collect() }),
            "CLOSE" => Ok(Self::Close { subscription: subscription(items.next())? }),
            other => {
                let shown: String = other.chars().take(32).collect();
                Err(format!("invalid: unknown message type {shown}"))
            }
        }
    }
}

fn subscription(item: Option<Value>) -> Result<String, String> {
    match item {
        Some(Value::String(id)) if (1..=64).contains(&id.chars().count()) => Ok(id),
        _ => Err("invalid: a subscription id must be a string of 1 to 64 characters".to_owned()),
    }
}

pub(crate) fn ok(event_id: &str, accepted: bool, reason: &str) -> String {
    json!(["OK", event_id, accepted, reason]).to_string()
}

pub(crate) fn eose(subscription: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => json!(["EOSE", subscription, [hint]]).to_string(),
        None => json!(["EOSE", subscription]).to_string(),
    }
}

pub(crate) fn closed(subscription: &str, reason: &str) -> String {
    json!(["CLOSED", subscription, reason]).to_string()
}

pub(crate) fn notice(text: &str) -> String {
    json!(["NOTICE", text]).to_string()
}

pub(crate) fn challenge(text: &str) -> String {
    json!(["AUTH", text]).to_string()
}

pub(crate) fn count(subscription: &str, answer: &Value) -> String {
    json!(["COUNT", subscription, answer]).to_string()
}
