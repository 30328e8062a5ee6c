//! A subscription's events and nothing else.

use std::mem::discriminant;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use nostr_pool_core::{Coverage, EventItem, Gap, GapCause, Item};

use crate::subscription::Subscription;

/// Gaps that are remembered one by one; more than any sane number of relays leaves open.
const MAX_GAPS: usize = 1_024;

/// The events of a [`Subscription`], for a timeline that shows what comes: [`Subscription::events`].
///
/// What else the subscription tells is not lost: the last [`coverage`](Self::coverage) and the [`gaps`](Self::gaps) that
/// stand open can be looked at between any two events, and [`subscription`](Self::subscription) is at hand. Where news
/// of an event of one's own that is not signed yet matters ([`Item::Pending`]), take the items of the subscription itself.
///
/// ```no_run
/// # use nostr_pool_driver::*;
/// # async fn example(pool: Pool) -> Result<(), Box<dyn std::error::Error>> {
/// let notes = [Filter::new().kind(Kind::TEXT_NOTE).limit(50)];
/// let mut notes = pool.subscribe(notes, SubscribeOptions::default())?.events();
/// while let Some(note) = notes.next().await {
///     println!("{}", note.event.content());
///     if !notes.gaps().is_empty() {
///         println!("(something may be missing)");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it ends the subscription"]
#[derive(Debug)]
pub struct Events {
    subscription: Subscription,
    coverage: Option<Coverage>,
    gaps: Gaps,
}

impl Events {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { subscription, coverage: None, gaps: Gaps::default() }
    }

    /// The next event; `None` once the subscription has ended.
    pub async fn next(&mut self) -> Option<EventItem> {
        StreamExt::next(self).await
    }

    /// What each relay answered to the filters of now; `None` while their stored events are coming.
    pub fn coverage(&self) -> Option<&Coverage> {
        self.coverage.as_ref()
    }

    /// What may be missing, as far as it was told by now and has not been made up for. No gap is left out: beyond 1,024,
    /// those of one relay and one cause are one with a range around them all. All that was skipped because it was not
    /// taken in time is one [`GapCause::QueueFull`], which stays: that it came again later is not told.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps.0
    }

    /// The same, handed over: from here on they are the caller's, who may show them, or have them asked for again by
    /// [`Subscription::refill`]. What stays missing even so is told again.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps.0)
    }

    /// The subscription itself: for its checkpoint, other filters, other relays.
    ///
    /// After new filters, [`coverage`](Self::coverage) is that of the old ones until the new ones have their own.
    pub fn subscription(&mut self) -> &mut Subscription {
        &mut self.subscription
    }

    /// The subscription with all of its items again.
    pub fn into_subscription(self) -> Subscription {
        self.subscription
    }
}

