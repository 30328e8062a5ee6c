//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use nostr_pool_tokio::Quorum;
use nostr_pool_tokio::recording::Recorder;
use nostr_proto::{Kind, RelayUrl};

use crate::filter_args::FilterArgs;
use crate::network::NetworkArgs;
use crate::parse::{self, EventTag};

/// Read from, publish to and check Nostr relays, many at once.
#[derive(Debug, Parser)]
#[command(name = "nostr-pool", bin_name = "nostr-pool", version, arg_required_else_help = true, after_help = MAIN_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const MAIN_HELP: &str = "\
Examples:
  nostr-pool demo
  nostr-pool req --relay wss://relay.example.com --kind 1 --limit 20
  nostr-pool count --relay wss://relay.example.com --kind 7 --tag e=ID
  nostr-pool info wss://relay.example.com
  nostr-pool keygen --output ~/.nostr-key
  nostr-pool publish --relay wss://relay.example.com --content 'hello' --key-file ~/.nostr-key
  nostr-pool verify events.jsonl
  nostr-pool replay pool.recording

Exit codes:
    0  it went as asked
    1  it failed
    2  it is not known whether it went well
   64  an argument or the input is at fault
  130  ended by Ctrl-C

Colour is used on terminals only, and not at all where NO_COLOR is set.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch the pool at work: relays on this machine, no network, no set-up.
    ///
    /// Starts five small relays on loopback ports, one of which lies. Publishes to them, reads from them, takes one away
    /// while events flow and brings it back. Ends by itself within 15 seconds, after it has checked that every event
    /// arrived exactly once.
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Read events from relays, as JSON lines on stdout.
    ///
    /// Every event is verified and printed once, however many relays have it, in the order of arrival. Reading ends when
    /// every relay has sent what it had stored, or was given up; with --live it goes on with what is new.
    ///
    /// The flags from --kind to --search make one filter together; each --filter adds another. An event is wanted if any
    /// filter matches. Without any, everything is asked for that the relays are willing to send.
    #[command(after_help = REQ_HELP)]
    Req(Box<ReqArgs>),
    /// Have relays count events (NIP-45), and say what each answered.
    ///
    /// Takes the filters of `req`. No relay has all events, so there is no number of all: `maximum` is the largest that one
    /// relay told; where relays send HyperLogLog registers for a filter with one tag, such as the reactions to a note,
    /// `estimate` is what all of them have together, give or take 7 %.
    #[command(after_help = COUNT_HELP)]
    Count(Box<CountArgs>),
    /// Show what relays say of themselves: their information documents (NIP-11).
    ///
    /// Prints of each relay its name, its software, the NIPs that it claims to follow, and what it holds its clients to. What
    /// it leaves out is not shown, and nothing is checked. No WebSocket is opened.
    #[command(after_help = INFO_HELP)]
    Info(Box<InfoArgs>),
    /// Publish events to relays, and say what became of each.
    ///
    /// Takes signed events as JSON lines on stdin. Or, with --content, --kind or --tag, signs one event with the key in
    /// --key-file or in the environment variable NOSTR_SECRET_KEY; a key is never taken from the arguments, where other
    /// processes can see it.
    ///
    /// A verdict is given as soon as it is certain. Connected relays that have not answered by then are waited for
    /// another two seconds, so that their answer can be shown. At most 64 events are under way at once.
    #[command(after_help = PUBLISH_HELP)]
    Publish(Box<PublishArgs>),
    /// Check the ids and signatures of events.
    ///
    /// Reads events as JSON lines, from files or from stdin. Prints for each `valid ID`, or `line N: ` and why it is not;
    /// where several files are named, the file's name and `: ` go before.
    /// The counts come last, on stderr. A line may be 1 MiB long; the input has no limit.
    #[command(after_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Make a new key, from the operating system's randomness.
    ///
    /// Prints the public key and the secret key, each as bech32 (NIP-19) and in hex. Whoever has the secret key can sign
    /// as you, and nobody can restore it once it is lost. With --output it goes into a file, as `publish --key-file`
    /// reads it, and is not printed.
    #[command(after_help = KEYGEN_HELP)]
    Keygen(KeygenArgs),
    /// Play a recording of a pool again, and say whether the same comes of it.
    ///
    /// `req`, `count`, `publish` and `info` make one with --record, applications with `PoolBuilder::record`. It holds whatever
    /// the pool was told by relays and by its application, so playing it again makes the pool do the same once more: without a
    /// network, and bit for bit. The first step of which something else comes is named.
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Print plain lines, without waiting for a reader's eye: what happens anyway where stdout is no terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

