//! The request for a document, and its answer (NIP-11 over HTTP, RFC 9112).
//!
//! Asks by HTTP/1.0, to which no server answers in chunks, nor keeps the connection open, if it keeps to the rules. Chunks are
//! read all the same. Whatever comes, no more is held of it than [`MAX_BODY`] and the head's own bound.

use std::io;

use futures::io::{BufReader, Take};
use futures::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use httparse::{EMPTY_HEADER, Header, Response, Status};
use nostr_proto::RelayUrl;

use crate::dial::{UpgradeFault, read_head};
use crate::frame::SocketError;
use crate::transport::Transport;

use super::{AnswerFault, RelayInfoError};

/// The longest document, in bytes.
const MAX_BODY: u64 = 64 << 10;
/// The most headers of an answer.
const MAX_HEADERS: usize = 64;
/// The longest line before a chunk, in bytes, its end included.
const MAX_CHUNK_LINE: u64 = 256;
/// What is read at once.
const BUFFER: usize = 2 << 10;
/// Headers that would change what comes, and so are not the application's here.
const OWN: [&str; 3] = ["accept", "accept-encoding", "range"];

/// What a server is asked.
pub(super) fn request<'a>(url: &RelayUrl, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut request = format!(
        "GET {} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\nAccept: application/nostr+json\r\nAccept-Encoding: identity\r\n",
        url.path_and_query(),
        url.authority()
    );
    for (name, value) in headers {
        if !OWN.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            request.extend([name, ": ", value, "\r\n"]);
        }
    }
    request.push_str("\r\n");
    request
}

/// Asks, and reads the answer: its body, if it is one of status 200.
pub(super) async fn ask<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: Transport<T>,
    request: &str,
) -> Result<String, RelayInfoError> {
    io.write_all(request.as_bytes()).await.map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let (head, ahead) = read_head(&mut io).await.map_err(no_head)?;
    let framing = framing(&head)?;
    io.unread(ahead);
    let body = read_body(&mut BufReader::with_capacity(BUFFER, io), framing).await?;
    String::from_utf8(body).map_err(|_| RelayInfoError::NotUtf8)
}

/// How it is known where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After its last chunk.
    Chunks,
    /// With the connection.
    End,
}

fn framing(head: &[u8]) -> Result<Framing, RelayInfoError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    match response.parse(head) {
        // One that is over before its end would take a part of the head for the body.
        Ok(Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(AnswerFault::HeadTooLarge.into()),
        Ok(_) | Err(_) => return Err(AnswerFault::NotHttp.into()),
    }
    match response.code {
        Some(200) => Ok(framing_of(response.headers)?),
        Some(status) => Err(RelayInfoError::Refused { status }),
        None => Err(AnswerFault::NotHttp.into()),
    }
}

/// RFC 9112, section 6.3, but that whatever is in doubt is a fault: it is no matter of ours to guess.
fn framing_of(headers: &[Header<'_>]) -> Result<Framing, AnswerFault> {
    let values = |name: &'static str| {
        let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value.trim_ascii())
    };
    if values("Content-Encoding").any(|value| !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")) {
        return Err(AnswerFault::Encoded);
    }
    let lengths: Vec<_> = values("Content-Length").collect();
    let codings: Vec<_> = values("Transfer-Encoding").collect();
    match (&codings[..], &lengths[..]) {
        ([], []) => Ok(Framing::End),
        ([], [first, others @ ..]) if others.iter().all(|other| other == first) => {
            Ok(Framing::Length(number(first).ok_or(AnswerFault::Length)?))
        }
        ([one], []) if one.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunks),
        (_, []) => Err(AnswerFault::Encoded),
        _ => Err(AnswerFault::Length),
    }
}

/// Digits and nothing else. What is too large for a number is longer than any document.
fn number(digits: &[u8]) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all_digits.then(|| std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX))
}

