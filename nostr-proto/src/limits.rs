//! The bounds on what a peer may send, one constant each.

/// The largest event accepted, in bytes of its JSON as received: 1 MiB.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// The largest message accepted in either direction, in bytes: 4 MiB.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// How deep an event's JSON may nest; the event object itself is level 1.
pub const MAX_DEPTH: usize = 8;

/// How deep JSON *around* events may nest (unknown messages, extra trailing elements).
pub const MAX_FRAME_DEPTH: usize = 64;

/// The longest relay URL accepted, in bytes, as typed and in canonical form.
pub const MAX_URL_BYTES: usize = 1024;

/// How much of a relay's human-readable text (OK, CLOSED, NOTICE) is kept, in bytes.
pub const MAX_REASON_BYTES: usize = 1024;

/// The most filters accepted in one REQ or COUNT. A filter of two bytes on the wire takes some
/// hundred in memory, so that the size of a message is no bound for them.
pub const MAX_FILTERS: usize = 1024;

/// The longest subscription id that NIP-01 allows, in characters. Relays are held to it
/// nowhere; requests should be.
pub const MAX_SUBSCRIPTION_ID: usize = 64;

/// The largest relay information document (NIP-11) that is read, in bytes: 256 KiB. Usual ones have 1 to 5 KiB, but
/// some carry their icon in a `data:` link.
pub const MAX_RELAY_INFO_BYTES: usize = 256 << 10;

/// How many items of each list in a relay information document (NIP-11) are kept.
pub const MAX_INFO_ITEMS: usize = 256;

/// How many relays of a relay list (NIP-65) are kept. The NIP wants 2 to 4 of each use.
pub const MAX_RELAY_LIST: usize = 128;
