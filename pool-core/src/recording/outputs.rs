//! What comes out of the core, as it goes into the digest: written, never read.

use crate::auth::{AuthFailure, AuthState};
use crate::call::{CallError, Reply};
use crate::command::Command;
use crate::event::{
    CountAnswer, CountOutcome, CountReport, Coverage, EndReason, EventItem, Item, LegOutcome, LegReport, LegState,
    Mark, Merged, PendingItem, PendingOutcome, PoolEvent, PublishStatus, PublishUpdate, RejectedEvent, Rejection,
    RelayUpdate, UnknownCause, Verdict, Why,
};
use crate::record::ConnectionState;

use super::code::{written_enum, written_struct};

written_enum! {
    Command {
        0 Open { socket, url, origin },
        1 Send { socket, frame },
        2 Ping { socket },
        3 Close { socket, code, reason },
        4 PauseRead { socket },
        5 ResumeRead { socket },
        6 Verify { ticket, event },
        7 Sign { ticket, event },
        8 SignAuth { ticket, relay, event },
    }
}

written_enum! {
    PoolEvent { 0 Item { sub, item }, 1 Publish { publish, update }, 2 Relay { relay, update }, 3 Counted(report) }
}

written_enum! {
    Item {
        0 Event(item),
        1 Pending(item),
        2 Resolved { event, outcome, back_to },
        3 Eose(coverage),
        4 Leg { relay, state },
        5 Gap(gap),
        6 Rejected { relay, event, why },
        7 Notice { relay, message },
        8 End(reason),
    }
}

written_struct! { EventItem { event, mark, relays, future_dated, seq } }
written_enum! { Mark { 0 Stored, 1 Live } }
written_struct! { PendingItem { event, publish, seq } }

written_enum! {
    PendingOutcome {
        0 Published(verdict), 1 AcceptedLate, 2 NeverAccepted, 3 NotSigned(words), 4 Superseded { by },
    }
}

written_struct! { Coverage { generation, legs } }
written_struct! { LegReport { relay, outcome, events } }

written_enum! {
    LegOutcome { 0 Eose { complete }, 1 TimedOut, 2 Closed(reason), 3 Disconnected, 4 NotConnected }
}

written_enum! { LegState { 0 Waiting(why), 1 Requested, 2 Live, 3 Closed(reason), 4 Removed } }
written_enum! { Why { 0 Connection, 1 Credit, 2 Pause, 3 Auth, 4 Turn, 5 Group, 6 Slot } }
written_enum! { RejectedEvent { 0 TooLong, 1 Malformed } }
written_enum! { EndReason { 0 Complete, 1 Unsubscribed, 2 StartedClean, 3 Shutdown } }

written_enum! {
    PublishUpdate { 0 Relay { relay, status, accepted, needed }, 1 Verdict(verdict), 2 Done }
}

written_enum! {
    PublishStatus { 0 Queued, 1 InFlight, 2 Accepted { duplicate }, 3 Rejected(why), 4 Unknown(why) }
}

written_enum! { Rejection { 0 Refused(reason), 1 TooLarge { bytes, max }, 2 Suspect } }

written_enum! {
    UnknownCause { 0 NoAnswer, 1 NoConnection, 2 Cancelled, 3 Refused(reason), 4 NotSigned(words), 5 Expired }
}

written_enum! { Verdict { 0 Reached, 1 Failed, 2 Indeterminate } }
written_enum! { RelayUpdate { 0 State(state), 1 Notice(message), 2 Auth(state), 3 Removed } }

written_enum! {
    ConnectionState {
        0 Idle, 1 WaitingForSlot, 2 Dialing, 3 Open, 4 Closing, 5 Backoff { until }, 6 Quarantined { until }, 7 Disabled,
    }
}

written_enum! {
    AuthState {
        0 Unchallenged,
        1 Expected,
        2 Challenged,
        3 Requested,
        4 Paced { until },
        5 Signing { identity },
        6 Sent { identity },
        7 Authenticated { identities, confirmed },
        8 Failed(why),
    }
}

written_enum! {
    AuthFailure { 0 Denied, 1 NoIdentity, 2 NotSigned(words), 3 Refused(reason), 4 ChallengeTooLong { bytes } }
}

written_struct! { CountReport { count, relays, maximum, merged } }
written_struct! { Merged { registers, relays, authors, estimate } }
written_struct! { CountAnswer { count, approximate, hll } }

written_enum! {
    CountOutcome {
        0 Counted(answer), 1 Refused(reason), 2 Silent, 3 Nonsense, 4 Lost, 5 Unreachable, 6 TooLarge { bytes, max },
        7 Cancelled,
    }
}

written_enum! {
    Reply { 0 Done, 1 Subscribed(sub), 2 Publishing(publish, event), 3 Checkpoint(checkpoint), 4 Counting(count) }
}

written_enum! {
    CallError {
        0 UnknownRelay(url),
        1 NoRelays,
        2 InsecureHint(url),
        3 TooManyRelays(max),
        4 TooManySubscriptions(max),
        5 FilterCount { given, max },
        6 UnknownSubscription(sub),
        7 NotDelivered { sub, seq },
        8 UnknownPublish(publish),
        9 UnknownEvent(event),
        10 PublishQueueFull(event),
        11 UnsignedQueueFull(event),
        12 EventTooLarge(event),
        13 UnsignedTooLarge(event),
        14 Expired(event),
        15 UnsignedExpired(event),
        16 HasSuccessor(publish),
        17 ImpossibleQuorum { needed, relays },
        18 NoIdentity,
        19 LinkedIdentities { relay, seen },
        20 AuthUnderWay { relay, identity },
        21 CloseCode(code),
        22 Closed,
        23 TooManyCounts(max),
        24 CountTooLarge { bytes, max },
        25 UnknownCount(count),
    }
}
