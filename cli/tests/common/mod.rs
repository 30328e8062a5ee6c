//! What the tests share: the command as a process, relays on loopback, and events.

#![allow(dead_code)] // Each test file uses its own part.
#![allow(clippy::unwrap_used, clippy::panic)] // This is test code, though outside of the tests' own functions.

use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nostr_model_relay::{Config, Server};
use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};

/// A command that takes longer hangs.
const HANG: Duration = Duration::from_secs(60);

/// A secret key of nobody, in both forms, and its public key.
pub(crate) const SECRET_HEX: &str = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
pub(crate) const SECRET_NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
pub(crate) const PUBLIC_HEX: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";

/// How a run of the command ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl std::fmt::Debug for Run {
    /// What a failing test shows: the beginning is enough.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = |text: &str| text.chars().take(2000).collect::<String>();
        write!(f, "exit {}\n--- stdout\n{}\n--- stderr\n{}", self.code, head(&self.stdout), head(&self.stderr))
    }
}

impl Run {
    /// The lines of stdout.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The one line that stderr must be.
    pub(crate) fn fault(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "not one line: {self:?}");
        self.stderr.trim_end()
    }

    /// Asserts the exit code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// The command, not started yet, with an environment that has no say.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nostr-pool"));
    command.args(args).env_remove("NOSTR_SECRET_KEY").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the command without input.
pub(crate) fn run(args: &[&str]) -> Run {
    finish(command(args).spawn().unwrap())
}

/// Runs the command on this input.
pub(crate) fn run_on(input: impl Into<Vec<u8>>, args: &[&str]) -> Run {
    let mut child = command(args).stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
    let writer = std::thread::spawn(move || {
        // A command that ends early does not read everything.
        let _ = stdin.write_all(&input);
    });
    let run = finish(child);
    writer.join().unwrap();
    run
}

/// Waits for the end, and reads everything.
pub(crate) fn finish(mut child: Child) -> Run {
    let stdout = read(child.stdout.take());
    let stderr = read(child.stderr.take());
    let deadline = Instant::now() + HANG;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let code = status.code().unwrap_or(-1);
    Run { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Presses Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    // The process is a child of ours that has not been waited for, so the id is still its own.
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Reads to the end, on a thread of its own; nothing where somebody else took the stream.
fn read(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stream) = stream {
            stream.read_to_string(&mut text).unwrap();
        }
        text
    })
}

/// An honest relay.
pub(crate) fn relay() -> Server {
    Server::start(Config::default()).unwrap()
}

/// An honest relay that holds these events.
pub(crate) fn relay_with(events: &[Event]) -> Server {
    let server = relay();
    for event in events {
        server.with(|relay| relay.store(event.clone()));
    }
    server
}

/// The one event that a relay holds.
pub(crate) fn held(relay: &Server) -> Event {
    relay.with(|relay| {
        assert_eq!(relay.len(), 1);
        relay.events().next().unwrap().clone()
    })
}

/// The URL of a port where nothing listens.
pub(crate) fn nobody() -> String {
    let server = relay();
    let url = server.url();
    drop(server);
    url
}

/// So many signed notes, the same at every call, each a second after the one before.
pub(crate) fn notes(count: u64) -> Vec<Event> {
    let keys = Keys::from_entropy([9; 32]).unwrap();
    let note =
        |n| keys.sign(&EventTemplate::text_note(format!("note {n}"), Timestamp::new(1_700_000_000 + n)), [0; 32]);
    (0..count).map(note).collect()
}

/// An event of some kind with one tag.
pub(crate) fn tagged(kind: u16, tag: [&str; 2]) -> Event {
    let keys = Keys::from_entropy([8; 32]).unwrap();
    keys.sign(&EventTemplate::new(Kind::new(kind), "tagged", Timestamp::new(1_700_000_500)).tag(tag), [0; 32])
}

/// Events as JSON lines.
pub(crate) fn json_lines(events: &[Event]) -> String {
    events.iter().map(|event| event.to_json() + "\n").collect()
}

/// A file of this test's own.
pub(crate) fn temp_file(name: &str, content: &[u8]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}
