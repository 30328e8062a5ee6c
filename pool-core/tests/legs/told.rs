//! What a subscription was told, and what was asked for it.

use nostr_pool_core::*;
use nostr_proto::{Filter, Kind};

use crate::common::*;

pub(crate) fn notes() -> Vec<Filter> {
    vec![Filter::new().kind(Kind::TEXT_NOTE)]
}

/// The name of the last request that went out over this socket.
pub(crate) fn last(b: &Bench, socket: SocketId) -> String {
    let (_, frame) = b.requests.iter().rev().find(|(s, _)| *s == socket).expect("a request");
    frame.split('"').nth(3).unwrap().to_owned()
}

pub(crate) fn asked(b: &Bench, socket: SocketId) -> usize {
    b.requests.iter().filter(|(s, _)| *s == socket).count()
}

pub(crate) fn items(b: &Bench, sub: SubId) -> Vec<Item> {
    b.items.get(&sub).cloned().unwrap_or_default()
}

/// The last that was told of the leg at the nth relay.
pub(crate) fn leg(b: &Bench, sub: SubId, n: usize) -> Option<LegState> {
    items(b, sub).into_iter().rev().find_map(|item| match item {
        Item::Leg { relay, state } if relay == url(n) => Some(state),
        _ => None,
    })
}

pub(crate) fn notices(b: &Bench, sub: SubId) -> Vec<String> {
    items(b, sub)
        .into_iter()
        .filter_map(|i| if let Item::Notice { message, .. } = i { Some(message) } else { None })
        .collect()
}

pub(crate) fn coverage(b: &Bench, sub: SubId) -> Vec<Coverage> {
    items(b, sub).into_iter().filter_map(|i| if let Item::Eose(c) = i { Some(c) } else { None }).collect()
}

pub(crate) fn eose(b: &mut Bench, n: usize) {
    let name = last(b, b.sockets[n]);
    b.text(n, &format!("[\"EOSE\",\"{name}\"]"));
}
