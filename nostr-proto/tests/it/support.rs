//! Generators: events with awkward strings, and every spelling of their JSON.

use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// 64 characters that look like an event id.
pub(crate) const HEX64: &str = "d56beb302090d1ed710361a737ed51cd11b0c55c3c97f3710600c5ffc799fd49";

/// The plain fields of an event, from which oracles work.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) id: [u8; 32],
    pub(crate) pubkey: [u8; 32],
    pub(crate) created_at: u64,
    pub(crate) kind: u16,
    pub(crate) tags: Vec<Vec<String>>,
    pub(crate) content: String,
    pub(crate) sig: [u8; 64],
}

impl Fields {
    pub(crate) fn value(&self) -> Value {
        json!({
            "id": hex(&self.id),
            "pubkey": hex(&self.pubkey),
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": self.tags,
            "content": self.content,
            "sig": hex(&self.sig),
        })
    }

    pub(crate) fn event(&self) -> Event {
        Event::from_json(&self.value().to_string()).unwrap()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A character, often one that JSON treats in a special way.
pub(crate) fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => proptest::char::range('a', 'z'),
        2 => any::<char>(),
        1 => proptest::char::range('\0', '\u{1f}'),
        2 => proptest::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', 'é', '🦀', ',', ':', '{', '}', '[', ']', ' ']),
    ]
}

/// A string, sometimes one made to look like the fields around it.
pub(crate) fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => vec(character(), 0..24).prop_map(String::from_iter),
        1 => Just(HEX64.to_owned()),
        1 => Just(format!("\",\"id\":\"{HEX64}\",\"x\":\"")),
        1 => Just("id".to_owned()),
        1 => "[a-z]{60,70}",
    ]
}

pub(crate) fn fields() -> impl Strategy<Value = Fields> {
    let number = prop_oneof![0..3_u64, Just(u64::MAX), any::<u64>()];
    let tag_name = prop_oneof![3 => "[a-f]", 1 => Just("id".to_owned()), 2 => string()];
    let tag = (proptest::option::weighted(0.95, tag_name), vec(string(), 0..4))
        .prop_map(|(name, values)| name.map_or_else(Vec::new, |name| [vec![name], values].concat()));
    let bytes = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    (bytes, number, any::<u16>(), vec(tag, 0..6), string()).prop_map(
        |((id, pubkey, low, high), created_at, kind, tags, content)| {
            let mut sig = [0; 64];
            sig[..32].copy_from_slice(&low);
            sig[32..].copy_from_slice(&high);
            Fields { id, pubkey, created_at, kind, tags, content, sig }
        },
    )
}

/// An endless source of small decisions, which proptest can shrink.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    bytes: Vec<u8>,
    at: usize,
}

impl Choices {
    pub(crate) fn any() -> impl Strategy<Value = Choices> {
        vec(any::<u8>(), 1..64).prop_map(|bytes| Choices { bytes, at: 0 })
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.at += 1;
        // The round number joins in, so that short lists don't repeat one decision forever.
        let round = self.at / self.bytes.len();
        (usize::from(self.bytes[self.at % self.bytes.len()]) + round) % bound
    }

    fn space(&mut self) -> &'static str {
        ["", "", "", " ", "\n", "\t\r ", "  "][self.below(7)]
    }
}

/// Which liberties a spelling takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Liberties {
    /// Unneeded escapes in strings, keys included.
    pub(crate) escapes: bool,
    /// Fields that NIP-01 does not know.
    pub(crate) extra_fields: bool,
}

/// Spells an event's JSON with any order of keys and any white space.
pub(crate) fn spell_event(fields: &Fields, liberties: Liberties, choices: &mut Choices) -> String {
    let value = fields.value();
    let mut members: Vec<(String, Value)> =
        value.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    if liberties.extra_fields {
        let nested = json!({"id": HEX64, "x": [[{"id": [HEX64, "\\\""]}], null, -1.5e3, true]});
        members.push(("relay".to_owned(), nested));
        members.push((String::new(), json!("]}\\")));
        members.push(("ids".to_owned(), json!([HEX64])));
    }
    let mut out = String::from("{");
    while !members.is_empty() {
        let (key, value) = members.swap_remove(choices.below(members.len()));
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(choices.space());
        spell_string(&key, liberties, choices, &mut out);
        out.push_str(choices.space());
        out.push(':');
        spell(&value, liberties, choices, &mut out);
    }
    out.push('}');
    out
}

/// Spells any JSON value, spaces around it included.
pub(crate) fn spell(value: &Value, liberties: Liberties, choices: &mut Choices, out: &mut String) {
    out.push_str(choices.space());
    match value {
        Value::String(text) => spell_string(text, liberties, choices, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                spell(item, liberties, choices, out);
            }
            out.push_str(choices.space());
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(choices.space());
                spell_string(key, liberties, choices, out);
                out.push_str(choices.space());
                out.push(':');
                spell(value, liberties, choices, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    out.push_str(choices.space());
}

fn spell_string(text: &str, liberties: Liberties, choices: &mut Choices, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let needed = character < '\u{20}' || matches!(character, '"' | '\\');
        let escaped = needed || (liberties.escapes && choices.below(8) == 0);
        if !escaped {
            out.push(character);
            continue;
        }
        let short = match character {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '"' => "\\\"",
            '\\' => "\\\\",
            '/' => "\\/",
            _ => "",
        };
        if !short.is_empty() && choices.below(2) == 0 {
            out.push_str(short);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let upper = choices.below(2) == 0;
            out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }
    out.push('"');
}

pub(crate) fn keys(number: u8) -> Keys {
    Keys::from_entropy([number.max(1); 32]).unwrap()
}

/// A signed event.
pub(crate) fn signed(content: &str) -> Event {
    let template = EventTemplate::new(Kind::TEXT_NOTE, content, Timestamp::new(1_700_000_000));
    keys(1).sign(&template.tag(["e", HEX64]).tag(["alt", "x"]), [0; 32])
}
