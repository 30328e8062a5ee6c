//! The command line.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;

use nostr_pool_corpus::Mix;

pub(crate) const HELP: &str = "\
Benchmarks of nostr-pool beside the bare floors and another library.

Usage: nostr-pool-bench [w1|w2|floors|fairness|metrics|all] [options]
       nostr-pool-bench codec [options]

  w1      N unique events from one relay
  w2      the same N events from each of 10 relays, and w1, which it is compared to
  floors  reading a socket, hashing, verifying and parsing on their own
  fairness  how much a flooding relay delays another, on each runtime
  metrics   wake-ups and lock hold times; needs `--features metrics`
  codec   the codec beside other codecs and JSON parsers; `codec --help` lists its options
  all     everything (default)

  --events N        events, default 20000
  --rounds N        rounds, each of which runs every contender once, default 5
  --relays N        relays of w2, default 10
  --mix MIX         shared (1.1 KB in the mean) or heavy (1.6 KB, default)
  --seed N          seed of the generated corpus, default 1
  --only A,B        contenders to run: bare, tokio, async-std, sdk;
                    runtimes of fairness and metrics: tokio-1 (one thread), tokio, async-std
  --read-buffer N   read buffer of the bare socket, in bytes, default as in our adapters
  --pause N         the server waits this many µs after each event, as if it were live; default 0
  --in-flight N     signatures being checked per relay, in all four times as many; default as in the pool
  --threads N       verifier threads of the pool, default as in the pool
  --seconds N       how long each case of fairness is probed, default 2
";

/// What this process is to do.
#[derive(Debug)]
pub(crate) enum Role {
    Help,
    All,
    Floors,
    Workloads {
        /// Whether W2 runs too.
        w2: bool,
    },
    /// Hidden: the replay server.
    Serve,
    Fairness,
    Metrics,
    /// Hidden: the relays of fairness.
    FairRelays,
    /// Hidden: one case of fairness.
    Probe(String),
    /// Hidden: one load of metrics.
    Meter(String),
    /// Hidden: one contender, once.
    Measure(String),
}

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) events: usize,
    pub(crate) rounds: usize,
    pub(crate) relays: usize,
    pub(crate) mix: String,
    pub(crate) seed: u64,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) read_buffer: Option<usize>,
    pub(crate) threads: Option<usize>,
    pub(crate) in_flight: Option<usize>,
    /// Of each case of fairness.
    pub(crate) seconds: u64,
    /// In µs.
    pub(crate) pause: u64,
    /// Hidden: ports of the replay server.
    pub(crate) ports: Vec<u16>,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut args = Self {
            role: Role::All,
            events: 20_000,
            rounds: 5,
            relays: 10,
            mix: "heavy".to_owned(),
            seed: 1,
            only: None,
            read_buffer: None,
            threads: None,
            in_flight: None,
            seconds: 2,
            pause: 0,
            ports: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "-h" | "--help" => args.role = Role::Help,
                "all" => args.role = Role::All,
                "fairness" => args.role = Role::Fairness,
                "metrics" => args.role = Role::Metrics,
                "--fair-relays" => args.role = Role::FairRelays,
                "--probe" => args.role = Role::Probe(value()?),
                "--meter" => args.role = Role::Meter(value()?),
                "--seconds" => args.seconds = number(&word, &value()?)?,
                "floors" => args.role = Role::Floors,
                "w1" => args.role = Role::Workloads { w2: false },
                "w2" => args.role = Role::Workloads { w2: true },
                "--serve" => args.role = Role::Serve,
                "--measure" => args.role = Role::Measure(value()?),
                "--events" => args.events = number(&word, &value()?)?,
                "--rounds" => args.rounds = number(&word, &value()?)?,
                "--relays" => args.relays = number(&word, &value()?)?,
                "--in-flight" => args.in_flight = Some(number(&word, &value()?)?),
                "--pause" => args.pause = number(&word, &value()?)?,
                "--seed" => args.seed = number(&word, &value()?)?,
                "--mix" => args.mix = value()?,
                "--only" => args.only = Some(value()?.split(',').map(str::to_owned).collect()),
                "--read-buffer" => args.read_buffer = Some(number(&word, &value()?)?),
                "--threads" => args.threads = Some(number(&word, &value()?)?),
                "--ports" => args.ports = value()?.split(',').map(|p| number(&word, p)).collect::<Result<_, _>>()?,
                _ => return Err(format!("unknown argument {word}; --help lists them").into()),
            }
        }
        if args.events == 0 || args.rounds == 0 || args.relays < 2 {
            return Err("--events and --rounds must be at least 1, --relays at least 2".into());
        }
        args.mix()?;
        Ok(args)
    }

    pub(crate) fn mix(&self) -> Result<Mix, Box<dyn Error>> {
        match self.mix.as_str() {
            "shared" => Ok(Mix { distinct: true, ..Mix::like_shared() }),
            "heavy" => Ok(Mix::heavy()),
            other => Err(format!("--mix {other}: it is shared or heavy").into()),
        }
    }

    /// The options that a child process must share.
    pub(crate) fn for_child(&self) -> Vec<String> {
        let mut out = vec!["--events".to_owned(), self.events.to_string(), "--seed".to_owned(), self.seed.to_string()];
        out.extend(["--mix".to_owned(), self.mix.clone(), "--relays".to_owned(), self.relays.to_string()]);
        out.extend(["--pause".to_owned(), self.pause.to_string()]);
        let options =
            [("--read-buffer", self.read_buffer), ("--threads", self.threads), ("--in-flight", self.in_flight)];
        for (name, value) in options {
            out.extend(value.into_iter().flat_map(|v| [name.to_owned(), v.to_string()]));
        }
        out
    }

    pub(crate) fn wants(&self, contender: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|o| o == contender))
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|e| format!("{name} {text}: {e}"))
}
