//! The opening handshake of a WebSocket (RFC 6455, section 4), the client's side.
//!
//! Asks for no extension and no subprotocol, and takes none. Never follows a redirect, never reads more than
//! [`MAX_HEAD`] bytes of an answer's head, and loses nothing that the server sent right behind it.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use httparse::{EMPTY_HEADER, Header, Response, Status};
use nostr_proto::RelayUrl;
use sha1::{Digest, Sha1};

use crate::frame::SocketError;
use crate::transport::Transport;

/// The longest head of an answer, in bytes: status line and headers.
const MAX_HEAD: usize = 16 << 10;
/// The most headers of an answer.
const MAX_HEADERS: usize = 64;
/// What RFC 6455, section 1.3, appends to the key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What is wrong with a server's answer to the WebSocket upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeFault {
    /// It is no HTTP/1.1.
    NotHttp,
    /// Its head is longer than 16 KiB, or has more than 64 headers.
    HeadTooLarge,
    /// The connection ended before its head did.
    Ended,
    /// It agrees to switch protocols, but does not say that the new one is `websocket`.
    NotWebSocket,
    /// It does not answer our key, as a cache would not.
    WrongAccept,
    /// It names an extension. None was offered.
    Extension,
    /// It names a subprotocol. None was offered.
    Subprotocol,
}

impl fmt::Display for UpgradeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "the answer is no HTTP/1.1",
            Self::HeadTooLarge => "the answer's head has more than 16 KiB or 64 headers",
            Self::Ended => "the connection ended before the answer did",
            Self::NotWebSocket => "the answer does not switch to the WebSocket protocol",
            Self::WrongAccept => "the answer does not answer our key",
            Self::Extension => "the answer names an extension that was not offered",
            Self::Subprotocol => "the answer names a subprotocol that was not offered",
        })
    }
}

/// Makes a connection one of frames.
pub(super) async fn upgrade<'a, T: AsyncRead + AsyncWrite + Unpin>(
    mut io: Transport<T>,
    url: &RelayUrl,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Transport<T>, SocketError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| SocketError::Io(io::Error::other(e)))?;
    let key = STANDARD.encode(nonce);
    io.write_all(request(url, &key, headers).as_bytes()).await.map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let (head, ahead) = read_head(&mut io).await?;
    check(&head, &accept(&key))?;
    io.unread(ahead);
    Ok(io)
}

fn request<'a>(url: &RelayUrl, key: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n",
        url.path_and_query(),
        url.authority()
    );
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    request
}

/// What a server answers to a key that has read it.
fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// The answer's head with the empty line that ends it, and what came behind it.
pub(crate) async fn read_head<T: AsyncRead + Unpin>(io: &mut T) -> Result<(Vec<u8>, Vec<u8>), SocketError> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    loop {
        let n = io.read(&mut chunk).await.map_err(lost)?;
        if n == 0 {
            return Err(SocketError::Handshake(UpgradeFault::Ended));
        }
        // The end may have begun in the chunk before. Nothing is searched twice, however small the chunks are.
        let from = head.len().saturating_sub(END.len() - 1);
        head.extend_from_slice(&chunk[..n]);
        let end = head[from..].windows(END.len()).position(|window| window == END).map(|at| from + at + END.len());
        if end.unwrap_or(head.len()) > MAX_HEAD {
            return Err(SocketError::Handshake(UpgradeFault::HeadTooLarge));
        }
        if let Some(end) = end {
            let ahead = head.split_off(end);
            return Ok((head, ahead));
        }
    }
}

fn check(head: &[u8], accept: &str) -> Result<(), SocketError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    let length = match response.parse(head) {
        Ok(Status::Complete(length)) => length,
        Err(httparse::Error::TooManyHeaders) => return Err(SocketError::Handshake(UpgradeFault::HeadTooLarge)),
        Ok(_) | Err(_) => return Err(SocketError::Handshake(UpgradeFault::NotHttp)),
    };
    match (response.version, response.code) {
        // One that is over before its end would take what comes behind it for itself.
        (Some(1), Some(101)) if length == head.len() => {
            check_headers(response.headers, accept).map_err(SocketError::Handshake)
        }
        (_, Some(status)) if status != 101 => Err(SocketError::Upgrade { status }),
        // HTTP/1.0 knows no upgrades, but its other answers are as good as any.
        _ => Err(SocketError::Handshake(UpgradeFault::NotHttp)),
    }
}

