//! A TCP proxy whose connections can be frozen: nothing passes any more, and nobody is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nostr_model_relay::Server;

/// In front of a relay. It ends with the process.
pub(super) struct Proxy {
    address: SocketAddr,
    /// Connections with a number below this are frozen.
    frozen: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) fn start(relay: &Server) -> Self {
        let upstream: SocketAddr = relay.url().trim_start_matches("ws://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (frozen, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (is_frozen, count) = (frozen.clone(), taken.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(upstream) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let frozen = is_frozen.clone();
                    thread::spawn(move || pass_on(from, to, || number < frozen.load(Ordering::SeqCst)));
                }
            }
        });
        Self { address, frozen, taken }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Connections so far.
    pub(super) fn connections(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Freezes all connections that there are. Later ones are not.
    pub(super) fn freeze(&self) {
        self.frozen.store(self.connections(), Ordering::SeqCst);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, is_frozen: impl Fn() -> bool) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while is_frozen() {
            // For good: both sockets stay open, and nothing is read from them.
            thread::sleep(Duration::from_secs(3_600));
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