impl Stream for Events {
    type Item = EventItem;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<EventItem>> {
        loop {
            match ready!(Pin::new(&mut self.subscription).poll_next(cx)) {
                Some(Item::Event(event)) => return Poll::Ready(Some(event)),
                Some(Item::Eose(coverage)) => self.coverage = Some(coverage),
                Some(Item::Gap(gap)) => self.gaps.note(gap),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

/// The gaps that stand open.
#[derive(Debug, Default)]
struct Gaps(Vec<Gap>);

impl Gaps {
    fn note(&mut self, gap: Gap) {
        match gap.cause {
            // It closes what is asked for again by itself; what was given up stays open.
            GapCause::CaughtUp { .. } => {
                let again = |cause: &GapCause| matches!(cause, GapCause::Disconnected | GapCause::Flooded { .. });
                self.0.retain(|open| open.relay != gap.relay || !again(&open.cause));
            }
            // A slow reader is told so again and again: one gap holds it all.
            GapCause::QueueFull { .. } => self.join(gap),
            _ if self.0.len() < MAX_GAPS => self.0.push(gap),
            _ => self.join(gap),
        }
    }

    /// Makes it one with an earlier one of its sort. The first of a sort is always taken in: relays and causes are few.
    fn join(&mut self, gap: Gap) {
        let sort = |gap: &Gap| (gap.relay.clone(), discriminant(&gap.cause));
        let Some(open) = self.0.iter_mut().find(|open| sort(open) == sort(&gap)) else { return self.0.push(gap) };
        open.since = open.since.zip(gap.since).map(|(a, b)| a.min(b));
        open.until = open.until.zip(gap.until).map(|(a, b)| a.max(b));
        add(&mut open.cause, &gap.cause);
    }
}

/// Adds the numbers of a cause to those of another one of its sort.
fn add(all: &mut GapCause, more: &GapCause) {
    match (all, more) {
        (GapCause::QueueFull { skipped, lost }, GapCause::QueueFull { skipped: more_skipped, lost: more_lost }) => {
            *skipped = skipped.saturating_add(*more_skipped);
            *lost = lost.saturating_add(*more_lost);
        }
        (GapCause::Flooded { dropped }, GapCause::Flooded { dropped: more })
        | (GapCause::OverDelivered { dropped }, GapCause::OverDelivered { dropped: more }) => {
            *dropped = dropped.saturating_add(*more);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use nostr_proto::{RelayUrl, Timestamp};

    use super::*;

    fn gap(relay: Option<&str>, since: u64, cause: GapCause) -> Gap {
        let relay = relay.map(|url| RelayUrl::parse(url).unwrap());
        Gap { relay, since: Some(Timestamp::new(since)), until: Some(Timestamp::new(since + 10)), cause }
    }

    #[test]
    fn what_is_made_up_for_is_closed_and_what_was_given_up_is_not() {
        let (a, b) = (Some("wss://a.example"), Some("wss://b.example"));
        let mut gaps = Gaps::default();
        let budget = gap(a, 5, GapCause::Budget);
        let lost = gap(b, 1, GapCause::Disconnected);
        for told in [
            gap(a, 1, GapCause::Disconnected),
            lost.clone(),
            gap(a, 2, GapCause::Flooded { dropped: 3 }),
            budget.clone(),
            gap(a, 1, GapCause::CaughtUp { events: 7 }),
        ] {
            gaps.note(told);
        }
        assert_eq!(gaps.0, [lost, budget]);
    }

    #[test]
    fn all_that_was_skipped_is_one_gap() {
        let mut gaps = Gaps::default();
        for n in 0..3_000 {
            gaps.note(gap(None, 10_000 - n, GapCause::QueueFull { skipped: 2, lost: n % 2 }));
        }
        let all = Gap {
            until: Some(Timestamp::new(10_010)),
            ..gap(None, 7_001, GapCause::QueueFull { skipped: 6_000, lost: 1_500 })
        };
        assert_eq!(gaps.0, [all]);
    }

    #[test]
    fn beyond_the_bound_gaps_become_wider_and_none_is_left_out() {
        let mut gaps = Gaps::default();
        let told: Vec<Gap> = (0..3_000)
            .map(|n| {
                let cause = if n % 2 == 0 { GapCause::DenseSecond } else { GapCause::Flooded { dropped: 1 } };
                gap(Some(if n % 3 == 0 { "wss://a.example" } else { "wss://b.example" }), 10 * n, cause)
            })
            .collect();
        told.iter().for_each(|gap| gaps.note(gap.clone()));
        let late = gap(Some("wss://c.example"), 7, GapCause::Budget);
        gaps.note(late.clone());
        assert_eq!(gaps.0.len(), MAX_GAPS + 1);
        assert_eq!(gaps.0.last(), Some(&late), "the first of its sort");
        for gap in &told {
            assert!(gaps.0.iter().any(|open| {
                open.relay == gap.relay
                    && discriminant(&open.cause) == discriminant(&gap.cause)
                    && open.since <= gap.since
                    && gap.until <= open.until
            }));
        }
        let dropped = |open: &Gap| if let GapCause::Flooded { dropped } = open.cause { dropped } else { 0 };
        assert_eq!(gaps.0.iter().map(dropped).sum::<u64>(), 1_500);
    }
}
