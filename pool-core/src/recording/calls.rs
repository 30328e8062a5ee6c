//! [`Call`], and what is in it.

use alloc::vec::Vec;

use crate::call::{
    Acknowledge, Call, Count, Group, History, Mode, Origin, Publish, PublishUnsigned, Quorum, ReconnectOptions,
    RelayOptions, Subscribe, Target, Versions, Which,
};
use crate::event::{Gap, GapCause};
use crate::ids::{CountId, PublishId, SocketId, SubId, Ticket};
use crate::subscription::{Checkpoint, RelayGround};
use crate::time::Instant;

use super::code::{Decode, Encode, Source, coded_enum, coded_struct};
use super::read::Fault;

macro_rules! number {
    ($($type:ident)*) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                self.as_u64().encode(out);
            }
        }

        impl<'a> Decode<'a> for $type {
            fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
                Decode::decode(from).map(Self::from_u64)
            }
        }
    )*};
}

number! { CountId PublishId SubId Ticket }

coded_struct! { SocketId { slot, generation } }

impl Encode for Instant {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_micros().encode(out);
    }
}

coded_enum! {
    Call {
        0 AddRelay { url, options },
        1 RemoveRelay { url },
        2 Connect { which },
        3 Disconnect { which, code, reason },
        4 Reconnect { which, options },
        5 NetworkChanged,
        6 Subscribe(request),
        7 Update { sub, filters },
        8 Retarget { sub, target },
        9 Refill { sub, gap },
        10 Acknowledge { sub, seq },
        11 Checkpoint { sub },
        12 Unsubscribe { sub },
        13 Taken { sub, items, bytes },
        14 Publish(request),
        15 PublishUnsigned(request),
        16 Retry { event, deadline },
        17 Cancel { publish },
        18 Authenticate { url, identity },
        19 DenyAuth { url },
        20 RelayInfo { url, info },
        21 StartClean,
        22 Shutdown,
        23 Count(request),
        24 CancelCount { count },
    }
}

coded_enum! { Which { 0 All, 1 One(url) } }
coded_enum! { Target { 0 All, 1 Relays(urls), 2 Hinted(urls) } }
coded_enum! { Origin { 0 Typed, 1 Hinted } }

coded_struct! {
    RelayOptions {
        read, write, pinned, reconnect_on_close, reconnect_on_error, auth, identity, auth_at_once, link_identities,
        reconnect_on_notice, quarantine, origin,
    }
}

coded_struct! { ReconnectOptions { keep_open, keep_backoff } }

coded_struct! {
    Subscribe {
        filters, target, mode, eose_deadline, queue_items, versions, history, acknowledge, resume, group,
    }
}

coded_enum! { Mode { 0 Live, 1 UntilEose } }
coded_enum! { Versions { 0 Latest, 1 All } }
coded_enum! { History { 0 FirstLoad, 1 All } }
coded_enum! { Group { 0 Tick, 1 AtLeast(time), 2 AtMost(time), 3 Alone } }
coded_enum! { Acknowledge { 0 ByNext, 1 ByHand } }

coded_struct! { Publish { event, target, quorum, deadline, link } }
coded_struct! { PublishUnsigned { event, target, quorum, deadline, link } }

coded_enum! {
    Quorum { 0 First, 1 AtLeast(count), 2 Percent(share), 3 Majority, 4 All, 5 Named(urls) }
}

coded_struct! { Count { filters, target, deadline } }

coded_struct! { Gap { relay, since, until, cause } }

coded_enum! {
    GapCause {
        0 Disconnected,
        1 CaughtUp { events },
        2 QueueFull { skipped, lost },
        3 Flooded { dropped },
        4 Budget,
        5 DenseSecond,
        6 Unprovable,
        7 OverDelivered { dropped },
        8 TooLarge,
        9 NotAnswered,
    }
}

coded_struct! { RelayGround { relay, keys, alive_until, floors, proven } }

impl Encode for Checkpoint {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { filters, relays } = self;
        filters.encode(out);
        relays.encode(out);
    }
}

impl<'a> Decode<'a> for Checkpoint {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        let read = Self { filters: Decode::decode(from)?, relays: Decode::decode(from)? };
        read.if_sound().ok_or(Fault::Bad("the parts of a checkpoint do not go together"))
    }
}
