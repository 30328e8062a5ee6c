//! Programs that are installed, started, killed and started again.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a relay may take until it accepts connections.
const START: Duration = Duration::from_secs(60);

/// A relay that is a program of its own.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    child: Option<Child>,
}

/// How to start it.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it runs; its output goes to `log` there.
    pub directory: PathBuf,
    /// Where it listens.
    pub port: u16,
}

impl Process {
    /// Starts it, and waits until it accepts connections.
    ///
    /// # Errors
    /// If it can't be started, ends at once, or does not listen within a minute; the end of what it wrote is in the text.
    pub fn start(launch: Launch) -> io::Result<Self> {
        let mut process = Self { launch, child: None };
        process.revive()?;
        Ok(process)
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn revive(&mut self) -> io::Result<()> {
        self.kill();
        let log_path = self.launch.directory.join("log");
        let log = File::options().create(true).append(true).open(&log_path)?;
        let mut child = Command::new(&self.launch.program)
            .args(&self.launch.arguments)
            .current_dir(&self.launch.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let patience = Instant::now() + START;
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.launch.port)).is_ok() {
                self.child = Some(child);
                return Ok(());
            }
            let ended = child.try_wait()?.is_some();
            if ended || Instant::now() > patience {
                let _ = child.kill();
                let _ = child.wait();
                let what = if ended { "ended at once" } else { "does not listen" };
                return Err(io::Error::other(format!("it {what}: {}", tail(&log_path))));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a file.
fn tail(path: &Path) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(8).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// A free port below those that outgoing connections are given, so that it is still free after a kill.
///
/// # Errors
/// If all are taken.
pub fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 100).unwrap_or_default() * 100;
    for _ in 0..1_000 {
        let port = 20_000 + (from + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no loopback port is free"))
}

/// Runs a command to its end, for installing.
///
/// # Errors
/// What it wrote last, in one line, if it fails; or that it is not there.
pub fn run(command: &mut Command, log: &Path) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let file = File::options().create(true).append(true).open(log).map_err(|e| format!("{}: {e}", log.display()))?;
    let again = file.try_clone().map_err(|e| e.to_string())?;
    let status = command.stdin(Stdio::null()).stdout(file).stderr(again).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name}: {status}: {}", tail(log))),
        Err(e) => Err(format!("{name}: {e}")),
    }
}
