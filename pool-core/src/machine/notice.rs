//! What a NOTICE has to do with the requests of its relay. Every NOTICE is told of the relay; one that names a running
//! request ends it, as CLOSED does; one that comes while a single request has had no answer at all is taken for its
//! answer, unless another comes. A COUNT is a request in this, too: see `counts`.
//!
//! Never remembers more than one text per leg, never takes a text of several requests for the answer of one.

use alloc::vec::Vec;

use nostr_proto::{Prefix, Reason};

use crate::connection::Connection;
use crate::event::RelayUpdate;
use crate::ids::{RelayIx, WireId};
use crate::plan::Member;
use crate::plan::budget::complaint;
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
        if let Some((name, members)) = self.named(ix, text) {
            for member in members {
                if let Some(s) = self.subs.get_mut(&member.sub) {
                    s.tell_notice(ix, text, &mut self.fx);
                }
            }
            // The relay may see it otherwise, so that it needs a CLOSE.
            self.on_req_refused(ix, name, &Reason::parse(text), false);
            return;
        }
        if let Some(what) = complaint(text)
            && self.on_complaint(ix, what)
        {
            return;
        }
        if self.is_count_notice(ix, text) {
            return;
        }
        let silent = self.relays.get(&ix).and_then(|relay| relay.vitals.only_silent());
        let Some(members) = silent.and_then(|name| self.members(ix, name)) else { return };
        if Reason::parse(text).prefix == Some(Prefix::RateLimited) {
            self.pause_lanes(ix);
        }
        for member in members {
            if let Some(s) = self.subs.get_mut(&member.sub) {
                let now = self.backlog.hears(self.now);
                s.mumbled(ix, member.request, text, &self.config, now, &mut self.fx);
                self.sync_sub(member.sub);
            }
        }
    }

    /// The first running REQ whose name stands in the text as a word of its own.
    fn named(&self, ix: RelayIx, text: &str) -> Option<(WireId, Vec<Member>)> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter_map(WireId::parse).find_map(|name| Some((name, self.members(ix, name)?)))
    }
}
