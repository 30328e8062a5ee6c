//! What a relay counted.

/// What a relay counted since it was made. Nothing here is ever reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections open now.
    pub connections: u64,
    /// Connections ever opened.
    pub connections_opened: u64,
    /// Messages handled, of every sort.
    pub messages_in: u64,
    /// Messages that were none of the protocol's.
    pub malformed: u64,
    /// Messages for a connection that is closed or closing.
    pub ignored: u64,
    /// `EVENT` messages.
    pub events_in: u64,
    /// Events taken for the first time, by wire or by [`Relay::store`](crate::Relay::store); ephemeral ones included.
    pub accepted: u64,
    /// Events that were held already.
    pub duplicates: u64,
    /// Events refused, whatever the reason.
    pub rejected: u64,
    /// `REQ` messages.
    pub reqs: u64,
    /// `CLOSE` messages.
    pub closes: u64,
    /// `COUNT` messages.
    pub counts: u64,
    /// `AUTH` messages.
    pub auths: u64,
    /// `EVENT` frames queued for clients, those made up by faults included.
    pub events_out: u64,
    /// Frames of every sort queued for clients.
    pub frames_out: u64,
    /// Connections closed because they read too slowly.
    pub slow_consumers: u64,
}
