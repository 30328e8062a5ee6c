//! Relays of independent make: what they need, how they are installed, started and killed.

mod builder;
mod cargo;
mod node;
mod python;

use std::io;
use std::path::{Path, PathBuf};

use crate::oracle::Until;
use crate::process::{Process, free_port};
use builder::InProcess;

/// An implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Make {
    /// `nostr-relay-builder`, a Rust library, in this process.
    Builder,
    /// `nostr-relay`, a Python program with an SQLite store.
    Python,
    /// `@nostr-relay/core`, a JavaScript library, under a small server of ours.
    Node,
    /// `nostr-rs-relay`, a Rust program with an SQLite store.
    RsRelay,
}

/// How a relay is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As it comes; only addresses and paths are set. For looking at its habits.
    Stock,
    /// Limits of size, age, number and rate are out of the way. For the suite.
    Roomy,
    /// The same, and NIP-42 is switched on as far as it goes: as a condition for writing and reading, or for private kinds.
    Auth,
}

impl Make {
    /// All of them, the quickest to install first.
    pub const ALL: [Self; 4] = [Self::Builder, Self::Python, Self::Node, Self::RsRelay];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Python => "python",
            Self::Node => "node",
            Self::RsRelay => "rs-relay",
        }
    }

    /// Package and version.
    pub fn package(self) -> &'static str {
        match self {
            Self::Builder => "nostr-relay-builder 0.44.1",
            Self::Python => "nostr-relay 1.14",
            Self::Node => "@nostr-relay/core 0.0.40",
            Self::RsRelay => "nostr-rs-relay 0.8.12",
        }
    }

    /// What has to be on this machine, and about how long it takes to install the rest.
    pub fn needs(self) -> &'static str {
        match self {
            Self::Builder => "nothing: it is linked in",
            Self::Python => "python3 with venv and pip; a quarter of a minute",
            Self::Node => "node and npm; half a minute",
            Self::RsRelay => {
                "cargo, a C compiler, OpenSSL's headers, and protoc or python3 with venv and pip; a long build"
            }
        }
    }

    /// Puts it under `home`, unless it is there. Nothing is installed anywhere else.
    ///
    /// # Errors
    /// Why it can't be had, in one line.
    pub fn install(self, home: &Path) -> Result<(), String> {
        if self.is_installed(home) {
            return Ok(());
        }
        std::fs::create_dir_all(home).map_err(|e| format!("{}: {e}", home.display()))?;
        let log = home.join(format!("install-{}.log", self.name()));
        match self {
            Self::Builder => Ok(()),
            Self::Python => python::install(home, &log),
            Self::Node => node::install(home, &log),
            Self::RsRelay => cargo::install(home, &log),
        }
    }

    /// Whether it is there.
    pub fn is_installed(self, home: &Path) -> bool {
        match self {
            Self::Builder => true,
            Self::Python => python::program(home).exists(),
            Self::Node => node::is_installed(home),
            Self::RsRelay => cargo::program(home).exists(),
        }
    }

    /// Starts an empty one.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(self, home: &Path, profile: Profile) -> io::Result<Relay> {
        let port = free_port()?;
        let tls_port = free_port()?;
        let directory = home.join("run").join(format!("{}-{}", std::process::id(), self.name()));
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let site = Site { home: home.to_owned(), directory, port, tls_port, profile };
        let running = match self {
            Self::Builder => Running::InProcess(Box::new(InProcess::start(&site)?)),
            Self::Python => Running::Process(Process::start(python::launch(&site)?)?),
            Self::Node => Running::Process(Process::start(node::launch(&site)?)?),
            Self::RsRelay => Running::Process(Process::start(cargo::launch(&site)?)?),
        };
        if self == Self::Python && profile == Profile::Auth {
            python::give_roles(&site).map_err(io::Error::other)?;
        }
        Ok(Relay { make: self, site, running })
    }

    /// How it offers NIP-42.
    pub fn auth(self) -> Auth {
        match self {
            // One has a mode that asks before every EVENT and REQ, the other roles, set per action: both want one that only
            // whoever is authenticated has.
            Self::Builder | Self::Python => Auth::Demanded,
            // Kind 4 goes to whoever it is from or for.
            Self::Node | Self::RsRelay => Auth::ForPrivate,
        }
    }

    /// Whether it hashes control characters for which NIP-01 has no escape as `\u00xx`, in lower case. One that does not
    /// refuses such an event.
    pub fn hashes_control_characters_alike(self) -> bool {
        self != Self::Python
    }

    /// Whether it refuses an event by an OK with an empty id.
    pub fn refuses_without_a_name(self) -> bool {
        self == Self::Python
    }

    /// What it takes `until` for.
    pub fn until(self) -> Until {
        if self == Self::Python { Until::Exclusive } else { Until::Inclusive }
    }

    /// Whether it answers COUNT (NIP-45).
    pub fn counts(self) -> bool {
        self == Self::Builder
    }
}

/// What NIP-42 is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Nothing is read or written without.
    Demanded,
    /// Private kinds are kept from strangers.
    ForPrivate,
}

/// Where a relay is.
#[derive(Clone, Debug)]
pub struct Site {
    home: PathBuf,
    directory: PathBuf,
    port: u16,
    tls_port: u16,
    profile: Profile,
}

impl Site {
    /// The URLs that AUTH events may name.
    fn urls(&self) -> [String; 4] {
        let (plain, tls) = (format!("ws://localhost:{}", self.port), format!("wss://localhost:{}", self.tls_port));
        [plain.clone(), tls.clone(), format!("{plain}/"), format!("{tls}/")]
    }
}

/// A relay that runs.
#[derive(Debug)]
pub struct Relay {
    make: Make,
    site: Site,
    running: Running,
}

#[derive(Debug)]
enum Running {
    InProcess(Box<InProcess>),
    Process(Process),
}

impl Drop for Relay {
    /// What it stored and wrote goes with it, unless something is to be found out.
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            // Nothing depends on it.
            let _ = std::fs::remove_dir_all(&self.site.directory);
        }
    }
}

impl Relay {
    /// Of which make.
    pub fn make(&self) -> Make {
        self.make
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.site.port
    }

    /// The port that a TLS server in front of it is to have.
    pub fn tls_port(&self) -> u16 {
        self.site.tls_port
    }

    /// Without TLS.
    pub fn url(&self) -> String {
        format!("ws://localhost:{}", self.site.port)
    }

    /// Ends it without a word to its clients.
    pub fn kill(&mut self) {
        match &mut self.running {
            Running::InProcess(relay) => relay.kill(),
            Running::Process(process) => process.kill(),
        }
    }

    /// Starts it again, with what it had stored.
    ///
    /// # Errors
    /// If it does not start.
    pub fn revive(&mut self) -> io::Result<()> {
        match &mut self.running {
            Running::InProcess(relay) => relay.revive(),
            Running::Process(process) => process.revive(),
        }
    }
}
