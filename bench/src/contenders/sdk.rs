//! nostr-sdk as its examples use it: a client, its relays, one subscription, and the stream of notifications.

use std::error::Error;
use std::time::Duration;

use nostr_sdk::prelude::{Client, ClientOptions, Filter, RelayMessage, RelayPoolNotification, RelayPoolOptions};
use tokio::sync::broadcast::error::RecvError;

use crate::args::Args;
use crate::measure::{Clock, Outcome};

/// Room for notifications that have not been received yet: more than the default of 4,096, so that none is skipped
/// while the counting task waits for a core.
const NOTIFICATIONS: usize = 1 << 16;

pub(crate) async fn run(urls: &[String], _args: &Args) -> Result<Outcome, Box<dyn Error>> {
    let pool = RelayPoolOptions::default().notification_channel_size(NOTIFICATIONS);
    let client = Client::builder().opts(ClientOptions::new().pool(pool)).build();
    for url in urls {
        client.add_relay(url).await?;
    }
    let connected = client.try_connect(Duration::from_secs(10)).await;
    if connected.success.len() != urls.len() {
        return Err(format!("connected to {} of {} relays", connected.success.len(), urls.len()).into());
    }
    let mut notifications = client.notifications();
    let clock = Clock::start();
    client.subscribe(Filter::new(), None).await?;
    let (mut delivered, mut ended, mut missed) = (0, 0, 0_u64);
    while ended < urls.len() {
        match notifications.recv().await {
            Ok(RelayPoolNotification::Event { .. }) => delivered += 1,
            Ok(RelayPoolNotification::Message { message: RelayMessage::EndOfStoredEvents(_), .. }) => ended += 1,
            Ok(_) => {}
            Err(RecvError::Lagged(n)) => missed += n,
            Err(RecvError::Closed) => return Err("the client closed its notifications".into()),
        }
    }
    let spent = clock.stop();
    if missed > 0 {
        eprintln!("nostr-sdk: {missed} notifications were skipped over");
    }
    client.shutdown().await;
    Ok(Outcome { spent, delivered })
}
