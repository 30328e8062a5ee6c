//! Putting a pool together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use nostr_pool_core::recording::Recorder;
use nostr_pool_core::{AuthPolicy, Call, CallError, Config, Core, RelayOptions, Reply};
use nostr_proto::RelayUrl;
use rustls::ClientConfig;

use crate::clock::Clock;
use crate::dial::{DialSettings, Failures, Headers, Proxy, Resolver, Roots, StepDeadlines};
use crate::engine::Engine;
use crate::error::{AddRelayError, BuildError};
use crate::info::Infos;
use crate::pool::Pool;
use crate::record::{RecordOptions, RecordTo, Recording, Spool, SpoolTape};
use crate::runtime::{FrameLimits, Runtime};
use crate::shared::{RecordedCore, Shared, State};
use crate::signer::Signer;
use crate::{dial, timer, verifier};

/// What a relay is told of us when it is dialled.
const USER_AGENT: &str = concat!("nostr-pool/", env!("CARGO_PKG_VERSION"));

/// A pool yet to be built: [`Pool::builder`].
#[derive(Default)]
pub struct PoolBuilder {
    relays: Vec<(Given, RelayOptions)>,
    config: Config,
    auth: Option<AuthPolicy>,
    signers: Vec<Arc<dyn Signer>>,
    user_agent: Option<String>,
    verifier_threads: Option<usize>,
    tls: Tls,
    headers: Headers,
    relay_headers: Vec<(Given, Headers)>,
    resolver: Option<Box<dyn Resolver>>,
    proxy: Option<Proxy>,
    steps: StepDeadlines,
    limits: FrameLimits,
    record: Option<(RecordTo, RecordOptions)>,
    fetch_relay_info: bool,
}

/// How TLS is set up: by us, or by the application.
enum Tls {
    Roots(Roots),
    Config(Arc<ClientConfig>),
}

impl Default for Tls {
    fn default() -> Self {
        Self::Roots(Roots::default())
    }
}

/// A relay as the application named it: text or a [`RelayUrl`]. What is wrong with the text is told by the call that
/// uses it.
#[derive(Debug)]
pub struct Given(Result<RelayUrl, AddRelayError>);

impl Given {
    /// Takes the relay into a pool.
    pub(crate) fn add(
        self,
        add: impl FnOnce(Call) -> Result<Reply, CallError>,
        options: RelayOptions,
    ) -> Result<(), AddRelayError> {
        let url = self.0?;
        match add(Call::AddRelay { url: url.clone(), options }) {
            Ok(_) => Ok(()),
            Err(error) => Err(AddRelayError::Call { relay: url, error }),
        }
    }
}

impl From<RelayUrl> for Given {
    fn from(url: RelayUrl) -> Self {
        Self(Ok(url))
    }
}

impl From<&RelayUrl> for Given {
    fn from(url: &RelayUrl) -> Self {
        Self(Ok(url.clone()))
    }
}

impl From<&str> for Given {
    fn from(given: &str) -> Self {
        Self(RelayUrl::parse(given).map_err(|error| AddRelayError::Url { given: without_login(given), error }))
    }
}

/// What was given, without what stands before an `@`: it may be a password, and errors are shown.
fn without_login(given: &str) -> String {
    match given.rsplit_once('@') {
        None => given.to_owned(),
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…@{host}"),
            None => format!("…@{host}"),
        },
    }
}

impl From<String> for Given {
    fn from(given: String) -> Self {
        Self::from(given.as_str())
    }
}

impl From<&String> for Given {
    fn from(given: &String) -> Self {
        Self::from(given.as_str())
    }
}

impl PoolBuilder {
    /// Takes a relay in, for reading and writing. `url` is text or a [`RelayUrl`].
    #[must_use]
    pub fn relay(self, url: impl Into<Given>) -> Self {
        self.relay_with(url, RelayOptions::default())
    }