fn check_headers(headers: &[Header<'_>], accept: &str) -> Result<(), UpgradeFault> {
    let values = |name: &'static str| {
        let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii())
    };
    let upgrade: Vec<_> = values("Upgrade").collect();
    let mut connection = values("Connection").flat_map(|value| value.split(|&b| b == b','));
    if !matches!(upgrade[..], [one] if one.eq_ignore_ascii_case(b"websocket"))
        || !connection.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    {
        return Err(UpgradeFault::NotWebSocket);
    }
    let accepts: Vec<_> = values("Sec-WebSocket-Accept").collect();
    if accepts != [accept.as_bytes()] {
        return Err(UpgradeFault::WrongAccept);
    }
    // An empty one names nothing.
    if values("Sec-WebSocket-Extensions").any(|value| !value.is_empty()) {
        return Err(UpgradeFault::Extension);
    }
    if values("Sec-WebSocket-Protocol").any(|value| !value.is_empty()) {
        return Err(UpgradeFault::Subprotocol);
    }
    Ok(())
}

fn lost(error: io::Error) -> SocketError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SocketError::Handshake(UpgradeFault::Ended),
        _ => SocketError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    /// Those of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    fn answered(head: &str) -> Result<(), String> {
        check(head.replace('\n', "\r\n").as_bytes(), ACCEPT).map_err(|e| match e {
            SocketError::Handshake(fault) => format!("{fault:?}"),
            SocketError::Upgrade { status } => status.to_string(),
            other => panic!("neither: {other:?}"),
        })
    }

    #[test]
    fn the_key_is_answered_as_the_rfc_says() {
        assert_eq!(accept(KEY), ACCEPT);
    }

    /// Else the frames up to the next empty line would be lost.
    #[test]
    fn a_head_that_is_over_before_its_end_is_no_answer() {
        let good =
            format!("HTTP/1.1 101 Yes\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: {ACCEPT}\n\n");
        assert_eq!(answered(&good), Ok(()));
        let early = format!("{good}\u{1}\u{2}hi\r\n\r\n");
        let refused = check(early.as_bytes(), ACCEPT);
        assert!(matches!(refused, Err(SocketError::Handshake(UpgradeFault::NotHttp))), "{refused:?}");
    }

    #[test]
    fn the_request_says_where_to_and_offers_nothing() {
        let url = RelayUrl::parse("wss://Relay.example.com:444/a%20b?c=d").unwrap();
        let sent = request(&url, KEY, [("User-Agent", "me"), ("X-One", "1")]);
        assert_eq!(
            sent,
            "GET /a%20b?c=d HTTP/1.1\r\nHost: relay.example.com:444\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: me\r\n\
             X-One: 1\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_is_taken_as_it_may_be_spelled() {
        let good = format!("Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: {ACCEPT}\n\n");
        assert_eq!(answered(&format!("HTTP/1.1 101 Switching Protocols\n{good}")), Ok(()));
        assert_eq!(answered(&format!("HTTP/1.1 101\n{good}")), Ok(()));
        let odd = format!(
            "HTTP/1.1 101 x\nSERVER: a\nupgrade:WebSocket\nconnection: keep-alive\nconnection: close, UPGRADE \n\
             sec-websocket-accept: {ACCEPT}\nsec-websocket-extensions:\nsec-websocket-protocol: \n\n"
        );
        assert_eq!(answered(&odd), Ok(()));
    }

    #[test]
    fn every_fault_of_an_answer_has_its_name() {
        let with = |status: &str, headers: &[&str]| answered(&format!("{status}\n{}\n\n", headers.join("\n")));
        let accept = format!("Sec-WebSocket-Accept: {ACCEPT}");
        let (upgrade, connection) = ("Upgrade: websocket", "Connection: Upgrade");
        let ok = "HTTP/1.1 101 Switching Protocols";
        for (status, headers, expected) in [
            ("HTTP/1.1 200 OK", &[upgrade, connection, &accept][..], "200"),
            ("HTTP/1.0 403 Forbidden", &[], "403"),
            ("HTTP/1.1 301 Moved", &["Location: wss://elsewhere.example"], "301"),
            ("HTTP/1.1 103 Early Hints", &[], "103"),
            ("HTTP/1.0 101 x", &[upgrade, connection, &accept], "NotHttp"),
            ("HTTP/2 101 x", &[upgrade, connection, &accept], "NotHttp"),
            ("SSH-2.0-x", &[], "NotHttp"),
            (ok, &["no header"], "NotHttp"),
            (ok, &[connection, &accept], "NotWebSocket"),
            (ok, &["Upgrade: h2c", connection, &accept], "NotWebSocket"),
            (ok, &[upgrade, upgrade, connection, &accept], "NotWebSocket"),
            (ok, &[upgrade, &accept], "NotWebSocket"),
            (ok, &[upgrade, "Connection: keep-alive", &accept], "NotWebSocket"),
            (ok, &[upgrade, connection], "WrongAccept"),
            (ok, &[upgrade, connection, &accept, &accept], "WrongAccept"),
            (ok, &[upgrade, connection, &accept.to_lowercase()], "WrongAccept"),
            (ok, &[upgrade, connection, &accept, "Sec-WebSocket-Extensions: permessage-deflate"], "Extension"),
            (ok, &[upgrade, connection, &accept, "Sec-WebSocket-Protocol: nostr"], "Subprotocol"),
            (ok, &["a: b"; 65], "HeadTooLarge"),
        ] {
            assert_eq!(with(status, headers), Err(expected.to_owned()), "{status} {headers:?}");
        }
    }

    /// Gives a byte at a time.
    struct Dripping(Cursor<Vec<u8>>);

    impl AsyncRead for Dripping {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &mut [u8],
        ) -> std::task::Poll<io::Result<usize>> {
            let some = buf.len().min(1);
            std::pin::Pin::new(&mut self.0).poll_read(cx, &mut buf[..some])
        }
    }

    fn fault(error: SocketError) -> UpgradeFault {
        match error {
            SocketError::Handshake(fault) => fault,
            other => panic!("another error: {other:?}"),
        }
    }

    #[test]
    fn what_comes_behind_the_head_is_kept() {
        let whole = b"HTTP/1.1 101 x\r\na: b\r\n\r\n\x81\x02hi\r\n\r\n".to_vec();
        let (head, ahead) = block_on(read_head(&mut Cursor::new(whole.clone()))).unwrap();
        assert_eq!((head.as_slice(), ahead.as_slice()), (&whole[..24], &whole[24..]));
        let mut dripping = Dripping(Cursor::new(whole.clone()));
        let (head, ahead) = block_on(read_head(&mut dripping)).unwrap();
        assert_eq!((head.as_slice(), ahead.as_slice()), (&whole[..24], &b""[..]));
    }

    #[test]
    fn a_head_ends_in_time_or_is_a_fault() {
        let read = |bytes: Vec<u8>| block_on(read_head(&mut Cursor::new(bytes)));
        let of = |length: usize| {
            let mut bytes = vec![b'a'; length - 4];
            bytes.extend(b"\r\n\r\n");
            bytes
        };
        assert_eq!(read(of(MAX_HEAD)).unwrap().0.len(), MAX_HEAD);
        assert_eq!(fault(read(of(MAX_HEAD + 1)).unwrap_err()), UpgradeFault::HeadTooLarge);
        assert_eq!(fault(read(vec![b'a'; 1 << 20]).unwrap_err()), UpgradeFault::HeadTooLarge);
        assert_eq!(fault(read(b"HTTP/1.1 101 x\r\n".to_vec()).unwrap_err()), UpgradeFault::Ended);
        let mut dripping = Dripping(Cursor::new(of(MAX_HEAD)));
        assert_eq!(block_on(read_head(&mut dripping)).unwrap().0.len(), MAX_HEAD);
        // What came behind it is not counted.
        let mut behind = of(MAX_HEAD);
        behind.extend([0; 100]);
        assert_eq!(read(behind).unwrap().0.len(), MAX_HEAD);
    }
}
