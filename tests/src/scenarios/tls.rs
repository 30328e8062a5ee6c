//! `wss://`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use async_std::net::{TcpListener, TcpStream};
use async_std::task;
use futures::future::try_join;
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::TlsAcceptor;
use nostr_pool_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use nostr_pool_driver::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use nostr_pool_driver::{
    Connect, ConnectError, ConnectOutcome, FetchOptions, PublishOptions, Quorum, Runtime, Verdict,
};
use nostr_proto::EventTemplate;

use super::*;

/// A TLS server with a fresh self-signed certificate in front of a relay.
struct TlsFront {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl TlsFront {
    fn start(relay: &Server) -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = signed.cert.der().clone();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("the key that was just made");
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("the key fits the certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let upstream: SocketAddr = relay.url().trim_start_matches("ws://").parse().expect("an address");
        let listener = task::block_on(TcpListener::bind("127.0.0.1:0")).expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        // Ends with the test's process.
        thread::spawn(move || {
            task::block_on(async {
                while let Ok((tcp, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    task::spawn(async move { pass_on(acceptor, tcp, upstream).await });
                }
            });
        });
        Self { address, certificate }
    }

    fn url(&self) -> String {
        format!("wss://localhost:{}", self.address.port())
    }
}

async fn pass_on(acceptor: TlsAcceptor, tcp: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let (mut from_client, mut to_client) = acceptor.accept(tcp).await?.split();
    let (mut from_relay, mut to_relay) = TcpStream::connect(upstream).await?.split();
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

/// Over TLS everything is the same; without trust there is nothing.
pub async fn speaks_tls_with_a_trusted_server<R: Runtime>(runtime: R) {
    let server = relay();
    let front = TlsFront::start(&server);

    let wary = build(&runtime, builder().relay(front.url()));
    let error = wary.connect(PATIENCE / 2, Connect::Strict).await.unwrap_err();
    let ConnectError::Incomplete(report) = error else { panic!("the call itself was right: {error:?}") };
    let ConnectOutcome::Failed(why) = &report.relays[0].1 else { panic!("nobody vouches for it: {report:?}") };
    assert!(why.starts_with("TLS handshake failed: "), "{why}");

    let mut roots = RootCertStore::empty();
    roots.add(front.certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let pool = build(&runtime, builder().relay(front.url()).tls_config(Arc::new(config)));
    connect(&pool).await;
    let long = EventTemplate::text_note("long ".repeat(100_000), Timestamp::new(1_700_000_000));
    let long = keys(1).sign(&long, [0; 32]);
    let report = pool.publish(long.clone(), PublishOptions::default().with_quorum(Quorum::All)).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Reached));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    assert_eq!(fetched.events[0].event.content(), long.content());
}
