//! The other end of a socket, by hand: a listener, and connections whose every byte the script decides.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use socket2::SockRef;

use crate::scenarios::PATIENCE;

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;
/// The last frame of a message.
pub(super) const FIN: u8 = 0x80;

/// A loopback port.
pub(super) struct Listener(TcpListener);

impl Listener {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        listener.set_nonblocking(true).expect("it is a socket");
        Self(listener)
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.0.local_addr().expect("it is bound"))
    }

    pub(super) fn secure_url(&self) -> String {
        self.url().replace("ws://", "wss://")
    }

    /// Connections get receive buffers of this size, as far as the system lets them.
    pub(super) fn with_receive_buffer(self, bytes: usize) -> Self {
        SockRef::from(&self.0).set_recv_buffer_size(bytes).expect("it is a socket");
        self
    }

    /// The next connection.
    pub(super) fn accept(&self) -> Peer {
        self.accept_within(PATIENCE).expect("we are dialled")
    }

    /// The next connection, if there is one in this time.
    pub(super) fn accept_within(&self, time: Duration) -> Option<Peer> {
        let patience = Instant::now() + time;
        loop {
            match self.0.accept() {
                Ok((tcp, _)) => return Some(Peer::new(tcp)),
                Err(_) if Instant::now() < patience => thread::sleep(Duration::from_millis(2)),
                Err(_) => return None,
            }
        }
    }

    /// The next connection with a WebSocket on it.
    pub(super) fn accept_upgraded(&self) -> Peer {
        let mut peer = self.accept();
        peer.upgrade();
        peer
    }
}

/// A connection.
pub(super) struct Peer {
    tcp: TcpStream,
    unread: Vec<u8>,
}

/// What came from the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// No frame that a client may send.
    Bad(u8),
    /// The end of the connection, by FIN or by RST.
    End,
    /// Nothing in the given time.
    Silence,
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text.split('"').nth(1).unwrap_or(text)),
            Self::Ping(payload) => write!(f, "ping {:?}", String::from_utf8_lossy(payload)),
            Self::Pong(payload) => write!(f, "pong {:?}", String::from_utf8_lossy(payload)),
            Self::Close(None) => f.write_str("close"),
            Self::Close(Some((code, reason))) => write!(f, "close {code} {reason:?}"),
            Self::Bad(first) => write!(f, "a frame that begins with {first:#x}"),
            Self::End => f.write_str("end"),
            Self::Silence => f.write_str("silence"),
        }
    }
}

impl Peer {
    fn new(tcp: TcpStream) -> Self {
        tcp.set_nonblocking(false).expect("it is a socket");
        tcp.set_nodelay(true).expect("it is a socket");
        tcp.set_write_timeout(Some(PATIENCE)).expect("it is a socket");
        Self { tcp, unread: Vec::new() }
    }

    /// Reads what is there, up to the deadline. False: the connection has ended, or nothing came.
    fn fill(&mut self, until: Instant) -> io::Result<bool> {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.tcp.set_read_timeout(Some(left))?;
        let mut buffer = [0; 16 << 10];
        let read = self.tcp.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }

    /// The first bytes that come, whatever they are.
    pub(super) fn read_some(&mut self) -> usize {
        if self.unread.is_empty() {
            self.fill(Instant::now() + PATIENCE).expect("we are told something");
        }
        self.unread.len()
    }

