//! What a NOTICE has to do with the requests of its relay. Every NOTICE is told of the relay; one that names a running
//! request ends it, as CLOSED does; one that comes while a single request has had no answer at all is taken for its
//! answer, unless another comes. A COUNT is a request in this, too: see `counts`.
//!
//! Never remembers more than one text per leg, never takes a text of several requests for the answer of one.

use nostr_proto::{Prefix, Reason};

use crate::connection::Connection;
use crate::event::RelayUpdate;
use crate::ids::{RelayIx, SubId, WireId};
use crate::subscription::leg::Ending;
use crate::text::printable;

use super::Core;

impl Core {
    pub(super) fn on_notice(&mut self, ix: RelayIx, message: &str) {
        let text = printable(message);
        self.count(ix, |c| &mut c.notices);
        if let Some(relay) = self.relays.get(&ix) {
            self.fx.relay(&relay.url, RelayUpdate::Notice(text.clone()));
        }
        self.attribute(ix, &text);
        self.drive(ix, Connection::noticed);
    }

    fn attribute(&mut self, ix: RelayIx, text: &str) {
        if let Some((wire, sub)) = self.named(ix, text) {
            if let Some(s) = self.subs.get_mut(&sub) {
                s.tell_notice(ix, text, &mut self.fx);
            }
            self.on_ending(ix, &alloc::format!("{wire}"), Ending::Closed(Reason::parse(text)));
            if !self.wires.contains(&(ix, wire)) {
                // The relay may see it otherwise.
                self.close_wire(ix, wire);
            }
            return;
        }
        if self.is_count_notice(ix, text) {
            return;
        }
        let silent = self.relays.get(&ix).and_then(|relay| relay.vitals.only_silent());
        let Some((wire, sub)) = silent.and_then(|wire| Some((wire, self.wires.get(&(ix, wire))?.sub))) else { return };
        if Reason::parse(text).prefix == Some(Prefix::RateLimited) {
            self.pause_lanes(ix);
        }
        if let Some(s) = self.subs.get_mut(&sub) {
            s.mumbled(ix, wire, text, &self.config, self.backlog.hears(self.now), &mut self.fx);
            self.sync_sub(sub);
        }
    }

    /// The first running request whose name stands in the text as a word of its own.
    fn named(&self, ix: RelayIx, text: &str) -> Option<(WireId, SubId)> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter_map(WireId::parse).find_map(|wire| Some((wire, self.wires.get(&(ix, wire))?.sub)))
    }
}
