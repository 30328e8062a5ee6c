//! One WebSocket connection of the server.

use super::shared::{Shared, Signals};
use crate::connection::ConnId;
use crate::relay::Output;
use futures::{FutureExt, SinkExt, StreamExt};
use nostr_proto::Timestamp;
use std::future::pending;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};

/// How long a client may take for the WebSocket handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take to read what precedes a close, and to answer it.
const GRACE: Duration = Duration::from_secs(2);

/// Messages handled before their answers are written.
const READ_BATCH: usize = 256;

/// Queued bytes beyond which answers are written before more is read.
const READ_PAUSE_BYTES: usize = 1 << 20;

/// Messages and bytes, roughly, taken out of the relay's queue at once.
const WRITE_BATCH: usize = 256;
const WRITE_BATCH_BYTES: usize = 256 << 10;

/// Room for the biggest message behind a full write buffer; the sink waits long before.
const MAX_WRITE_BUFFER: usize = 64 << 20;

/// Serves a client until it goes, is sent away, or the task is aborted.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // Without it answers are late, not lost.
    let _ = stream.set_nodelay(true);
    let max = shared.with(|relay| relay.config().max_message_bytes);
    let config = WebSocketConfig::default()
        .max_message_size(Some(max))
        .max_frame_size(Some(max))
        .max_write_buffer_size(MAX_WRITE_BUFFER);
    let Ok(Ok(socket)) = timeout(HANDSHAKE, accept_async_with_config(stream, Some(config))).await else {
        return;
    };
    let (conn, signals) = shared.connect();
    let mut session = Session { socket, shared, conn, signals };
    let signals = Arc::clone(&session.signals);
    tokio::select! {
        () = session.run() => {}
        () = overdue(&signals) => {}
    }
}

/// Ends when a connection that is to end took too long for it: its client reads too slowly to be told.
async fn overdue(signals: &Signals) {
    signals.ending.notified().await;
    sleep(GRACE).await;
}

struct Session {
    socket: WebSocketStream<TcpStream>,
    shared: Arc<Shared>,
    conn: ConnId,
    signals: Arc<Signals>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.disconnect(self.conn);
    }
}

impl Session {
    async fn run(&mut self) {
        loop {
            if self.write().await.is_break() {
                return;
            }
            let signals = Arc::clone(&self.signals);
            let wake = self.shared.with(|relay| relay.next_wake());
            let stalled = self.shared.with(|relay| relay.is_stalled(self.conn));
            let flow = tokio::select! {
                message = self.socket.next(), if !stalled => self.read(message).await,
                () = until(wake) => {
                    self.shared.with(|relay| relay.wake(unix_now()));
                    ControlFlow::Continue(())
                }
                () = signals.output.notified() => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                return;
            }
        }
    }

    /// Handles a message and those that are there already.
    async fn read(&mut self, first: Option<Result<Message, Error>>) -> ControlFlow<()> {
        self.handle(first).await?;
        for _ in 1..READ_BATCH {
            if self.shared.with(|relay| relay.queued_bytes(self.conn)) > READ_PAUSE_BYTES {
                break;
            }
            let Some(message) = self.socket.next().now_or_never() else { break };
            self.handle(message).await?;
        }
        ControlFlow::Continue(())
    }

    async fn handle(&mut self, message: Option<Result<Message, Error>>) -> ControlFlow<()> {
        match message {
            Some(Ok(Message::Text(text))) => self.text(text.as_str()).await,
            // Nothing of the protocol is binary: to the relay it is what no JSON is.
            Some(Ok(Message::Binary(_))) => self.text("").await,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) => {
                // The answer to the close has been queued by reading it; a client that doesn't want it has gone.
                let _ = timeout(GRACE, self.socket.flush()).await;
                return ControlFlow::Break(());
            }
            Some(Err(Error::Capacity(_))) => {
                let _ = timeout(GRACE, self.goodbye(1009, "message too big".to_owned())).await;
                return ControlFlow::Break(());
            }
            Some(Err(_)) | None => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    async fn text(&mut self, text: &str) {
        let delay = self.shared.delay();
        if !delay.is_zero() {
            sleep(delay).await;
        }
        self.shared.with(|relay| relay.handle(self.conn, text, unix_now()));
    }

    /// Writes what the relay has for this client, waiting while the client doesn't read, and flushes once.
    async fn write(&mut self) -> ControlFlow<()> {
        loop {
            let batch = self.take_batch();
            if batch.is_empty() {
                break;
            }
            for output in batch {
                match output {
                    Output::Send { text, .. } => {
                        if self.socket.feed(Message::text(text)).await.is_err() {
                            return ControlFlow::Break(());
                        }
                    }
                    Output::Close { code, reason, .. } => {
                        self.goodbye(code, reason).await;
                        return ControlFlow::Break(());
                    }
                }
            }
        }
        match self.socket.flush().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn take_batch(&self) -> Vec<Output> {
        self.shared.with(|relay| {
            let mut bytes = 0;
            let mut batch = Vec::new();
            while batch.len() < WRITE_BATCH && bytes < WRITE_BATCH_BYTES {
                let Some(output) = relay.poll_output_of(self.conn) else {
                    break;
                };
                if let Output::Send { text, .. } = &output {
                    bytes += text.len();
                }
                batch.push(output);
            }
            batch
        })
    }

    /// Says goodbye and waits for the client to go. Whoever calls it bounds the time.
    async fn goodbye(&mut self, code: u16, mut reason: String) {
        const ABNORMAL: u16 = 1006;
        /// What a close frame has room for.
        const MAX_REASON: usize = 123;
        if code == ABNORMAL {
            // No frame may carry this code: it means that there was none. What was said before it still goes out.
            let _ = self.socket.flush().await;
            return;
        }
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        if self.socket.close(Some(frame)).await.is_err() {
            return;
        }
        // Leaving unread bytes behind would reset the connection under the close frame.
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// Ends once the clock shows that second; never without one. The clock may step: it is looked at again every second.
async fn until(second: Option<Timestamp>) {
    let Some(second) = second else { return pending().await };
    while unix_now() < second {
        let left = Duration::from_secs(second.as_secs()).saturating_sub(since_epoch());
        sleep(left.clamp(Duration::from_millis(1), Duration::from_secs(1))).await;
    }
}

fn unix_now() -> Timestamp {
    Timestamp::new(since_epoch().as_secs())
}

fn since_epoch() -> Duration {
    // A clock before 1970 is a clock at 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
