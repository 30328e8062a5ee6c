//! A client that says what it likes and hears what comes, for looking at a relay past the pool.

use std::io;
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// One connection. Its calls block; they must not be made inside of a tokio runtime.
#[derive(Debug)]
pub struct Raw {
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    end: Option<String>,
}

/// What a relay answers within. Some take two seconds over a refusal.
pub const SOON: Duration = Duration::from_secs(3);

impl Raw {
    /// Connects to a port of 127.0.0.1.
    ///
    /// # Errors
    /// If nobody speaks WebSocket there.
    pub fn connect(port: u16) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let socket = runtime.block_on(async {
            let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
            tcp.set_nodelay(true)?;
            let handshake = client_async(format!("ws://127.0.0.1:{port}/"), tcp);
            handshake.await.map(|(socket, _)| socket).map_err(io::Error::other)
        })?;
        Ok(Self { runtime, socket, end: None })
    }

    /// Sends a message. That the connection is over shows in what is heard.
    pub fn say(&mut self, message: &Value) {
        self.say_text(message.to_string());
    }

    /// Sends a text.
    pub fn say_text(&mut self, text: String) {
        if let Err(error) = self.runtime.block_on(self.socket.send(Message::text(text))) {
            self.end.get_or_insert_with(|| error.to_string());
        }
    }

    /// The next message within this time; one that is no JSON comes as a string.
    pub fn hear(&mut self, within: Duration) -> Option<Value> {
        let until = Instant::now() + within;
        while self.end.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            let next = self.runtime.block_on(async { timeout(left, self.socket.next()).await });
            match next {
                Err(_) => return None,
                Ok(Some(Ok(Message::Text(text)))) => {
                    return Some(serde_json::from_str(&text).unwrap_or_else(|_| json!(text.as_str())));
                }
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let frame =
                        frame.map(|frame| format!("close {} {:?}", u16::from(frame.code), frame.reason.as_str()));
                    self.end = Some(frame.unwrap_or_else(|| "close without a code".to_owned()));
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => self.end = Some(error.to_string()),
                Ok(None) => self.end = Some("the end without a close frame".to_owned()),
            }
        }
        None
    }

    /// All that comes until it has been silent for this long.
    pub fn hear_all(&mut self, silence: Duration) -> Vec<Value> {
        std::iter::from_fn(|| self.hear(silence)).collect()
    }

    /// Says something, and what comes up to the first message that `is_answer` picks, that one included, or until it has
    /// been silent for a while.
    pub fn ask(&mut self, message: &Value, is_answer: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.say(message);
        let mut heard = Vec::new();
        while let Some(next) = self.hear(SOON) {
            let is_last = is_answer(&next);
            heard.push(next);
            if is_last {
                break;
            }
        }
        heard
    }

    /// How the connection ended, if it has.
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Publishes an event; the answer, whatever id it names.
    pub fn publish(&mut self, event: &Value) -> Option<Value> {
        self.ask(&json!(["EVENT", event]), |heard| heard[0] == "OK").pop().filter(|last| last[0] == "OK")
    }

    /// Subscribes; what comes up to EOSE or CLOSED, that included.
    pub fn request(&mut self, id: &str, filters: &[Value]) -> Vec<Value> {
        let mut message = vec![json!("REQ"), json!(id)];
        message.extend_from_slice(filters);
        self.ask(&Value::Array(message), |heard| (heard[0] == "EOSE" || heard[0] == "CLOSED") && heard[1] == id)
    }
}
