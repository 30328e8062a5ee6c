//! Each bug that can be planted here changes what happens.

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Timestamp};

use super::suspects::{Honest, end_honestly};
use super::world::*;

fn config(planted: Option<PlantedBug>) -> Config {
    Config { planted, ..Config::default() }
}

fn differs<T: PartialEq + std::fmt::Debug>(bug: PlantedBug, run: impl Fn(World) -> T) {
    let (right, wrong) = (run(World::with(1, &config(None))), run(World::with(1, &config(Some(bug)))));
    assert_ne!(right, wrong, "{bug:?}");
}

#[test]
fn each_shows() {
    differs(PlantedBug::SuspectAfterOne, |mut w| {
        let p = w.publish(&note("x"), Quorum::All);
        w.take(0);
        w.end(0, reset());
        w.status(p, 0)
    });
    differs(PlantedBug::OwnCloseBlamed, |mut w| {
        let p = w.publish(&note("x"), Quorum::All);
        for _ in 0..2 {
            end_honestly(&mut w, Honest::Ours, 1000);
        }
        w.status(p, 0)
    });
    differs(PlantedBug::OversizeSent, |mut w| {
        w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
        w.publish(&note("x".repeat(2_000)), Quorum::All);
        w.sent(0)
    });
    differs(PlantedBug::ExpiredSent, |mut w| {
        let brief = EventTemplate::text_note("x", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + 1));
        w.publish(&keys().sign(&brief, [0; 32]), Quorum::All);
        w.end(0, reset());
        w.sent(0)
    });
    differs(PlantedBug::PendingNotRolledBack, |mut w| {
        w.subscribe();
        w.relay_sends(0, &profile(1).sign(&keys(), [0; 32]));
        w.publish_unsigned(&profile(2), None).unwrap();
        w.sign();
        w.ok(0, profile(2).id(), false, "blocked: no");
        w.fates()
    });
    differs(PlantedBug::FateTwice, |mut w| {
        w.subscribe();
        w.publish_unsigned(&unsigned("x"), None).unwrap();
        w.sign();
        w.ok(0, unsigned("x").id(), false, "blocked: no");
        w.ok(0, unsigned("x").id(), true, "");
        w.fates()
    });
}
