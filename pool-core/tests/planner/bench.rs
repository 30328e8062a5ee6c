//! A core and one relay that says what it takes, by the frames that go out.

use nostr_pool_core::*;
use nostr_proto::{Filter, Kind, RelayInfo};

use super::common::*;

pub(crate) fn kind(n: u16) -> Vec<Filter> {
    vec![Filter::new().kind(Kind::new(n))]
}

pub(crate) fn by(n: u8) -> Vec<Filter> {
    vec![Filter::new().author(keys(n).public_key())]
}

pub(crate) fn asks(b: &mut Bench, filters: Vec<Filter>, group: Group, mode: Mode) -> SubId {
    let request = Subscribe { filters, group, mode, ..Subscribe::default() };
    let Reply::Subscribed(id) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    id
}

/// A core that is not connected yet, so that what it is asked for is due at once when it is.
pub(crate) fn away() -> Bench {
    away_with(Config::default())
}

pub(crate) fn away_with(config: Config) -> Bench {
    let mut b = Bench::new(1, config);
    b.call(Call::Disconnect { which: Which::All, code: 1000, reason: String::new() });
    let socket = b.sockets[0];
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::Local }, b.now());
    b.drain();
    b
}

pub(crate) fn back(b: &mut Bench) {
    b.call(Call::Connect { which: Which::All });
    assert_eq!(b.sockets.len(), 2);
}

pub(crate) fn says(b: &mut Bench, limitation: &str) {
    let info = RelayInfo::from_json(&format!("{{\"limitation\":{limitation}}}")).unwrap();
    b.call(Call::RelayInfo { url: url(0), info: Box::new(info) });
}

/// The filters of each REQ so far.
pub(crate) fn reqs(b: &Bench) -> Vec<String> {
    b.requests.iter().map(|(_, frame)| frame.splitn(3, ',').nth(2).unwrap().trim_end_matches(']').to_owned()).collect()
}

pub(crate) fn name(b: &Bench, nth: usize) -> String {
    b.requests[nth].1.split('"').nth(3).unwrap().to_owned()
}

pub(crate) fn eose(b: &mut Bench, nth: usize) {
    let name = name(b, nth);
    let socket = b.requests[nth].0;
    b.core.handle_input(Input::Text { socket, frame: &format!("[\"EOSE\",\"{name}\"]") }, b.now());
    b.drain();
}

/// A frame of the relay's after it is back.
pub(crate) fn hears(b: &mut Bench, frame: &str) {
    b.core.handle_input(Input::Text { socket: b.sockets[1], frame }, b.now());
    b.drain();
}

pub(crate) fn state(b: &Bench, sub: SubId) -> LegState {
    let legs = b.items[&sub].iter().rev();
    legs.filter_map(|item| if let Item::Leg { state, .. } = item { Some(state.clone()) } else { None }).next().unwrap()
}
