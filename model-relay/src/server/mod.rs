//! The machine on a loopback port, on a thread of its own.

mod accept;
mod session;
mod shared;

use crate::config::Config;
use crate::fault::FaultPlan;
use crate::relay::Relay;
use accept::Command;
use shared::Shared;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// A relay at `ws://127.0.0.1:PORT`, served by a thread of its own: the test that uses it needs no runtime, or any.
///
/// All calls may block for a moment, and are fine in async code. Dropping the server ends its
/// connections and its thread.
///
/// ```
/// use nostr_model_relay::{Config, Server};
///
/// let server = Server::start(Config::default())?;
/// assert!(server.url().starts_with("ws://127.0.0.1:"));
/// server.kill();
/// server.revive()?;
/// assert_eq!(server.connections(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// `None` once the server ends.
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a relay on a free loopback port.
    ///
    /// # Errors
    /// When no thread can be started or no port bound.
    pub fn start(config: Config) -> io::Result<Self> {
        Self::start_on(config, 0)
    }

    /// Starts a relay on this loopback port; 0 picks a free one.
    ///
    /// # Errors
    /// When no thread can be started or the port is taken.
    pub fn start_on(config: Config, port: u16) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(Relay::new(config)));
        // One command at a time: whoever sends one holds the lock until it is answered.
        let (commands, received) = mpsc::channel(1);
        let (started, start) = sync_channel(1);
        let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("model-relay".to_owned())
            .spawn(move || accept::run(address, &for_thread, received, &started))?;
        let address = start.recv().map_err(|_| thread_ended())??;
        let server = Self { address, shared, commands: Mutex::new(Some(commands)), thread: Some(thread) };
        let url = server.url();
        server.with(|relay| relay.set_url(url));
        Ok(server)
    }

    /// Where clients find the relay.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Drops every socket without a goodbye and stops listening, as if the process had died: connecting is refused.
    /// What is stored stays. Returns when it is done; does nothing to a killed relay.
    pub fn kill(&self) {
        // A thread that has ended has no sockets either.
        let _ = self.command(Command::Kill);
    }

    /// Listens again on the same port, with the same store. Does nothing to a relay that lives.
    ///
    /// # Errors
    /// When the port can't be bound, because another process took it meanwhile.
    pub fn revive(&self) -> io::Result<()> {
        self.command(Command::Revive)?
    }

    /// Looks at the relay or changes it; what it wants sent after that is sent.
    ///
    /// Everything else waits meanwhile, so it should be short. Polling the relay's output here takes it from its clients.
    pub fn with<R>(&self, f: impl FnOnce(&mut Relay) -> R) -> R {
        self.shared.with(f)
    }

    /// Replaces the relay's misbehaviour; see [`Relay::set_faults`].
    pub fn set_faults(&self, plan: impl Into<FaultPlan>) {
        self.with(|relay| relay.set_faults(plan));
    }

    /// Handles every message that much later than it came. Messages of one connection wait in line.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.set_delay(delay);
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.with(|relay| usize::try_from(relay.stats().connections).unwrap_or(usize::MAX))
    }

    /// Asks the thread for something and waits until it is done.
    fn command<R>(&self, make: impl FnOnce(SyncSender<R>) -> Command) -> io::Result<R> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let (reply, answer) = sync_channel(1);
        let sender = commands.as_ref().ok_or_else(thread_ended)?;
        sender.try_send(make(reply)).map_err(|_| thread_ended())?;
        answer.recv().map_err(|_| thread_ended())
    }
}

fn thread_ended() -> io::Error {
    io::Error::other("the model relay's thread has ended")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