    /// Takes a relay in, to be used in this way.
    #[must_use]
    pub fn relay_with(mut self, url: impl Into<Given>, options: RelayOptions) -> Self {
        self.relays.push((url.into(), options));
        self
    }

    /// The bounds and delays. Default: [`Config::default`].
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Who signs for [`Pool::publish_unsigned`], and answers relays' challenges where the policy allows it (NIP-42).
    /// Default: nobody. Further ones sign for further keys: the first one's is the author of what is published unsigned,
    /// and what relays get to know where neither [`Config::identity`] nor [`RelayOptions::identity`] names another.
    #[must_use]
    pub fn signer(mut self, signer: impl Signer) -> Self {
        self.signers.push(Arc::new(signer));
        self
    }

    /// Whether relays get to know who is asking (NIP-42), where [`RelayOptions::auth`] says nothing else. Default: as
    /// [`Config::auth`] says, which is `Never` by default.
    #[must_use]
    pub fn auth_policy(mut self, policy: AuthPolicy) -> Self {
        self.auth = Some(policy);
        self
    }

    /// The `User-Agent` that relays are told: visible ASCII and spaces. Default: `nostr-pool/` and the version.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Threads that check signatures, at least one. Default: one fewer than there are cores, but two on two cores.
    #[must_use]
    pub fn verifier_threads(mut self, threads: usize) -> Self {
        self.verifier_threads = Some(threads);
        self
    }

