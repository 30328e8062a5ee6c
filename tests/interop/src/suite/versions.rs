//! Events that others replace, delete, or that time ends.

use std::time::Duration;

use nostr_pool_driver::{PublishStatus, Runtime, Verdict};
use nostr_proto::{Event, Filter, Kind};

use super::{Stage, event, fetch_all, ids, ids_of, keys, now, publish_well, publish_within};

/// How long to wait for the verdict on what a relay may refuse in words that make the pool try again.
const REFUSED: Duration = Duration::from_secs(3);

/// The newest version counts, per author and kind, and per `d` where the kind is addressable.
pub(super) async fn replaces<R: Runtime>(stage: &Stage<'_, R>) {
    let author = keys(14);
    let pool = stage.pool(None).await;
    for kind in [0, 10_002, 30_023] {
        let version = |ago: u64, d: &str, content: &str| event(&author, kind, now() - ago, content, &[&["d", d]]);
        let (first, second, late) = (version(100, "a", "1"), version(50, "a", "2"), version(200, "a", "0"));
        let other = version(80, "b", "other");
        publish_well(&pool, &first).await;
        publish_well(&pool, &second).await;
        let report = publish_within(&pool, &late, REFUSED).await;
        let answer = match (&report.verdict, &report.relays[0].1) {
            (Some(Verdict::Reached), PublishStatus::Accepted { duplicate }) => {
                format!("OK true (duplicate: {duplicate})")
            }
            (Some(Verdict::Failed), PublishStatus::Rejected(why)) => format!("{why:?}"),
            // It says `error:` or nothing that tells, and the pool may try again until its deadline.
            (Some(Verdict::Failed | Verdict::Indeterminate), status) => format!("{status:?}"),
            other => panic!("{other:?}"),
        };
        stage.note(format!("a version that comes too late: {answer}"));
        let mut expected = vec![second];
        if kind == 30_023 {
            publish_well(&pool, &other).await;
            expected.push(other);
        }
        let filter = Filter::new().author(author.public_key()).kind(Kind::new(kind));
        assert_eq!(ids_of(&fetch_all(&pool, vec![filter]).await), ids(&expected), "of kind {kind}");
    }
}

/// A deletion (NIP-09) is taken, and what it says is done to the author's own or not; a stranger's does nothing.
pub(super) async fn deletes<R: Runtime>(stage: &Stage<'_, R>) {
    let (author, stranger) = (keys(15), keys(16));
    let pool = stage.pool(None).await;
    let [gone, kept] = ["gone", "kept"].map(|content| event(&author, 1, now() - 5, content, &[]));
    publish_well(&pool, &gone).await;
    publish_well(&pool, &kept).await;
    let id_of = |event: &Event| event.id().to_string();
    publish_well(&pool, &event(&author, 5, now(), "", &[&["e", &id_of(&gone)], &["k", "1"]])).await;
    let foreign = event(&stranger, 5, now(), "", &[&["e", &id_of(&kept)], &["k", "1"]]);
    let foreign = publish_within(&pool, &foreign, REFUSED).await;
    let taken = if foreign.verdict == Some(Verdict::Reached) { "takes" } else { "refuses" };
    stage.note(format!("{taken} a deletion of another's event"));
    // Another pool: this one may give what it knows itself.
    let pool = stage.pool(None).await;
    let notes = Filter::new().author(author.public_key()).kind(Kind::TEXT_NOTE);
    let left = ids_of(&fetch_all(&pool, vec![notes]).await);
    if left == ids([&kept]) {
        stage.note("deletes what its author asks it to");
    } else {
        assert_eq!(left, ids([&gone, &kept]), "only its author deletes");
        stage.note("keeps what its author asks it to delete");
    }
}

/// What has expired (NIP-40) is not delivered, whether the relay still sends it or not.
pub(super) async fn expires<R: Runtime>(stage: &Stage<'_, R>) {
    let author = keys(17);
    let pool = stage.pool(None).await;
    let soon = (now() + 3).to_string();
    let brief = event(&author, 1, now(), "brief", &[&["expiration", &soon]]);
    publish_well(&pool, &brief).await;
    stage.runtime.sleep(Duration::from_secs(5)).await;
    let fetched = fetch_all(&pool, vec![Filter::new().author(author.public_key())]).await;
    assert!(fetched.events.is_empty(), "{:?}", fetched.events);
}
