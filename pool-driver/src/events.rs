//! A subscription's events and nothing else.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use nostr_pool_core::{Coverage, EventItem, Gap, GapCause, Item};

use crate::subscription::Subscription;

/// Gaps that are remembered; more than any sane number of relays leaves open.
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

    /// What may be missing, as far as it was told by now and has not been made up for: at most 1,024 of them, the
    /// earliest. All that was skipped because it was not taken in time is one [`GapCause::QueueFull`], which stays: that
    /// it came again later is not told.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps.0
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
            GapCause::QueueFull { skipped, lost } => self.note_skipped(gap, skipped, lost),
            _ if self.0.len() < MAX_GAPS => self.0.push(gap),
            _ => {}
        }
    }

    /// A slow reader is told so again and again: one gap holds it all.
    fn note_skipped(&mut self, gap: Gap, skipped: u64, lost: u64) {
        for open in &mut self.0 {
            if let GapCause::QueueFull { skipped: all_skipped, lost: all_lost } = &mut open.cause {
                (*all_skipped, *all_lost) = (all_skipped.saturating_add(skipped), all_lost.saturating_add(lost));
                open.since = open.since.zip(gap.since).map(|(a, b)| a.min(b));
                open.until = open.until.zip(gap.until).map(|(a, b)| a.max(b));
                return;
            }
        }
        if self.0.len() < MAX_GAPS {
            self.0.push(gap);
        }
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
    fn no_more_than_so_many_are_remembered() {
        let mut gaps = Gaps::default();
        (0..2_000).for_each(|n| gaps.note(gap(None, n, GapCause::Unprovable)));
        assert_eq!(gaps.0.len(), MAX_GAPS);
    }
}
