//! The floor under every client: frames are read off the WebSocket and counted, nothing more.

use std::error::Error;

use futures::{SinkExt, StreamExt, future};
use nostr_pool_tokio::FrameLimits;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::args::Args;
use crate::measure::{Clock, Outcome};

pub(crate) async fn run(urls: &[String], args: &Args) -> Result<Outcome, Box<dyn Error>> {
    let read_buffer = args.read_buffer.unwrap_or(FrameLimits::default().read_buffer);
    let config = WebSocketConfig::default().read_buffer_size(read_buffer);
    let mut sockets = Vec::new();
    for url in urls {
        let tcp = TcpStream::connect(url.trim_start_matches("ws://")).await?;
        tcp.set_nodelay(true)?;
        let (socket, _) = tokio_tungstenite::client_async_with_config(url, tcp, Some(config)).await?;
        sockets.push(socket);
    }
    let clock = Clock::start();
    let readers: Vec<_> = sockets.into_iter().map(|socket| tokio::spawn(read(socket))).collect();
    let mut counts = Vec::new();
    for reader in future::join_all(readers).await {
        counts.push(reader?.map_err(|e| e.to_string())?);
    }
    let spent = clock.stop();
    let delivered = counts.first().copied().unwrap_or_default();
    if counts.iter().any(|count| *count != delivered) {
        return Err("the relays sent different numbers of events".into());
    }
    Ok(Outcome { spent, delivered })
}

type Socket = WebSocketStream<TcpStream>;

async fn read(mut socket: Socket) -> Result<usize, Box<dyn Error + Send + Sync>> {
    socket.send(Message::text(r#"["REQ","bare",{}]"#)).await?;
    let mut events = 0;
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            if text.starts_with("[\"EOSE\"") {
                return Ok(events);
            }
            events += 1;
        }
    }
    Err("the relay left before EOSE".into())
}
