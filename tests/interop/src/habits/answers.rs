//! Asking, and writing down what was answered.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::make::Relay;
use crate::raw::Raw;

/// The longest text of a relay that is shown.
const SHOWN: usize = 90;

/// Where a relay is asked.
pub(super) struct Desk {
    port: u16,
    pub(super) url: String,
}

impl Desk {
    pub(super) fn new(relay: &Relay) -> Self {
        Self { port: relay.port(), url: relay.url() }
    }

    pub(super) fn connect(&self) -> io::Result<Raw> {
        Raw::connect(self.port)
    }

    /// What is answered to a message on a connection of its own, up to a silence.
    pub(super) fn ask(&self, message: &Value) -> io::Result<String> {
        self.ask_text(message.to_string())
    }

    pub(super) fn ask_text(&self, text: String) -> io::Result<String> {
        let mut raw = self.connect()?;
        // A challenge may come on connecting.
        raw.hear_all(Duration::from_millis(150));
        raw.say_text(text);
        let heard = raw.hear_all(SILENCE);
        Ok(show(&heard, raw.end()))
    }

    /// What is answered to an event on a connection of its own.
    pub(super) fn publish(&self, event: &Value) -> io::Result<String> {
        let mut raw = self.connect()?;
        let mut heard = raw.ask(&json!(["EVENT", event]), |heard| heard[0] == "OK");
        heard.retain(|message| message[0] != "AUTH");
        Ok(show(&heard, raw.end()))
    }

    /// Its information document (NIP-11).
    pub(super) fn document(&self) -> io::Result<Option<Value>> {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port))?;
        tcp.set_read_timeout(Some(Duration::from_secs(3)))?;
        let request =
            "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/nostr+json\r\nConnection: close\r\n\r\n";
        tcp.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // A server that does not close is read as far as it goes.
        let _ = tcp.take(1 << 20).read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(body.find('{').and_then(|at| serde_json::Deserializer::from_str(&body[at..]).into_iter().next()?.ok()))
    }
}

/// How long a relay has to be silent to have said all.
pub(super) const SILENCE: Duration = Duration::from_millis(700);

/// A few messages, as a cell of the table.
pub(super) fn show(heard: &[Value], end: Option<&str>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for message in heard {
        let text = show_one(message);
        if shown.last() != Some(&text) {
            shown.push(text);
        }
    }
    if let Some(end) = end {
        shown.push(format!("ends the connection ({})", cut(plainly(end))));
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", then ") }
}

/// How a connection ended, in our words where a library would speak of errors.
fn plainly(end: &str) -> &str {
    match end {
        end if end.contains("without closing handshake") => "without a close frame",
        end if end.contains("reset by peer") => "by a reset",
        end => end,
    }
}

fn show_one(message: &Value) -> String {
    let text = |at: usize| message[at].as_str().map_or_else(|| message[at].to_string(), cut);
    match message[0].as_str() {
        Some("OK") => {
            let id = match message[1].as_str() {
                Some("") => " with an empty id",
                Some(id) if id.len() == 64 => "",
                _ => " with an odd id",
            };
            format!("`OK` {}{id} `{}`", message[2], text(3))
        }
        Some("CLOSED") => format!("`CLOSED` `{}`", text(2)),
        Some("NOTICE") => format!("`NOTICE` `{}`", text(1)),
        Some("COUNT") => format!("`COUNT` `{}`", message[2]),
        Some(verb) => format!("`{}`", cut(verb)),
        None => format!("`{}`", cut(&message.to_string())),
    }
}

/// Text for people, without what differs from run to run.
fn cut(text: &str) -> String {
    let mut plain = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let hex = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        plain += &if hex.len() >= 16 { word.replacen(hex, "…", 1) } else { word.to_owned() };
    }
    let plain: String = plain.chars().map(|c| if c.is_control() || c == '`' { ' ' } else { c }).collect();
    match plain.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &plain[..at]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_shown_in_short() {
        let id = "ab".repeat(32);
        assert_eq!(show(&[], None), "nothing");
        assert_eq!(show(&[json!(["OK", id, true, ""])], None), "`OK` true ``");
        assert_eq!(show(&[json!(["OK", "", false, "no"])], None), "`OK` false with an empty id `no`");
        let closed = json!(["CLOSED", "s", format!("error: {id} is odd")]);
        assert_eq!(
            show(&[closed.clone(), closed], Some("close 1000")),
            "`CLOSED` `error: … is odd`, then ends the connection (close 1000)"
        );
        assert_eq!(show(&[json!("no JSON")], None), "`\"no JSON\"`");
    }
}
