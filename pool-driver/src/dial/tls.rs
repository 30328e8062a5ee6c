//! Whom a pool trusts, and what is wrong with a certificate.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// The authorities that may vouch for a relay.
///
/// Those that are bundled with this crate (`webpki-roots`), or those of the operating system (`rustls-native-certs`, read
/// when the pool is built), or neither; and any others beside them. Certificates are verified by `rustls` and its `webpki`
/// in every case, so that the same certificate gives the same error everywhere. A verifier of another make comes with a
/// [`ClientConfig`] of one's own: [`PoolBuilder::tls_config`](crate::PoolBuilder::tls_config).
#[derive(Clone)]
pub struct Roots {
    base: Base,
    others: Vec<CertificateDer<'static>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Bundled,
    Platform,
    None,
}

impl Default for Roots {
    fn default() -> Self {
        Self::bundled()
    }
}

impl Roots {
    /// Those that Mozilla trusts, as of this crate's release.
    pub fn bundled() -> Self {
        Self { base: Base::Bundled, others: Vec::new() }
    }

    /// Those that the operating system trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others where they are set.
    pub fn platform() -> Self {
        Self { base: Base::Platform, others: Vec::new() }
    }

    /// Nobody, but for those that are added.
    pub fn none() -> Self {
        Self { base: Base::None, others: Vec::new() }
    }

    /// This one, too: a certificate in DER.
    #[must_use]
    pub fn with(mut self, certificate: CertificateDer<'static>) -> Self {
        self.others.push(certificate);
        self
    }

    /// Each certificate of a text in PEM, too. What else is in it is skipped.
    ///
    /// # Errors
    /// [`RootsError::Pem`], [`RootsError::NoCertificate`].
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, RootsError> {
        let before = self.others.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            self.others.push(certificate.map_err(|_| RootsError::Pem)?);
        }
        if self.others.len() == before { Err(RootsError::NoCertificate) } else { Ok(self) }
    }

    fn store(self) -> Result<RootCertStore, RootsError> {
        let mut store = RootCertStore::empty();
        match self.base {
            Base::Bundled => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Base::Platform => {
                let found = rustls_native_certs::load_native_certs();
                // Some systems have one or two that cannot be read, and a few hundred that can.
                if store.add_parsable_certificates(found.certs).0 == 0 {
                    return Err(RootsError::NoPlatform);
                }
            }
            Base::None if self.others.is_empty() => return Err(RootsError::Nobody),
            Base::None => {}
        }
        for certificate in self.others {
            store.add(certificate).map_err(RootsError::Certificate)?;
        }
        Ok(store)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").field("base", &self.base).field("others", &self.others.len()).finish()
    }
}

/// Why roots can't be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum RootsError {
    /// The text is no PEM.
    Pem,
    /// The text has no certificate in it.
    NoCertificate,
    /// A certificate can't be read.
    Certificate(rustls::Error),
    /// The operating system has none, or none that can be read.
    NoPlatform,
    /// There are none at all: no `wss` relay could ever be trusted.
    Nobody,
    /// The TLS library refused its own defaults.
    Tls(rustls::Error),
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem => f.write_str("no PEM"),
            Self::NoCertificate => f.write_str("no certificate in it"),
            Self::Certificate(_) => f.write_str("a certificate that cannot be read"),
            Self::NoPlatform => f.write_str("the system has no trusted certificates"),
            Self::Nobody => f.write_str("nobody to trust: name a certificate"),
            Self::Tls(e) => write!(f, "TLS set-up: {e}"),
        }
    }
}

impl std::error::Error for RootsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificate(e) | Self::Tls(e) => Some(e),
            Self::Pem | Self::NoCertificate | Self::NoPlatform | Self::Nobody => None,
        }
    }
}

/// TLS 1.2 and 1.3 by the `ring` provider.
///
/// The provider is named here: a process may install another one as its default without changing what we use.
pub(crate) fn config(roots: Roots) -> Result<Arc<ClientConfig>, RootsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RootsError::Tls)?
        .with_root_certificates(roots.store()?)
        .with_no_client_auth();
    // A WebSocket upgrade is HTTP/1.1; without this, a server may choose another version.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadCertificate {
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for another host.
    WrongHost,
    /// Nobody vouches for it that we trust.
    UnknownAuthority,
    /// Its authority took it back.
    Revoked,
    /// Something else: it can't be read, is not for servers, its signature is wrong.
    Invalid,
}

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::WrongHost => "the server's certificate is for another host",
            Self::UnknownAuthority => "the server's certificate comes from nobody that is trusted",
            Self::Revoked => "the server's certificate was revoked",
            Self::Invalid => "the server's certificate is not valid",
        })
    }
}

/// What a failed handshake says about the certificate, if that is what failed.
pub(super) fn bad_certificate(error: &io::Error) -> Option<BadCertificate> {
    let rustls::Error::InvalidCertificate(error) = error.get_ref()?.downcast_ref()? else { return None };
    Some(match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => BadCertificate::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => BadCertificate::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            BadCertificate::WrongHost
        }
        CertificateError::UnknownIssuer => BadCertificate::UnknownAuthority,
        CertificateError::Revoked => BadCertificate::Revoked,
        _ => BadCertificate::Invalid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_are_none_are_faults() {
        assert!(matches!(Roots::none().store(), Err(RootsError::Nobody)));
        assert!(matches!(Roots::none().with_pem(b""), Err(RootsError::NoCertificate)));
        assert!(matches!(Roots::none().with_pem(b"hello"), Err(RootsError::NoCertificate)));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(Roots::none().with_pem(cut), Err(RootsError::Pem)));
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(Roots::none().with_pem(key), Err(RootsError::NoCertificate)));
        let junk = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(Roots::none().with_pem(junk).unwrap().store(), Err(RootsError::Certificate(_))));
        assert!(Roots::bundled().store().unwrap().len() > 50);
    }
}
