//! What has to hold after every step: bounds, and that the records of relays say what is so.

use std::collections::VecDeque;

use nostr_pool_core::{ConnectionState, Item, SubId};

use super::world::World;

/// News that get in beyond the bound of a queue, so that events do not crowd them out.
const HEADROOM: usize = 256;

/// More bytes than any event that an author of this world made takes in a queue.
const LONGEST: usize = 8_000;

/// An item that waits to be taken.
#[derive(Clone, Copy, Debug)]
struct One {
    bytes: usize,
    is_event: bool,
    /// It always gets in, for it comes as often as the application calls.
    always: bool,
}

/// What the application has not taken of a subscription.
#[derive(Clone, Debug, Default)]
pub(super) struct Untaken {
    waiting: VecDeque<One>,
    events: usize,
    event_bytes: usize,
    always: usize,
    bytes: usize,
}

impl Untaken {
    pub(super) fn add(&mut self, item: &Item) {
        let is_event = matches!(item, Item::Event(_) | Item::Pending(_));
        let is_news = match item {
            Item::Leg { .. } => true,
            Item::Gap(gap) => gap.relay.is_some(),
            _ => false,
        };
        // What an ended subscription left is counted no longer, and so is the item that says that it ended.
        let bytes = if matches!(item, Item::End(_)) { 0 } else { item.bytes() };
        let one = One { bytes, is_event, always: !is_event && !is_news };
        self.events += usize::from(is_event);
        self.event_bytes += if is_event { one.bytes } else { 0 };
        self.always += usize::from(one.always);
        self.bytes += one.bytes;
        self.waiting.push_back(one);
    }

    /// Takes so many at most. Tells how many there were, and their bytes.
    pub(super) fn take(&mut self, items: usize) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        while count < items
            && let Some(one) = self.waiting.pop_front()
        {
            count += 1;
            bytes += one.bytes;
            self.bytes -= one.bytes;
            self.events -= usize::from(one.is_event);
            self.event_bytes -= if one.is_event { one.bytes } else { 0 };
            self.always -= usize::from(one.always);
        }
        (count, bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of everything that waits.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl World {
    /// A subscription's queue keeps to its bounds.
    pub(super) fn check_queue(&self, sub: SubId) {
        let Some(untaken) = self.untaken.get(&sub) else { return };
        let config = self.core.config();
        let room = self.slow.get(&sub).map_or(config.queue_items, |&room| room.min(config.queue_items)).max(1);
        let fits = untaken.events <= room
            && (untaken.events < 2 || untaken.event_bytes <= config.queue_bytes)
            && untaken.waiting.len() - untaken.always <= room + HEADROOM;
        self.check(fits, &format!("a queue keeps to its bounds: {} events, room for {room}", untaken.events));
    }

    /// A queue that can't be sure to have room for one more may skip what comes.
    pub(super) fn note_full(&mut self, sub: SubId) {
        let Some((untaken, &room)) = self.untaken.get(&sub).zip(self.slow.get(&sub)) else { return };
        let config = self.core.config();
        let full = untaken.waiting.len() >= room.min(config.queue_items)
            || untaken.bytes + LONGEST > config.queue_bytes.max(LONGEST);
        if untaken.waiting.len() >= room.min(config.queue_items).max(1) + HEADROOM {
            // What becomes of its legs is not told any more.
            self.oracle.reqs.forgets(sub);
        }
        let deaf = untaken.waiting.len() >= room.min(config.queue_items) + HEADROOM;
        if let Some(sub) = self.oracle.sub_mut(sub).filter(|_| full) {
            (sub.skips, sub.deaf) = (true, sub.deaf || deaf);
        }
    }

    /// Looks at everything that can be seen from outside.
    pub(super) fn check_bounds(&self) {
        let config = self.core.config();
        let relays = self.core.relays();
        self.check(relays.len() <= config.max_relays, "no more relays than allowed");
        self.check(self.core.unfinished().len() <= config.max_publishes, "no more publishes than allowed");
        let mut sockets = 0;
        for record in &relays {
            let (url, state) = (&record.url, record.state);
            let open = self.oracle.socket_of(url).filter(|&socket| self.oracle.is_open(socket));
            let is_open = state == ConnectionState::Open;
            self.check(is_open == open.is_some(), &format!("a record tells what is so: {url} is {state:?}"));
            sockets += usize::from(matches!(
                state,
                ConnectionState::Open | ConnectionState::Dialing | ConnectionState::Closing
            ));
            self.check(record.opened <= record.dials, "no more connections than dials");
            let most = self.oracle.takes.most_requests(url);
            self.check(record.active_requests <= most, "no more requests than the relay takes");
        }
        self.check(sockets <= config.max_connections, "no more sockets than allowed");
    }
}
