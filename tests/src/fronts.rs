//! Servers in front of relays, and in their place: TLS, SOCKS5, and whatever a connection is answered with.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use async_std::task;
use futures::future::try_join;
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::TlsAcceptor;
use nostr_model_relay::Server;
use nostr_pool_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use nostr_pool_driver::rustls::{ServerConfig, crypto};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Someone who vouches for servers.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub enum Valid {
    /// Now.
    Now,
    /// It was.
    Before,
    /// It will be.
    Later,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let signed = params.self_signed(&key).expect("a certificate");
        let (certificate, pem) = (signed.der().clone(), signed.pem());
        Self { issuer: Issuer::new(params, key), certificate, pem }
    }

    /// Its certificate.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The same, as a file has it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's side of TLS, for this host.
    ///
    /// # Panics
    /// When no certificate can be made.
    pub fn vouch(&self, host: &str, valid: Valid) -> ServerConfig {
        let mut params = CertificateParams::new([host.to_owned()]).expect("a host");
        (params.not_before, params.not_after) = match valid {
            Valid::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(4000, 1, 1)),
            Valid::Before => (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1)),
            Valid::Later => (date_time_ymd(3999, 1, 1), date_time_ymd(4000, 1, 1)),
        };
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key that was just made");
        ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("the key fits the certificate")
    }
}

/// The address of a relay on loopback.
///
/// # Panics
/// When it is somewhere else.
pub fn address_of(relay: &Server) -> SocketAddr {
    relay.url().trim_start_matches("ws://").parse().expect("an address")
}

/// A TLS server on a loopback port in front of a relay. Ends with the process.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
}

impl TlsFront {
    /// Starts it.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn start(relay: &Server, config: ServerConfig) -> Self {
        Self::before(address_of(relay), config)
    }

    /// Starts it in front of any other server.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn before(upstream: SocketAddr, config: ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener =
            task::block_on(async_std::net::TcpListener::bind("127.0.0.1:0")).expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            task::block_on(async {
                while let Ok((tcp, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    task::spawn(async move { pass_on(acceptor, tcp, upstream).await });
                }
            });
        });
        Self { address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, with this host.
    pub fn url(&self, host: &str) -> String {
        format!("wss://{host}:{}", self.address.port())
    }
}

async fn pass_on(acceptor: TlsAcceptor, tcp: async_std::net::TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let (mut from_client, mut to_client) = acceptor.accept(tcp).await?.split();
    let (mut from_relay, mut to_relay) = async_std::net::TcpStream::connect(upstream).await?.split();
    let up = async {
        futures::io::copy(&mut from_client, &mut to_relay).await?;
        to_relay.close().await
    };
    let down = async {
        futures::io::copy(&mut from_relay, &mut to_client).await?;
        to_client.close().await
    };
    try_join(up, down).await.map(drop)
}

/// A server on a loopback port that does with each connection what it is told, on a thread each. Ends with the process.
#[derive(Debug)]
pub struct Raw {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Raw {
    /// Starts it. An error ends the connection.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (accepted, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
        let count = accepted.clone();
        thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = serve.clone();
                thread::spawn(move || {
                    let _ = tcp.set_nodelay(true);
                    // A client that hangs up is what some of these servers are for.
                    let _ = serve(tcp);
                });
            }
        });
        Self { address, accepted }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections came.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// A server in front of a relay that answers requests for its information document itself (NIP-11), and hands WebSockets on.
/// Ends with the process.
#[derive(Debug)]
pub struct Documents {
    raw: Raw,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Documents {
    /// Starts it. `answer` is what requests for the document get, once their head is read; an error ends the connection.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn start(relay: &Server, answer: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (book, upstream) = (asked.clone(), address_of(relay));
        let raw = Raw::start(move |mut tcp| {
            let head = read_head(&mut tcp)?;
            if head.contains("Upgrade: websocket") {
                let mut relay = TcpStream::connect(upstream)?;
                relay.write_all(head.as_bytes())?;
                return splice(&tcp, &relay);
            }
            book.lock().unwrap_or_else(PoisonError::into_inner).push(head);
            answer(tcp)
        });
        Self { raw, asked }
    }

