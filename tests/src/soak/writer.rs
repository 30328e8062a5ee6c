//! What is written: a seeded corpus, dated now, past the pool and through it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use futures::{FutureExt, StreamExt};
use nostr_pool_corpus::{Mix, Rng, authors as corpus_authors, generated_with};
use nostr_pool_driver::{
    CallError, Pool, Progress, PublishOptions, PublishReport, PublishStatus, PublishUpdate, Publishing, Quorum,
    Rejection, Runtime, Verdict,
};
use nostr_proto::{Event, EventTemplate, Keys, RelayUrl, Timestamp};

use super::Phase;
use super::sites::Sites;

/// Values of the `t` tag that every event has one of.
const TOPICS: [&str; 5] = ["salt", "rope", "tide", "moss", "kelp"];

/// How often something is written.
const TICK: Duration = Duration::from_millis(25);

/// Who writes. The same for every soak: only what they write differs.
pub(super) fn authors() -> &'static [Keys] {
    static AUTHORS: OnceLock<Vec<Keys>> = OnceLock::new();
    AUTHORS.get_or_init(|| corpus_authors(1, &Mix::like_shared()))
}

/// Writes events, and keeps the publishes.
pub(super) struct Writer {
    rng: Rng,
    /// What events are modelled on.
    models: Vec<Event>,
    written: u64,
    publishing: Vec<Publishing>,
    /// What still goes on after the verdict.
    settled: Vec<Progress>,
    pub(super) verdicts: Verdicts,
}

/// Publishes by their verdicts.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdicts {
    pub(super) reached: u64,
    pub(super) failed: u64,
    pub(super) indeterminate: u64,
    /// How the relays of the failed ones stood.
    pub(super) why_failed: BTreeMap<String, u64>,
    /// The same of the indeterminate ones.
    pub(super) why_indeterminate: BTreeMap<String, u64>,
}

impl Verdicts {
    /// Counts one, and holds it against what the relays said.
    fn count(&mut self, report: &PublishReport, liar: &RelayUrl) {
        let total = report.relays.len();
        let rejected = report.relays.iter().filter(|(_, s)| matches!(s, PublishStatus::Rejected(_))).count();
        let tally = match report.verdict.as_ref().expect("it is the verdict's report") {
            Verdict::Reached => {
                assert!(report.accepted() >= report.needed, "{report:?}");
                self.reached += 1;
                return;
            }
            Verdict::Failed => {
                assert!(rejected + report.needed > total, "{report:?}");
                self.failed += 1;
                &mut self.why_failed
            }
            Verdict::Indeterminate => {
                assert!(report.accepted() < report.needed && rejected + report.needed <= total, "{report:?}");
                self.indeterminate += 1;
                &mut self.why_indeterminate
            }
        };
        for (relay, status) in &report.relays {
            let whose = if relay == liar { "liar" } else { "correct" };
            *tally.entry(format!("{whose}: {}", in_short(status))).or_default() += 1;
        }
    }
}

fn in_short(status: &PublishStatus) -> String {
    match status {
        PublishStatus::Accepted { .. } => "accepted".into(),
        PublishStatus::Rejected(Rejection::Refused(reason)) => format!("refused, {reason}"),
        other => format!("{other:?}"),
    }
}

impl Writer {
    pub(super) fn new(seed: u64) -> Self {
        let mut models = generated_with(seed, 400, &Mix::like_shared());
        models.retain(|event| event.expiration().is_none());
        Self {
            rng: Rng::new(seed),
            models,
            written: 0,
            publishing: Vec::new(),
            settled: Vec::new(),
            verdicts: Verdicts::default(),
        }
    }

    /// Writes until it is time to heal.
    pub(super) async fn write<R: Runtime>(
        &mut self,
        runtime: &R,
        (pool, sites, phase): (&Pool, &Sites, &Phase),
        rate: usize,
        enter: impl Fn(&Event),
    ) {
        let per_second = 1_000 / usize::try_from(TICK.as_millis()).unwrap();
        let mut owed = 0;
        while !phase.healing.get() {
            runtime.sleep(TICK).await;
            owed += rate;
            let mut events = owed / per_second;
            owed %= per_second;
            if self.rng.one_in(100) {
                // Now and then many come at once.
                events += self.rng.between(20, 150);
            }
            for _ in 0..events {
                let event = self.next_event();
                enter(&event);
                self.send(&event, pool, sites);
            }
        }
    }

    fn send(&mut self, event: &Event, pool: &Pool, sites: &Sites) {
        if self.rng.one_in(5) {
            let quorum = if self.rng.one_in(2) { Quorum::First } else { Quorum::Majority };
            let options = PublishOptions::default().with_quorum(quorum).with_deadline(Duration::from_secs(10));
            match pool.publish(event.clone(), options) {
                Ok(publishing) => return self.publishing.push(publishing),
                // Too many are unfinished, while relays are away: it goes the other way.
                Err(CallError::PublishQueueFull(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let first = self.rng.below(sites.all().len());
        for (n, site) in sites.all().iter().enumerate() {
            if n == first || self.rng.one_in(3) {
                // One that holds a newer version refuses it.
                site.server.with(|relay| relay.store(event.clone()));
            }
        }
    }

    fn next_event(&mut self) -> Event {
        self.written += 1;
        let now = UNIX_EPOCH.elapsed().expect("it is past 1970").as_secs();
        let created_at = Timestamp::new(now + 1 - self.rng.below(5) as u64);
        let model = self.rng.pick(&self.models);
        let mut template = EventTemplate::new(model.kind(), model.content(), created_at);
        for tag in model.tags() {
            template = template.tag(tag.iter());
        }
        template = template.tag(["t", *self.rng.pick(&TOPICS)]).tag(["soak", &self.written.to_string()]);
        let keys = self.rng.pick(authors());
        keys.sign(&template, self.rng.bytes32())
    }

    /// Waits for the verdict of every publish, and counts them.
    pub(super) async fn settle(&mut self, sites: &Sites) {
        let liar = &sites.all()[Sites::LIAR].url;
        for publishing in std::mem::take(&mut self.publishing) {
            let event = publishing.event_id();
            let (verdict, mut progress) = publishing.split();
            let report = verdict.await;
            let told = loop {
                match progress.next().await {
                    Some(PublishUpdate::Verdict(verdict)) => break verdict,
                    Some(_) => {}
                    None => panic!("{event}: no verdict was told"),
                }
            };
            assert_eq!(Some(&told), report.verdict.as_ref(), "{event}");
            self.verdicts.count(&report, liar);
            self.settled.push(progress);
        }
        // Delivery goes on after the verdict; another verdict does not come.
        self.settled.retain_mut(|progress| {
            loop {
                match progress.next().now_or_never() {
                    Some(Some(PublishUpdate::Verdict(again))) => panic!("a second verdict: {again:?}"),
                    Some(Some(_)) => {}
                    Some(None) => break false,
                    None => break true,
                }
            }
        });
    }
}
