//! The server's thread: it listens, and obeys commands.

use super::session;
use super::shared::Shared;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long to wait when accepting fails, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

pub(crate) enum Command {
    Kill(SyncSender<()>),
    Revive(SyncSender<io::Result<()>>),
}

/// Serves until the command channel closes. Tells `started` the address, or why there is none.
pub(crate) fn run(
    address: SocketAddr,
    shared: &Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    started: &SyncSender<io::Result<SocketAddr>>,
) {
    let runtime = match Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return answer(started, Err(error)),
    };
    runtime.block_on(async {
        let bound = listen(address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match bound {
            Err(error) => answer(started, Err(error)),
            Ok((address, listener)) => {
                answer(started, Ok(address));
                serve(address, listener, shared, commands).await;
            }
        }
    });
}

/// Whoever asked may have gone; then nobody needs the answer.
fn answer<T>(to: &SyncSender<T>, with: T) {
    let _ = to.send(with);
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A revived relay finds its old connections in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(
    address: SocketAddr,
    listener: TcpListener,
    shared: &Arc<Shared>,
    mut commands: mpsc::Receiver<Command>,
) {
    let max_connections = shared.with(|relay| relay.config().max_connections);
    let mut listener = Some(listener);
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => return,
                Some(Command::Kill(reply)) => {
                    listener = None;
                    sessions.shutdown().await;
                    answer(&reply, ());
                }
                Some(Command::Revive(reply)) => {
                    let outcome = match listener {
                        Some(_) => Ok(()),
                        None => listen(address).map(|bound| listener = Some(bound)),
                    };
                    answer(&reply, outcome);
                }
            },
            stream = accept(listener.as_ref()), if sessions.len() < max_connections => match stream {
                Ok(stream) => { sessions.spawn(session::serve(stream, Arc::clone(shared))); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => pending().await,
    }
}