    /// Starts one that always gives this answer, head and all.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn say(relay: &Server, answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(relay, move |tcp| say_and_end(tcp, &answer))
    }

    /// Starts one that serves this document.
    ///
    /// # Panics
    /// When no loopback port is free.
    pub fn serve(relay: &Server, document: &str) -> Self {
        Self::say(relay, format!("HTTP/1.0 200 OK\r\nContent-Type: application/nostr+json\r\n\r\n{document}"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.raw.address()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address())
    }

    /// The heads of the requests for the document so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sends this and no more, and waits until the client hangs up: unread bytes would reset the connection under the answer.
///
/// # Errors
/// The client hung up before.
pub fn say_and_end(mut tcp: TcpStream, answer: &[u8]) -> io::Result<()> {
    tcp.write_all(answer)?;
    tcp.shutdown(Shutdown::Write)?;
    io::copy(&mut tcp, &mut io::sink()).map(drop)
}

/// Reads up to the empty line that ends a request's head.
///
/// # Errors
/// The client hung up before.
pub fn read_head(from: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Passes bytes on both ways until both sides are done.
///
/// # Errors
/// One of them is gone.
pub fn splice(a: &TcpStream, b: &TcpStream) -> io::Result<()> {
    let (mut from_a, mut to_b) = (a.try_clone()?, b.try_clone()?);
    let up = thread::spawn(move || {
        let _ = io::copy(&mut from_a, &mut to_b);
        let _ = to_b.shutdown(Shutdown::Write);
    });
    let (mut from_b, mut to_a) = (b.try_clone()?, a.try_clone()?);
    io::copy(&mut from_b, &mut to_a)?;
    let _ = to_a.shutdown(Shutdown::Write);
    let _ = up.join();
    Ok(())
}

/// What a SOCKS5 server does.
#[derive(Clone, Debug)]
pub enum Socks {
    /// Connects, to the same address whatever it is asked for.
    To(SocketAddr),
    /// The same for those who log in with this name and password.
    Login(SocketAddr, &'static str, &'static str),
    /// The same, with its answers a byte at a time.
    Drips(SocketAddr),
    /// Refuses with this code.
    Refuses(u8),
    /// Answers with these bytes, one after each message that it reads, and hangs up.
    Says(Vec<&'static [u8]>),
    /// Answers like that, and says no more.
    Stalls(Vec<&'static [u8]>),
}

/// What a client asked a SOCKS5 server for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its login, if it gave one.
    pub login: Option<(String, String)>,
    /// The host: a name, or an address in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A SOCKS5 server on a loopback port (RFC 1928, RFC 1929). Ends with the process.
#[derive(Debug)]
pub struct SocksFront {
    raw: Raw,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl SocksFront {
    /// Starts it.
    pub fn start(does: Socks) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let book = asked.clone();
        let raw = Raw::start(move |tcp| match &does {
            Socks::Says(answers) => play(tcp, answers).map(drop),
            Socks::Stalls(answers) => {
                let mut tcp = play(tcp, answers)?;
                io::copy(&mut tcp, &mut io::sink()).map(drop)
            }
            honest => serve_socks(tcp, honest, &book),
        });
        Self { raw, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.raw.address()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("socks5://{}", self.address())
    }

    /// What it was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections came.
    pub fn accepted(&self) -> usize {
        self.raw.accepted()
    }
}

fn play(mut tcp: TcpStream, answers: &[&[u8]]) -> io::Result<TcpStream> {
    for answer in answers {
        let mut message = [0; 600];
        if tcp.read(&mut message)? == 0 {
            break;
        }
        tcp.write_all(answer)?;
    }
    Ok(tcp)
}

fn serve_socks(mut tcp: TcpStream, does: &Socks, book: &Mutex<Vec<Asked>>) -> io::Result<()> {
    let drips = matches!(does, Socks::Drips(_));
    let say = |tcp: &mut TcpStream, bytes: &[u8]| {
        bytes.chunks(if drips { 1 } else { bytes.len() }).try_for_each(|chunk| {
            thread::sleep(std::time::Duration::from_millis(u64::from(drips)));
            tcp.write_all(chunk)
        })
    };
    let mut asked = Asked::default();
    let [version, methods] = read(&mut tcp)?;
    assert_eq!(version, 5);
    let methods = read_some(&mut tcp, methods)?;
    let wants = if methods.contains(&2) { 2 } else { 0 };
    say(&mut tcp, &[5, wants])?;
    if wants == 2 {
        let [1, length] = read(&mut tcp)? else { return Ok(()) };
        let user = String::from_utf8_lossy(&read_some(&mut tcp, length)?).into_owned();
        let [length] = read(&mut tcp)?;
        let password = String::from_utf8_lossy(&read_some(&mut tcp, length)?).into_owned();
        let known = !matches!(does, Socks::Login(_, u, p) if (*u, *p) != (user.as_str(), password.as_str()));
        say(&mut tcp, &[1, u8::from(!known)])?;
        if !known {
            return Ok(());
        }
        asked.login = Some((user, password));
    }
    let [5, 1, 0, kind] = read(&mut tcp)? else { return Ok(()) };
    asked.host = match kind {
        1 => std::net::Ipv4Addr::from(read::<4>(&mut tcp)?).to_string(),
        4 => std::net::Ipv6Addr::from(read::<16>(&mut tcp)?).to_string(),
        _ => {
            let [length] = read(&mut tcp)?;
            String::from_utf8_lossy(&read_some(&mut tcp, length)?).into_owned()
        }
    };
    asked.port = u16::from_be_bytes(read(&mut tcp)?);
    book.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    match does {
        Socks::To(to) | Socks::Login(to, _, _) | Socks::Drips(to) => {
            let upstream = TcpStream::connect(to)?;
            // The bound address is a name here, of which nobody has any use.
            say(&mut tcp, &[5, 0, 0, 3, 2, b'm', b'e', 0, 1])?;
            splice(&tcp, &upstream)
        }
        Socks::Refuses(code) => say(&mut tcp, &[5, *code, 0, 1, 0, 0, 0, 0, 0, 0]),
        Socks::Says(_) | Socks::Stalls(_) => Ok(()),
    }
}

fn read<const N: usize>(tcp: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    tcp.read_exact(&mut bytes).map(|()| bytes)
}

fn read_some(tcp: &mut TcpStream, length: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    tcp.read_exact(&mut bytes).map(|()| bytes)
}
