//! Tasks that carry what happens to the board, and tell it where there is no panel.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use nostr_pool_tokio::{
    ConnectionState, GapCause, Item, LegState, Pool, PublishStatus, PublishUpdate, Publishing, RelayUpdate,
    StatusStream, Subscription, Verdict,
};
use nostr_proto::RelayUrl;

use super::board::{Part, SharedBoard};
use super::screen::Screen;
use super::stage::is_reached;

/// Draws the board again and again.
pub(crate) async fn draw(pool: Pool, board: SharedBoard, screen: Arc<Screen>, every: Duration) {
    loop {
        let records = pool.relays();
        {
            let mut board = board.lock();
            board.note_records(records);
            screen.draw(&board);
        }
        tokio::time::sleep(every).await;
    }
}

/// Follows the relays' connections.
pub(crate) async fn connections(mut news: StatusStream, board: SharedBoard, screen: Arc<Screen>) {
    while let Some(news) = news.next().await {
        let RelayUpdate::State(state) = news.update else { continue };
        let is_back = news.record.is_some_and(|record| record.opened > 1);
        let name = {
            let mut board = board.lock();
            let row = board.row(&news.relay);
            row.state = state;
            row.name
        };
        let text = match state {
            ConnectionState::Open if is_back => "connection open again",
            ConnectionState::Backoff { .. } => "not connected; it is dialled again after a while",
            ConnectionState::Quarantined { .. } => "sent forged events; it is left alone for a while",
            _ => continue,
        };
        screen.tell(&format!("{name:<8} {text}"));
    }
}

/// Follows the subscription.
pub(crate) async fn items(mut subscription: Subscription, board: SharedBoard, screen: Arc<Screen>) {
    while let Some(item) = subscription.next().await {
        match item {
            Item::Event(found) => board.lock().deliver(found),
            Item::Leg { relay, state } => leg(&relay, &state, &board, &screen),
            Item::Gap(gap) => {
                if let Some(relay) = gap.relay {
                    note_gap(&relay, &gap.cause, &board, &screen);
                }
            }
            Item::Eose(coverage) => {
                screen.tell("all relays have sent what they had");
                board.lock().coverage = Some(coverage);
            }
            _ => {}
        }
    }
}

fn leg(relay: &RelayUrl, state: &LegState, board: &SharedBoard, screen: &Screen) {
    let mut board = board.lock();
    let row = board.row(relay);
    let (name, before) = (row.name, row.part);
    row.part = match (state, before) {
        (LegState::Requested, Part::Gap) => Part::CatchingUp,
        (LegState::Requested, _) => Part::Asked,
        (LegState::Live, _) => Part::Live,
        (LegState::Waiting(_) | LegState::Closed(_) | LegState::Removed, part) => part,
    };
    if row.part == Part::Live && before == Part::Asked {
        screen.tell(&format!("{name:<8} EOSE: it has sent all it had, and is live now"));
    }
}

fn note_gap(relay: &RelayUrl, cause: &GapCause, board: &SharedBoard, screen: &Screen) {
    let mut board = board.lock();
    let row = board.row(relay);
    let name = row.name;
    match cause {
        GapCause::Disconnected => {
            row.gaps.0 += 1;
            row.part = Part::Gap;
            screen.tell(&format!("{name:<8} GAP OPEN: what it gets from now on can't be seen"));
        }
        GapCause::CaughtUp { events } => {
            row.gaps.1 += 1;
            row.part = Part::Live;
            screen.tell(&format!("{name:<8} GAP CLOSED: asked for what was missed; it sent {events} events"));
        }
        _ => {}
    }
}

/// Follows a publish until nothing will change any more.
pub(crate) async fn publish(mut publishing: Publishing, board: SharedBoard, screen: Option<Arc<Screen>>) {
    let id = publishing.event_id();
    while let Some(update) = publishing.progress().next().await {
        match update {
            PublishUpdate::Relay { relay, status, accepted, needed } => {
                let mut board = board.lock();
                let name = board.row(&relay).name;
                if let Some(shown) = board.publish.as_mut().filter(|shown| shown.id == id) {
                    (shown.accepted, shown.needed) = (accepted, needed);
                }
                if let (Some(screen), PublishStatus::Accepted { .. }) = (&screen, &status) {
                    screen.tell(&if accepted <= needed {
                        format!("{name:<8} accepted it: {accepted} of the {needed} needed")
                    } else {
                        format!("{name:<8} accepted it too: {accepted} have it")
                    });
                }
            }
            PublishUpdate::Verdict(verdict) => {
                note_verdict(&verdict, &board);
                let mut board = board.lock();
                if let Some(screen) = &screen {
                    let word = if is_reached(&verdict) { "QUORUM REACHED" } else { "quorum not reached" };
                    screen.tell(&format!("{word}; delivery to the others goes on"));
                }
                if let Some(shown) = board.publish.as_mut().filter(|shown| shown.id == id) {
                    shown.verdict = Some(verdict);
                }
            }
            _ => {}
        }
    }
}

fn note_verdict(verdict: &Verdict, board: &SharedBoard) {
    let mut board = board.lock();
    if is_reached(verdict) {
        board.verdicts.0 += 1;
    } else {
        board.verdicts.1 += 1;
    }
}
