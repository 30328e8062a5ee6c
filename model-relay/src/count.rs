//! Answers to `COUNT` (NIP-45).

use crate::connection::ConnId;
use crate::event::is_hex;
use crate::fault::Fault;
use crate::filter::Filter;
use crate::message;
use crate::relay::Relay;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The registers of a HyperLogLog.
const REGISTERS: usize = 256;

impl Relay {
    /// Counts, exactly; limits are ignored.
    pub(crate) fn on_count(&mut self, conn: ConnId, subscription: &str, filters: &[Filter]) {
        if let Some(reason) = self.faults.refuse_count() {
            self.refuse(conn, subscription, &reason);
        } else if let Some(text) = self.faults.notice_on_count() {
            self.send_text(conn, message::notice(&text));
        } else if !self.faults.has(&Fault::IgnoreCount) {
            let answer = self.count_answer(filters);
            self.send_text(conn, message::count(subscription, &answer));
        }
    }

    fn count_answer(&mut self, filters: &[Filter]) -> Value {
        let count = self.store.count(filters);
        if self.faults.has(&Fault::NonsenseCount) {
            return nonsense(self.faults.make_up());
        }
        if self.faults.has(&Fault::BareCount) {
            return json!(count);
        }
        let mut answer = json!({ "count": count });
        if self.faults.has(&Fault::ApproximateCount) {
            answer["approximate"] = json!(true);
        }
        let cut = match (self.faults.has(&Fault::CountRegisters), self.faults.has(&Fault::ShortRegisters)) {
            (_, true) => 2,
            (true, false) => 0,
            (false, false) => return answer,
        };
        if let [filter] = filters
            && let Some(offset) = offset(filter)
        {
            let authors = self.store.iter().filter(|event| filter.matches(event)).map(|event| event.pubkey());
            let hex = registers(authors, offset);
            answer["hll"] = json!(hex[cut..]);
        }
        answer
    }
}

/// What is no number of events.
fn nonsense(n: u64) -> Value {
    match n % 5 {
        0 => json!({ "count": -1 }),
        1 => json!({ "count": "7" }),
        2 => json!({}),
        3 => json!(null),
        _ => json!({ "count": 1.5 }),
    }
}

/// Which byte of a key names its register, read as the NIP has it: by the hex character at position 32.
fn offset(filter: &Filter) -> Option<usize> {
    let value = filter.first_tag_value()?;
    let hex = match value.split(':').collect::<Vec<_>>().as_slice() {
        [id] if is_hex(id, 64) => (*id).to_owned(),
        [_, key, ..] if is_hex(key, 64) => (*key).to_owned(),
        _ => hex(&Sha256::digest(value)),
    };
    let digit = hex.chars().nth(32)?.to_digit(16)?;
    usize::try_from(digit).ok().map(|digit| digit + 8)
}

/// The registers of these authors, their keys in hex; as hex.
fn registers<'a>(authors: impl Iterator<Item = &'a str>, offset: usize) -> String {
    let mut registers = [0_u8; REGISTERS];
    for key in authors {
        let bits: String = key.chars().filter_map(|c| c.to_digit(16)).map(|digit| format!("{digit:04b}")).collect();
        let (Some(name), Some(rest)) = (bits.get(8 * offset..8 * offset + 8), bits.get(8 * offset + 8..)) else {
            continue;
        };
        let zeros = rest.chars().take_while(|bit| *bit == '0').count();
        let rank = u8::try_from(zeros + 1).unwrap_or(u8::MAX);
        if let Some(register) = usize::from_str_radix(name, 2).ok().and_then(|n| registers.get_mut(n)) {
            *register = rank.max(*register);
        }
    }
    hex(&registers)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
