//! A TLS server on a loopback port, in front of a relay that speaks without.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use async_std::net::{TcpListener, TcpStream};
use async_std::task::{self, JoinHandle};
use futures::future::try_join;
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_rustls::TlsAcceptor;
use nostr_pool_driver::rustls::pki_types::PrivateKeyDer;
use nostr_pool_driver::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};

/// It, with a fresh certificate that only [`trust`](Self::trust) vouches for. Ends when it is dropped.
pub struct Front {
    port: u16,
    trust: Arc<ClientConfig>,
    accepting: Option<JoinHandle<()>>,
}

impl Front {
    /// Passes what comes to `port` on to `relay`, decrypted; both on 127.0.0.1.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(port: u16, relay: u16) -> io::Result<Self> {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
        let certificate = signed.cert.der().clone();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(io::Error::other)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = task::block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, port)))?;
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let accepting = task::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // A connection that breaks is the relay's or the pool's to notice.
                task::spawn(pass_on(acceptor.clone(), tcp, relay));
            }
        });
        Ok(Self { port, trust: Arc::new(client), accepting: Some(accepting) })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("wss://localhost:{}", self.port)
    }

    /// A client's configuration whose only root is this server's certificate.
    pub fn trust(&self) -> Arc<ClientConfig> {
        self.trust.clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            task::spawn(accepting.cancel());
        }
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("port", &self.port).finish_non_exhaustive()
    }
}

async fn pass_on(acceptor: TlsAcceptor, tcp: TcpStream, relay: u16) -> io::Result<()> {
    let relay = TcpStream::connect((Ipv4Addr::LOCALHOST, relay)).await?;
    let (mut from_client, mut to_client) = acceptor.accept(tcp).await?.split();
    let (mut from_relay, mut to_relay) = relay.split();
    let up = async {
        futures::io::copy(&mut from_client, &mut to_relay).await?;
        to_relay.close().await
    };
    let down = async {
        futures::io::copy(&mut from_relay, &mut to_client).await?;
        to_client.close().await?;
        // What the client still says has nobody to hear it.
        Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionAborted))
    };
    try_join(up, down).await.map(drop)
}