async fn read_body<T: AsyncBufRead + Unpin>(io: &mut T, framing: Framing) -> Result<Vec<u8>, RelayInfoError> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => read_exactly(io, length, &mut body).await?,
        Framing::Chunks => read_chunks(io, &mut body).await?,
        Framing::End => {
            let read = AsyncReadExt::take(io, MAX_BODY + 1).read_to_end(&mut body).await;
            // A connection that is cut off: JSON tells by itself whether it is whole.
            read.map(drop).or_else(|e| if e.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(lost(e)) })?;
            check_size(&body, 0)?;
        }
    }
    Ok(body)
}

async fn read_chunks<T: AsyncBufRead + Unpin>(io: &mut T, body: &mut Vec<u8>) -> Result<(), RelayInfoError> {
    loop {
        let size = read_chunk_size(io).await?;
        if size == 0 {
            // Trailers may follow, which say nothing that matters.
            return Ok(());
        }
        read_exactly(io, size, body).await?;
        let mut end = [0; 2];
        io.read_exact(&mut end).await.map_err(lost)?;
        if end != *b"\r\n" {
            return Err(AnswerFault::Chunks.into());
        }
    }
}

async fn read_chunk_size<T: AsyncBufRead + Unpin>(io: &mut T) -> Result<u64, RelayInfoError> {
    let mut line = Vec::new();
    let mut limited: Take<_> = AsyncReadExt::take(io, MAX_CHUNK_LINE);
    limited.read_until(b'\n', &mut line).await.map_err(lost)?;
    match httparse::parse_chunk_size(&line) {
        // A line without a digit passes for zero there.
        Ok(Status::Complete((length, size)))
            if length == line.len() && line.first().is_some_and(u8::is_ascii_hexdigit) =>
        {
            Ok(size)
        }
        Ok(Status::Partial) if limited.limit() > 0 => Err(AnswerFault::Ended.into()),
        Ok(_) | Err(_) => Err(AnswerFault::Chunks.into()),
    }
}

/// Appends so many bytes to a body, if they fit into it.
async fn read_exactly<T: AsyncRead + Unpin>(io: &mut T, n: u64, body: &mut Vec<u8>) -> Result<(), RelayInfoError> {
    check_size(body, n)?;
    let read = io.take(n).read_to_end(body).await.map_err(lost)?;
    if read as u64 == n { Ok(()) } else { Err(AnswerFault::Ended.into()) }
}

fn check_size(body: &[u8], more: u64) -> Result<(), RelayInfoError> {
    if more.saturating_add(body.len() as u64) > MAX_BODY { Err(RelayInfoError::TooLong) } else { Ok(()) }
}

fn no_head(error: SocketError) -> RelayInfoError {
    match error {
        SocketError::Handshake(UpgradeFault::HeadTooLarge) => AnswerFault::HeadTooLarge.into(),
        SocketError::Handshake(_) => AnswerFault::Ended.into(),
        SocketError::Io(e) => lost(e),
        other => RelayInfoError::Unreachable(other),
    }
}

