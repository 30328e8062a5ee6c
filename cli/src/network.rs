//! How relays are reached: what all commands that do so have in common.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use nostr_pool_async_std::AsyncStd;
use nostr_pool_tokio::recording::Ended;
use nostr_pool_tokio::{
    BuildError, Headers, Pool, PoolBuilder, Proxy, RecordOptions, RecordingState, Roots, RootsError, Tokio,
};

use crate::exit::Stop;
use crate::output;

/// How long the goodbye to the relays may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Arguments about the network.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Whom to trust for wss://
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub(crate) roots: Trust,
    /// Trust those whose certificates are in this file (PEM), too; may be repeated
    #[arg(long = "root", value_name = "FILE")]
    pub(crate) root: Vec<PathBuf>,
    /// Go through a SOCKS5 proxy, which looks up the relays' names: socks5://host:port or
    /// socks5://user:password@host:port. Onion services need one
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub(crate) proxy: Option<Proxy>,
    /// Go through the proxy to onion services only
    #[arg(long, requires = "proxy")]
    pub(crate) proxy_onion_only: bool,
    /// Send this header with the WebSocket upgrade, or with the request for a document; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Record what the pool is told, by relays and by this command, into this new file, 64 MiB at most: for `nostr-pool replay`,
    /// and for bug reports
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What drives the connections
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub(crate) runtime: Runtime,
}

/// Values of `--roots`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trust {
    /// Those that Mozilla trusts, as of this release
    #[default]
    Bundled,
    /// Those that this system trusts
    Platform,
    /// Nobody but those of --root
    None,
}

/// Values of `--runtime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// Tokio
    #[default]
    Tokio,
    /// Async-std
    AsyncStd,
}

impl NetworkArgs {
    /// Builds a pool that reaches its relays like this.
    pub(crate) fn build(&self, builder: PoolBuilder) -> Result<Pool, Stop> {
        let mut headers = Headers::new();
        for (name, value) in &self.headers {
            headers = headers.with(name, value).map_err(|e| Stop::usage(format!("--header: {e}")))?;
        }
        let mut builder = builder.roots(self.trusted()?).headers(headers);
        if let Some(proxy) = self.proxy.clone() {
            let proxy = proxy.isolated();
            builder = builder.proxy(if self.proxy_onion_only { proxy.onion_only() } else { proxy });
        }
        if let Some(path) = &self.record {
            builder = builder.record(path.as_path(), RecordOptions::default());
        }
        let built = match self.runtime {
            Runtime::Tokio => builder.build(Tokio::current()),
            Runtime::AsyncStd => builder.build(AsyncStd),
        };
        built.map_err(|e| match e {
            BuildError::Roots(e @ RootsError::Certificate(_)) => Stop::usage(format!("--root: {e}")),
            BuildError::Roots(e) => Stop::usage(format!("--roots: {e}")),
            BuildError::Recording(e) => {
                let path = self.record.as_deref().unwrap_or(Path::new("")).display();
                Stop::usage(format!("--record: {path}: {e}"))
            }
            e @ (BuildError::Seed(_) | BuildError::Thread(_)) => Stop::failed(e.to_string()),
            e => Stop::usage(format!("--relay: {e}")),
        })
    }

    /// Shuts the pool down, whatever the command came to: a recording of what failed is wanted most. Says so if it is not whole.
    pub(crate) async fn part(&self, pool: &Pool) {
        pool.shutdown(GOODBYE).await;
        self.note_recording(pool);
    }

    fn note_recording(&self, pool: &Pool) {
        let Some((path, status)) = self.record.as_ref().zip(pool.recording()) else { return };
        let why = match status.state {
            RecordingState::Ended(Ended::Closed) => return,
            RecordingState::Ended(Ended::SizeCap) => "it is full; what came later is not in it".to_owned(),
            RecordingState::Ended(_) => "the disk was too slow; what came later is not in it".to_owned(),
            RecordingState::Failed(error) => error,
            _ => "it is not written to its end yet".to_owned(),
        };
        output::note(&output::one_line(&format!("--record: {}: {why}", path.display())));
    }

    fn trusted(&self) -> Result<Roots, Stop> {
        let mut roots = match self.roots {
            Trust::Bundled => Roots::bundled(),
            Trust::Platform => Roots::platform(),
            Trust::None => Roots::none(),
        };
        for path in &self.root {
            let at_fault = |e: &dyn std::fmt::Display| Stop::usage(format!("--root: {}: {e}", path.display()));
            let pem = std::fs::read(path).map_err(|e| at_fault(&e))?;
            roots = roots.with_pem(&pem).map_err(|e| at_fault(&e))?;
        }
        Ok(roots)
    }
}

fn proxy(text: &str) -> Result<Proxy, String> {
    text.parse().map_err(|e: nostr_pool_tokio::ProxyUrlError| e.to_string())
}

/// Whether a header may be sent at all is told by its name; the value may be a secret, and is checked where none is shown.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is NAME: VALUE")?;
    Headers::new().with(name, value.trim()).map_err(|e| e.to_string())?;
    Ok((name.to_owned(), value.trim().to_owned()))
}
