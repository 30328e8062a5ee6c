//! Messages of NIP-77, in both directions.

use nostr_proto::{ClientMessage, Filter, RelayMessage, encode};

use crate::message::{client_message, relay_frame};

/// As text, the bytes are a message in one direction or the other. As bytes, they are a payload that must arrive as it
/// was sent: in both directions, under any name.
pub fn nip77(data: &[u8]) {
    relay_frame(data);
    client_message(data);

    let (name, payload) = data.split_at(data.len() / 4);
    let name = format!("n{}", String::from_utf8_lossy(name));
    let frame = encode::neg_msg(&name, payload);
    let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let value: serde_json::Value = serde_json::from_str(&frame).expect("what we encode is JSON");
    assert_eq!(value, serde_json::json!(["NEG-MSG", name, hex]));
    let message = payload.to_vec();
    let relay = RelayMessage::NegMsg { subscription: name.as_str().into(), message: message.clone() };
    assert_eq!(RelayMessage::parse(&frame).as_ref(), Ok(&relay));
    assert_eq!(RelayMessage::parse(&frame.replace(&hex, &hex.to_uppercase())), Ok(relay), "hex in capitals");
    let client = ClientMessage::NegMsg { subscription: name.clone(), message: message.clone() };
    assert_eq!(ClientMessage::from_json(&frame), Ok(client));

    let filter = Filter::new().limit(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    let open = encode::neg_open(&name, &filter, payload);
    assert_eq!(ClientMessage::from_json(&open), Ok(ClientMessage::NegOpen { subscription: name, filter, message }));
}