fn lost(error: io::Error) -> RelayInfoError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => AnswerFault::Ended.into(),
        _ => RelayInfoError::Lost(error),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::executor::block_on;

    use super::*;

    /// A server that says this, whatever it is asked, and then ends.
    struct Says {
        rest: Vec<u8>,
        /// How much of it comes at once.
        at_once: usize,
        /// The end is this error.
        end: Option<io::ErrorKind>,
        read: usize,
    }

    impl AsyncRead for &mut Says {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let n = buf.len().min(self.at_once).min(self.rest.len());
            if let (0, Some(end)) = (n, self.end) {
                return Poll::Ready(Err(end.into()));
            }
            buf[..n].copy_from_slice(&self.rest[..n]);
            self.rest.drain(..n);
            self.read += n;
            Poll::Ready(Ok(n))
        }
    }

    impl AsyncWrite for &mut Says {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What comes of an answer, and how much of it was read.
    fn asked(answer: &[u8], at_once: usize, end: Option<io::ErrorKind>) -> (Result<String, String>, usize) {
        let mut says = Says { rest: answer.to_vec(), at_once, end, read: 0 };
        let told = block_on(ask(Transport::plain(&mut says), "GET"));
        let told = told.map_err(|e| match e {
            RelayInfoError::Answer(fault) => format!("{fault:?}"),
            RelayInfoError::Refused { status } => status.to_string(),
            other => format!("{other:?}"),
        });
        (told, says.read)
    }

    /// The same, however it comes.
    fn answered(answer: &[u8]) -> Result<String, String> {
        let (whole, _) = asked(answer, usize::MAX, None);
        for at_once in [1, 7] {
            assert_eq!(asked(answer, at_once, None).0, whole, "{at_once} bytes at once");
        }
        whole
    }

    fn chunked(chunks: &[&str]) -> Vec<u8> {
        let mut answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        for chunk in chunks {
            answer += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        }
        (answer + "0\r\nTrailer: x\r\n\r\n").into_bytes()
    }

    #[test]
    fn the_request_says_where_to_and_what_for() {
        let url = RelayUrl::parse("wss://Relay.example.com:444/a%20b?c=d").unwrap();
        let given = [("User-Agent", "me"), ("ACCEPT", "x"), ("accept-encoding", "gzip"), ("Range", "bytes=0-1")];
        assert_eq!(
            request(&url, given.into_iter().chain([("X-One", "1")])),
            "GET /a%20b?c=d HTTP/1.0\r\nHost: relay.example.com:444\r\nConnection: close\r\n\
             Accept: application/nostr+json\r\nAccept-Encoding: identity\r\nUser-Agent: me\r\nX-One: 1\r\n\r\n"
        );
    }

    #[test]
    fn every_answer_has_its_body_or_its_fault() {
        for (head, body, expected) in [
            ("HTTP/1.0 200 OK", "{}", Ok("{}")),
            ("HTTP/1.1 200", "{}", Ok("{}")),
            ("HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Encoding: identity", "{}", Ok("{}")),
            ("HTTP/1.1 200 OK\nContent-Encoding:", "{}", Ok("{}")),
            ("HTTP/1.1 200 OK\ncontent-length: 2 ", "{}more", Ok("{}")),
            ("HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 2", "{}", Ok("{}")),
            ("HTTP/1.1 200 OK\nContent-Length: 0", "", Ok("")),
            ("HTTP/1.1 200 OK\nContent-Length: 3", "{}", Err("Ended")),
            ("HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3", "{}x", Err("Length")),
            ("HTTP/1.1 200 OK\nContent-Length: 2, 2", "{}", Err("Length")),
            ("HTTP/1.1 200 OK\nContent-Length: +2", "{}", Err("Length")),
            ("HTTP/1.1 200 OK\nContent-Length: -2", "{}", Err("Length")),
            ("HTTP/1.1 200 OK\nContent-Length:", "{}", Err("Length")),
            ("HTTP/1.1 200 OK\nContent-Length: 65537", "{}", Err("TooLong")),
            ("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999999", "{}", Err("TooLong")),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 2", "{}", Err("Length")),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked", "{}", Err("Encoded")),
            ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked", "{}", Err("Encoded")),
            ("HTTP/1.1 200 OK\nContent-Encoding: gzip", "{}", Err("Encoded")),
            ("HTTP/1.1 204 No", "", Err("204")),
            ("HTTP/1.1 301 Moved\nLocation: https://elsewhere.example", "{}", Err("301")),
            ("HTTP/1.1 404 No", "{}", Err("404")),
            ("HTTP/1.1 101 Switching", "", Err("101")),
            ("HTTP/2 200", "{}", Err("NotHttp")),
            ("220 mail.example.com ESMTP", "", Err("NotHttp")),
            ("HTTP/1.1 200 OK\nno header", "{}", Err("NotHttp")),
        ] {
            let answer = format!("{head}\n\n").replace('\n', "\r\n") + body;
            assert_eq!(answered(answer.as_bytes()), expected.map(str::to_owned).map_err(str::to_owned), "{head:?}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", "a: b\r\n".repeat(65));
        assert_eq!(answered(many.as_bytes()), Err("HeadTooLarge".to_owned()));
        assert_eq!(answered(b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe"), Err("NotUtf8".to_owned()));
        assert_eq!(answered(b"HTTP/1.1 200 OK\n\n{}\r\n\r\n"), Err("NotHttp".to_owned()), "a head of other ends");
        assert_eq!(answered(b""), Err("Ended".to_owned()));
    }

    #[test]
    fn no_more_is_read_than_there_may_be() {
        let endless = |head: &str| [head.as_bytes(), &[b' '; 1 << 20]].concat();
        let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n1\r\n"].concat();
        let bound = usize::try_from(MAX_BODY).unwrap() + (16 << 10) + 2 * BUFFER;
        for (answer, expected) in [
            (endless("HTTP/1.1 200 OK\r\nX: "), "HeadTooLarge"),
            (endless("HTTP/1.1 200 OK\r\n\r\n"), "TooLong"),
            (endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"), "Chunks"),
            (endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n"), "TooLong"),
            (
                [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk[..], &[b' '; 1 << 20]].concat(),
                "TooLong",
            ),
        ] {
            let (told, read) = asked(&answer, usize::MAX, None);
            assert_eq!(told, Err(expected.to_owned()));
            assert!(read <= bound, "{expected}: {read} bytes");
        }
        let longest = "x".repeat(64 << 10);
        let whole = |body: &str| answered(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes());
        assert_eq!(whole(&longest).as_ref(), Ok(&longest));
        assert_eq!(whole(&format!("{longest}x")), Err("TooLong".to_owned()));
    }

    #[test]
    fn chunks_make_the_body_that_was_cut_into_them() {
        let body: String = (0..5_000_u32).map(|n| char::from(b'!' + (n % 90) as u8)).collect();
        let mut random = 1_usize;
        for round in 0..200 {
            let (mut chunks, mut rest) = (Vec::new(), body.as_str());
            while !rest.is_empty() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (chunk, more) = rest.split_at(rest.len().min(1 + (random >> 40) % (1 << (round % 12))));
                chunks.push(chunk);
                rest = more;
            }
            assert_eq!(asked(&chunked(&chunks), 1 + round * 13, None).0.as_ref(), Ok(&body));
        }
        for (chunks, expected) in [
            ("2\r\n{}\r\n0\r\n", Ok("{}")),
            ("02;a=b\r\n{}\r\n000\r\n\r\n", Ok("{}")),
            ("2\r\n{}0\r\n\r\n", Err("Chunks")),
            ("3\r\n{}\r\n0\r\n\r\n", Err("Chunks")),
            ("x\r\n{}\r\n", Err("Chunks")),
            ("\r\n{}\r\n", Err("Chunks")),
            ("-1\r\n{}\r\n", Err("Chunks")),
            ("10000000000000000\r\n", Err("Chunks")),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(answered(answer.as_bytes()), expected.map(str::to_owned).map_err(str::to_owned), "{chunks:?}");
        }
    }

    /// Where an answer says how long it is, none that is cut off passes for a whole one; a reset never does.
    #[test]
    fn what_is_cut_off_is_not_taken_for_whole() {
        let with_length = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\": \"b\"}";
        let in_chunks = chunked(&["{\"a\": ", "\"b\"}"]);
        let last_chunk = in_chunks.len() - "Trailer: x\r\n\r\n".len();
        for (answer, whole) in [(with_length.to_vec(), with_length.len()), (in_chunks, last_chunk)] {
            let expected = asked(&answer, usize::MAX, None).0;
            assert_eq!(expected.as_deref(), Ok("{\"a\": \"b\"}"));
            for at in 0..answer.len() {
                for end in [None, Some(io::ErrorKind::UnexpectedEof)] {
                    let told = asked(&answer[..at], 5, end).0;
                    let ended = if at < whole { Err("Ended".to_owned()) } else { expected.clone() };
                    assert_eq!(told, ended, "cut at {at}");
                }
            }
        }
        // TLS says whether the end was the server's. Not all servers do, and JSON says so, too.
        let by_end = b"HTTP/1.1 200 OK\r\n\r\n{}";
        assert_eq!(asked(by_end, 5, Some(io::ErrorKind::UnexpectedEof)).0.as_deref(), Ok("{}"));
        let reset = asked(by_end, 5, Some(io::ErrorKind::ConnectionReset)).0.unwrap_err();
        assert!(reset.starts_with("Lost"), "{reset}");
    }
}