const DEMO_HELP: &str = "\
Examples:
  nostr-pool demo
  nostr-pool demo --plain

Exit codes: 0 every check passed, 1 one failed, 130 Ctrl-C.";

/// Arguments of `req`.
#[derive(Debug, Args)]
pub(crate) struct ReqArgs {
    /// A relay to ask; give it once per relay
    #[arg(long = "relay", value_name = "URL", required = true, value_parser = parse::relay)]
    pub(crate) relays: Vec<RelayUrl>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Print older versions of replaceable events, too, where they come after a newer one
    #[arg(long)]
    pub(crate) all_versions: bool,
    /// Page back through all that each relay has, down to --since, however little it gives at once
    #[arg(long)]
    pub(crate) all: bool,
    /// Go on where the last run with this file stopped: print what it did not, and miss nothing. The file is made by the
    /// first run, and written when done and every few seconds
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Go on with new events until Ctrl-C
    #[arg(long)]
    pub(crate) live: bool,
    /// Wait at most this long for stored events, with --all for each page of them [default: 10 s after the last event,
    /// 60 s in all]
    #[arg(long, value_name = "SECONDS", value_parser = parse::seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    /// Tell relays that ask who is asking: NIP-42, signed with the key in --key-file or in NOSTR_SECRET_KEY
    #[arg(long)]
    pub(crate) auth: bool,
    /// A file that holds the secret key for --auth, in hex or as nsec; goes before NOSTR_SECRET_KEY
    #[arg(long, value_name = "PATH", requires = "auth")]
    pub(crate) key_file: Option<PathBuf>,
    /// When done, say on stderr what each relay answered, and the CPU and wall time
    #[arg(long)]
    pub(crate) stats: bool,
    /// Read and verify, but print no events
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

const REQ_HELP: &str = "\
Examples:
  nostr-pool req --relay wss://a.example --relay wss://b.example --kind 1 --limit 20
  nostr-pool req --relay wss://a.example --author npub1… --kind 0 --kind 10002
  nostr-pool req --relay wss://a.example --tag t=nostr --live
  nostr-pool req --relay wss://a.example --author npub1… --all > everything.jsonl
  nostr-pool req --relay wss://a.example --kind 1 --resume ~/.notes.resume >> notes.jsonl
  nostr-pool req --relay wss://a.example --filter '{\"kinds\":[1]}' --filter '{\"kinds\":[6],\"limit\":5}'
  nostr-pool req --relay wss://a.example --kind 1059 --auth --key-file ~/.nostr-key
  nostr-pool req --relay wss://a.example --kind 1 --stats --quiet
  nostr-pool req --relay wss://10.0.0.5 --roots none --root ca.pem --kind 1
  nostr-pool req --relay ws://….onion --proxy socks5://127.0.0.1:9050 --kind 1

Everything but events goes to stderr: relays that did not answer in full, or sent what is forged
or cannot be read, are named there.

--resume suits a job that runs now and then: each event is printed by one run only, as far as the last
50,000 are concerned, and what came between two runs by the next. With other filters than the last
time, all is asked for again. Use one file per job, and one run at a time.

Exit codes:
    0  at least one relay sent all it had (or the reader of stdout went away)
    1  no relay was reached, or all that were refused, even after sending some events
    2  relays were asked, but none sent all it had in time, or it did and something of it can't
       be had: events may be missing
   64  an argument is at fault, or the file of --resume can't be read or written
  130  ended by Ctrl-C (--stats are printed first, and the file of --resume is written)";

/// Arguments of `count`.
#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// A relay to ask; give it once per relay
    #[arg(long = "relay", value_name = "URL", required = true, value_parser = parse::relay)]
    pub(crate) relays: Vec<RelayUrl>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Report after this, whoever has not answered by then
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse::seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    /// Tell relays that ask who is asking: NIP-42, signed with the key in --key-file or in NOSTR_SECRET_KEY
    #[arg(long)]
    pub(crate) auth: bool,
    /// A file that holds the secret key for --auth, in hex or as nsec; goes before NOSTR_SECRET_KEY
    #[arg(long, value_name = "PATH", requires = "auth")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

const COUNT_HELP: &str = "\
Examples:
  nostr-pool count --relay wss://a.example --relay wss://b.example --kind 1 --author npub1…
  nostr-pool count --relay wss://a.example --relay wss://b.example --kind 7 --tag e=ID
  nostr-pool count --relay wss://a.example --kind 3 --tag p=KEY --json
  nostr-pool count --relay wss://a.example --kind 1059 --auth --key-file ~/.nostr-key

An object of --json:
  maximum   the largest number of one relay (null: none counted)
  estimate  what those have together that sent registers, no less than the largest exact number and no
            more than all together (null: no registers, or none that can be merged)
  authors   the same as the registers alone have it, which count authors (null likewise)
  relays    of each: relay, status (counted, refused, silent, nonsense, lost, unreachable, too-large or
            cancelled), count and approximate where counted, reason otherwise

Exit codes:
    0  at least one relay counted (or the reader of stdout went away)
    1  none did: each refused, talked nonsense or was not reached
    2  none did, and at least one was asked and did not answer
   64  an argument is at fault
  130  ended by Ctrl-C";

/// Arguments of `info`.
#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The relays, by their ws:// or wss:// URLs
    #[arg(value_name = "RELAY", required = true, value_parser = parse::relay)]
    pub(crate) relays: Vec<RelayUrl>,
    /// Wait at most this long for each document. Eight are fetched at once
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse::seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    /// Print one JSON object per relay, with the document as it came
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

const INFO_HELP: &str = "\
Examples:
  nostr-pool info wss://a.example wss://b.example
  nostr-pool info wss://a.example --json
  nostr-pool info ws://….onion --proxy socks5://127.0.0.1:9050

A line of --json:
  relay     its URL
  status    found, unreachable, timed-out, lost (the connection), refused (another HTTP status than
            200), too-long (over 64 KiB), nonsense (no document)
  document  the document, where found: all of it, on one line
  reason    otherwise

Exit codes:
    0  at least one relay's document came (or the reader of stdout went away)
    1  none did: each relay was not reached, refused, or sent what is no document
    2  none did, and at least one was asked for and did not come in time
   64  an argument is at fault
  130  ended by Ctrl-C";

/// Arguments of `publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// A relay to publish to; give it once per relay
    #[arg(long = "relay", value_name = "URL", required = true, value_parser = parse::relay)]
    pub(crate) relays: Vec<RelayUrl>,
    /// How many relays must accept an event: a number, `all` or `majority`
    #[arg(long, value_name = "N|all|majority", default_value = "1", value_parser = parse::quorum, allow_negative_numbers = true)]
    pub(crate) quorum: Quorum,
    /// Without a verdict by then, an event's verdict is `indeterminate`
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse::seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Duration,
    /// The content of an event to sign and publish [default with --kind or --tag: empty]
    #[arg(long, value_name = "TEXT")]
    pub(crate) content: Option<String>,
    /// Its kind [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = parse::kind, allow_negative_numbers = true)]
    pub(crate) kind: Option<Kind>,
    /// A tag for it: NAME=VALUE or a JSON array of strings; may be repeated
    #[arg(long = "tag", value_name = "TAG", value_parser = parse::event_tag)]
    pub(crate) tags: Vec<EventTag>,
    /// A file that holds the secret key, in hex or as nsec; goes before NOSTR_SECRET_KEY
    #[arg(long, value_name = "PATH")]
    pub(crate) key_file: Option<PathBuf>,
    /// Tell relays that ask who is publishing: NIP-42, signed with the same key
    #[arg(long)]
    pub(crate) auth: bool,
    /// Print one JSON object per event
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

impl PublishArgs {
    /// Whether an event is to be signed, rather than read from stdin.
    pub(crate) fn signs(&self) -> bool {
        self.content.is_some() || self.kind.is_some() || !self.tags.is_empty()
    }
}

const PUBLISH_HELP: &str = "\
Examples:
  nostr-pool publish --relay wss://a.example --relay wss://b.example --quorum 2 < events.jsonl
  nostr-pool publish --relay wss://a.example --content 'hello' --key-file ~/.nostr-key
  nostr-pool publish --relay wss://a.example --auth --key-file ~/.nostr-key < events.jsonl
  nostr-pool publish --relay wss://10.0.0.5 --root ca.pem --header 'Authorization: Bearer …' < events.jsonl
  nostr-pool publish --relay wss://a.example --content '+' --kind 7 --tag e=ID --tag p=KEY --json

Lines that hold no valid event, or one that has expired or is larger than 1 MiB, are named on stderr; the others are
published all the same.

An object of --json:
  id, line         the event, and where it was read (null: signed here)
  verdict          reached, failed or indeterminate
  accepted, needed numbers of relays
  relays           of each: relay, status (accepted, rejected, unknown, queued or sent),
                   duplicate where accepted, reason where rejected or unknown,
                   pow where the relay asked for so many bits of proof of work

Exit codes, the worst of all events:
    0  every event reached its quorum (or the reader of stdout went away)
    1  a quorum is out of reach
    2  a verdict is indeterminate: neither was certain in time, or no connection ever came
   64  an argument or a line of input is at fault
  130  ended by Ctrl-C";

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Files to read; `-` or none: stdin
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print only what is not valid
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const VERIFY_HELP: &str = "\
Examples:
  nostr-pool verify < events.jsonl
  nostr-pool verify --quiet january.jsonl february.jsonl
  nostr-pool req --relay wss://a.example --kind 1 | nostr-pool verify

Exit codes:
    0  every event is valid (or the reader of stdout went away)
    1  at least one is not
   64  an argument is at fault, or a file cannot be read
  130  ended by Ctrl-C";

/// Arguments of `keygen`.
#[derive(Debug, Args)]
pub(crate) struct KeygenArgs {
    /// Write the secret key to this new file, which only you can read, instead of printing it
    #[arg(long, short, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

const KEYGEN_HELP: &str = "\
Examples:
  nostr-pool keygen
  nostr-pool keygen --output ~/.nostr-key
  nostr-pool publish --relay wss://a.example --content 'hello' --key-file ~/.nostr-key

The file has the permissions 0600 (on Unix, less what the umask forbids) and holds the nsec. One
that is there already is never overwritten. It is written before anything is printed: if stdout
can't be written then, the file stays.

The object of --json: npub, public_key; nsec, secret_key, or with --output: output (the path).

Exit codes:
    0  there is a new key (or the reader of stdout went away)
    1  no randomness could be had, or the file or stdout not be written
   64  an argument is at fault: the file is there already, or its folder is not";

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print every step, and what came of it
    #[arg(long)]
    pub(crate) print: bool,
    /// Stop at the first step where this text shows in what --print prints of it
    #[arg(long, value_name = "TEXT")]
    pub(crate) until: Option<String>,
    /// Take out steps for as long as it still panics in the same place, or still shows the text of --until, and write what is
    /// left to this new file. Ctrl-C ends the search with what it has come to
    #[arg(long, value_name = "OUT")]
    pub(crate) shrink: Option<PathBuf>,
    /// Refuse a file that is longer than this. --record makes none that is, unless an application allows more
    #[arg(long, value_name = "BYTES", default_value_t = Recorder::<()>::MAX_BYTES)]
    pub(crate) max_bytes: u64,
    /// How many recordings --shrink tries at most
    #[arg(long, value_name = "N", default_value = "1000", requires = "shrink")]
    pub(crate) tries: usize,
}

const REPLAY_HELP: &str = "\
Examples:
  nostr-pool req --relay wss://a.example --kind 1 --record pool.recording
  nostr-pool replay pool.recording
  nostr-pool replay pool.recording --print | less
  nostr-pool replay pool.recording --until DenseSecond
  nostr-pool replay pool.recording --until DenseSecond --shrink small.recording

--print: `#` and the number of a step, the seconds since the beginning, and what the pool was fed;
under it `→` what it wanted done, `=` what a call came to, `←` what the application was told.

A recording shows whatever relays sent, and whatever was asked for and published; the relays'
URLs with their queries; and public keys. It holds no secret key, and no password of a proxy.
To play it is to run a pool within the bounds that it brings along: one that a stranger made may
take all the memory that there is, so limit that first (ulimit -v).

Exit codes:
    0  the same came of every step; or --until was reached; or --shrink wrote what still panics
    1  something else came of a step, the pool panicked, the recording is damaged or was tampered
       with, or --until was not reached
   64  an argument is at fault: the file can't be read, is no recording, is of another format, or
       is too long; --shrink has nothing to keep, or its file is there already
  130  ended by Ctrl-C; --shrink wrote what it had come to, if it had taken anything out";