    /// The authorities that may vouch for a `wss://` relay. Default: [`Roots::bundled`]. TLS is 1.2 and 1.3, by `ring`.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.tls = Tls::Roots(roots);
        self
    }

    /// A TLS configuration of one's own for `wss://`, in place of [`roots`](Self::roots) and whatever else is said there.
    #[must_use]
    pub fn tls_config(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Tls::Config(config);
        self
    }

    /// Headers to send to every relay with the WebSocket upgrade, and with the request for its document. Default: none.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Headers to send to one relay. They take the place of those for every relay that have the same name.
    #[must_use]
    pub fn relay_headers(mut self, url: impl Into<Given>, headers: Headers) -> Self {
        self.relay_headers.push((url.into(), headers));
        self
    }

    /// Where the addresses of hosts come from. Default: the runtime's resolver, which is the system's.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Box::new(resolver));
        self
    }

    /// A proxy for all relays, or for onion services. Default: none; onion services are not dialled then.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How long each step of a dial may take. Default: [`StepDeadlines::default`].
    #[must_use]
    pub fn step_deadlines(mut self, steps: StepDeadlines) -> Self {
        self.steps = steps;
        self
    }

    /// Sizes of messages and buffers of each socket. Default: [`FrameLimits::default`].
    #[must_use]
    pub fn frame_limits(mut self, limits: FrameLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Records what the pool's core is fed: a file for a bug report, which `nostr-pool replay` plays again. `to` is the path
    /// of a file that is not there yet, or a [`RecordTo::writer`]. Default: nothing is recorded, which costs nothing.
    ///
    /// The file shows everything that relays sent, and everything that the application asked for and published, and what
    /// signers said where they did not sign; it holds no secret key, and no password of a proxy: see [`recording`](crate::recording) for what it shows and for its format.
    /// It is written by a thread of its own. [`Pool::recording`] tells how it stands; [`Pool::shutdown`] waits until it is
    /// written. Should the pool's core panic, what it was fed is written before the panic goes on. A process that ends in any
    /// other way loses the last quarter of a second; so does one where panics abort.
    #[must_use]
    pub fn record(mut self, to: impl Into<RecordTo>, options: RecordOptions) -> Self {
        self.record = Some((to.into(), options));
        self
    }

    /// Whether relays' information documents (NIP-11) are fetched by the pool itself. Default: no, for it makes one more
    /// connection per relay.
    ///
    /// With it, a relay's document is fetched when a connection to it opens, unless that was done within the last 24 hours, or
    /// failed within the last ten minutes; and the pool keeps to it as if it had been given by [`Pool::set_relay_info`]. It
    /// is dialled as the relay is, over a connection of its own that is not counted in [`Config::max_connections`]: at most
    /// eight at once in a pool, for [`StepDeadlines::info`] each. Nothing waits for a document, and one that can't be had is
    /// no fault of the relay: [`Pool::relay_info`] tells why.
    #[must_use]
    pub fn fetch_relay_info(mut self, fetch: bool) -> Self {
        self.fetch_relay_info = fetch;
        self
    }

    /// Builds the pool, to be driven by this runtime. Dials nothing yet.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build<R: Runtime>(self, runtime: R) -> Result<Pool, BuildError> {
        let user_agent = self.user_agent.unwrap_or_else(|| USER_AGENT.to_owned());
        if !user_agent.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err(BuildError::UserAgent(user_agent));
        }
        let tls = match self.tls {
            Tls::Config(config) => config,
            Tls::Roots(roots) => dial::tls_config(roots).map_err(BuildError::Roots)?,
        };
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(BuildError::Seed)?;
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(BuildError::Seed)?;
        let own = self.relay_headers.into_iter().map(|(given, headers)| Ok((given.0?, headers)));
        let relay_headers = own.collect::<Result<BTreeMap<_, _>, AddRelayError>>()?;

        let engine: Box<dyn Engine> = Box::new(runtime);
        let now = engine.now();
        let clock = Clock::starting_at(now);
        let deadline = self.config.dial_deadline;
        let config = Config {
            auth: self.auth.unwrap_or(self.config.auth),
            identity: self.config.identity.or(self.signers.first().map(|signer| signer.public_key())),
            ..self.config
        };
        let begun = clock.now(now);
        let spool = self.record.as_ref().map(|(_, options)| Spool::new(options));
        let recorded = spool.clone().zip(self.record.as_ref()).map(|(spool, (_, options))| {
            (Recorder::new(SpoolTape(spool.clone()), options.max_bytes, &config, &seed, begun), spool)
        });
        let mut core = RecordedCore::new(Core::new(config, seed, begun), recorded);
        for (given, options) in self.relays {
            given.add(|call| core.handle_call(call, clock.now(now)), options)?;
        }
        let settings = DialSettings {
            tls,
            // A little before the core's own deadline, which cannot tell what step took so long.
            deadline: deadline - deadline / 16,
            steps: self.steps,
            user_agent,
            headers: self.headers,
            relay_headers: Mutex::new(relay_headers),
            limits: self.limits,
            resolver: self.resolver,
            lookups: Default::default(),
            proxy: self.proxy,
            token: STANDARD_NO_PAD.encode(token),
            left_out: AtomicU64::new(0),
            failures: Failures::default(),
        };

        let infos = Infos::new(self.fetch_relay_info);
        let shared = Arc::new(Shared::new(State::new(core), engine, clock, settings, self.signers, infos));
        let threads = self.verifier_threads.unwrap_or_else(verifier::default_threads).max(1);
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        // Should a later thread fail to start, or the recording, dropping `shared` stops the earlier ones.
        verifier::start(threads, &shared.jobs, &weak).map_err(BuildError::Thread)?;
        // The last of all that can fail, so that no file is made for a pool that can't be built.
        if let Some((spool, (to, _))) = spool.zip(self.record) {
            let recording = Recording::start(&spool, to).map_err(BuildError::Recording)?;
            shared.recording.get_or_init(|| recording);
        }
        shared.engine.spawn(Box::pin(timer::run(shared.clone())));
        Ok(Pool::new(shared))
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("relays", &self.relays.len())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_shown_nowhere() {
        for given in ["wss://me:secret@relay.example.com", "me:secret@host", "wss://a@b:secret@host/x@y", "ws:/secret@"]
        {
            let refused = Given::from(given).0.unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused:?}");
        }
        let refused = Given::from("ftp://relay.example.com").0.unwrap_err();
        assert!(refused.to_string().contains("ftp://relay.example.com"), "what holds no password is shown as it is");
    }
}