    /// The head of an HTTP request.
    pub(super) fn read_request(&mut self) -> String {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect();
                return String::from_utf8(head).expect("a request is text");
            }
            assert!(self.fill(patience).expect("a request comes"), "a request comes whole");
        }
    }

    /// The answer that makes a request a WebSocket.
    pub(super) fn response(request: &str) -> String {
        format!("HTTP/1.1 101 Switching Protocols\r\n{}\r\n", Self::headers(request))
    }

    /// Its headers.
    pub(super) fn headers(request: &str) -> String {
        let key = header(request, "Sec-WebSocket-Key").expect("a client names a key");
        // RFC 6455, section 4.2.2.
        let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
        let accept = STANDARD.encode(digest);
        format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n")
    }

    pub(super) fn upgrade(&mut self) {
        let request = self.read_request();
        self.send(Self::response(&request));
    }

    /// Sends bytes. The pool may have hung up, which is for the script to find out elsewhere.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.tcp.write_all(bytes.as_ref());
    }

    /// Sends bytes until they are all gone, or none leave for this time. How many left.
    pub(super) fn send_until_stuck(&mut self, bytes: &[u8], stuck: Duration) -> usize {
        self.tcp.set_write_timeout(Some(stuck)).expect("it is a socket");
        let mut sent = 0;
        while sent < bytes.len() {
            match self.tcp.write(&bytes[sent..]) {
                Ok(written) => sent += written,
                Err(_) => break,
            }
        }
        sent
    }

    /// Sends bytes one at a time.
    pub(super) fn send_slowly(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            self.send([*byte]);
            thread::sleep(pause);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.send(frame(FIN | TEXT, text));
    }

    /// The next frame, answers to nothing left out.
    pub(super) fn receive_within(&mut self, time: Duration) -> Got {
        let until = Instant::now() + time;
        loop {
            if let Some((got, length)) = parse(&self.unread) {
                self.unread.drain(..length);
                return got;
            }
            match self.fill(until) {
                Ok(true) => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Got::Silence;
                }
                Ok(false) | Err(_) => return Got::End,
            }
        }
    }

    pub(super) fn receive(&mut self) -> Got {
        self.receive_within(PATIENCE)
    }

    /// All frames up to the end of the connection.
    pub(super) fn receive_all(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            let got = self.receive();
            let last = matches!(got, Got::End | Got::Silence);
            all.push(got);
            if last {
                return all;
            }
        }
    }

    /// Reads to the end of the connection, whatever comes. Whether it ended.
    pub(super) fn drained(&mut self) -> bool {
        let patience = Instant::now() + PATIENCE;
        loop {
            self.unread.clear();
            match self.fill(patience) {
                Ok(true) => {}
                Ok(false) => return true,
                Err(e) => return !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            }
        }
    }

    /// The subscription id of the next REQ.
    pub(super) fn request(&mut self) -> String {
        loop {
            match self.receive() {
                Got::Text(text) if text.starts_with("[\"REQ\"") => {
                    return text.split('"').nth(3).expect("a REQ has an id").to_owned();
                }
                Got::End | Got::Silence => panic!("a REQ comes"),
                _ => {}
            }
        }
    }

    /// Ends what we send, and goes on reading.
    pub(super) fn finish(&self) {
        let _ = self.tcp.shutdown(Shutdown::Write);
    }

    /// Ends the connection with a RST.
    pub(super) fn reset(self) {
        SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)).expect("it is a socket");
    }
}

/// The value of a header.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A frame as a server sends it. `first` is its first byte.
pub(super) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&frame_head(first, payload.len() as u64)[..], payload].concat()
}

/// The head of a frame, which may promise what never comes.
pub(super) fn frame_head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => head.push(short),
        (_, Ok(medium)) => {
            head.push(126);
            head.extend(medium.to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

/// A close frame.
pub(super) fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CLOSE, [&code.to_be_bytes()[..], reason.as_ref()].concat())
}

/// The first frame of a client in these bytes, and how long it is.
fn parse(bytes: &[u8]) -> Option<(Got, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mask_at) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
        short => (usize::from(short), 2),
    };
    // A client masks what it sends (RFC 6455, section 5.3).
    if second & 0x80 == 0 {
        return Some((Got::Bad(first), bytes.len()));
    }
    let payload_at = mask_at + 4;
    let mask = bytes.get(mask_at..payload_at)?;
    let payload = bytes.get(payload_at..payload_at + length)?;
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let got = match (first & 0xf0, first & 0xf) {
        (FIN, TEXT) => String::from_utf8(payload).map_or(Got::Bad(first), Got::Text),
        (FIN, PING) => Got::Ping(payload),
        (FIN, PONG) => Got::Pong(payload),
        (FIN, CLOSE) if payload.is_empty() => Got::Close(None),
        (FIN, CLOSE) if payload.len() >= 2 => {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            Got::Close(Some((code, String::from_utf8_lossy(&payload[2..]).into_owned())))
        }
        _ => Got::Bad(first),
    };
    Some((got, payload_at + length))
}
