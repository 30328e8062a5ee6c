//! What has to hold of counts (NIP-45): one report, in time, of the relays that were asked, and each answer in it one that
//! its relay gave; the maximum, and registers that are those of the union.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_model_relay::Fault;
use nostr_pool_core::{CountId, CountOutcome, CountReport, Instant, SocketId};
use nostr_proto::RelayUrl;
use serde_json::Value;

use super::persona::Persona;
use super::site::Site;
use super::sub::{json, matches};

/// A question as the script put it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) filters: Vec<Value>,
    pub(super) relays: BTreeSet<RelayUrl>,
    /// When the report is due, by the pool's clock; and by when it comes, for the device may sleep.
    pub(super) due: Instant,
    pub(super) deadline: Instant,
}

/// A COUNT message that went out, and what the relay said of it.
#[derive(Debug)]
struct Asked {
    relay: RelayUrl,
    filters: Vec<Value>,
    /// How many its store had when it answered; `None`: it may have read it otherwise.
    held: Option<u64>,
    /// What reached the pool: numbers, whether they are approximations, registers.
    answers: Vec<(u64, bool, Option<String>)>,
    refused: bool,
}

/// Every count of a run.
#[derive(Debug, Default)]
pub(super) struct Counts {
    open: BTreeMap<CountId, Question>,
    /// Reports told during the call that began them, before anyone knew their number.
    early: BTreeMap<CountId, CountReport>,
    told: BTreeSet<CountId>,
    asked: BTreeMap<(SocketId, String), Asked>,
    /// Relays that said something by NOTICE.
    notices: BTreeSet<RelayUrl>,
    /// The application ended them before their time.
    ended: bool,
}

impl Counts {
    /// The application asked.
    pub(super) fn begun(&mut self, count: CountId, question: Question) -> Result<(), &'static str> {
        let early = self.early.remove(&count);
        let begun = question.deadline;
        self.open.insert(count, question);
        early.map_or(Ok(()), |report| self.report(&report, begun))
    }

    /// Some of them may end early from now on: a relay was taken out, the pool began anew or was shut down, one was cancelled.
    pub(super) fn may_end(&mut self) {
        self.ended = true;
    }

    /// The oldest that is not told.
    pub(super) fn oldest(&self) -> Option<CountId> {
        self.open.keys().next().copied()
    }

    /// A frame goes out.
    pub(super) fn sent(&mut self, socket: SocketId, relay: &RelayUrl, frame: &str) -> Result<(), &'static str> {
        if !frame.starts_with("[\"COUNT\"") {
            return Ok(());
        }
        let Value::Array(message) = json(frame) else { return Err("a COUNT message is an array") };
        let name = message[1].as_str().unwrap_or_default().to_owned();
        let filters: Vec<Value> = message.into_iter().skip(2).collect();
        let asked = Asked { relay: relay.clone(), filters, held: None, answers: Vec::new(), refused: false };
        self.asked.insert((socket, name), asked);
        Ok(())
    }

    /// A relay answers now: what its store holds.
    pub(super) fn answers(&mut self, socket: SocketId, text: &str, site: &Site) {
        let odd = |fault: &Fault| matches!(fault, Fault::ExclusiveUntil);
        let misread = site.persona == Persona::Stalling || site.faults.faults().iter().any(odd);
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        let name = message[1].as_str().unwrap_or_default().to_owned();
        if message[0] == "COUNT"
            && let Some(asked) = self.asked.get_mut(&(socket, name))
        {
            let held = site.relay.events().map(|event| json(&event.to_json()));
            let held = held.filter(|event| asked.filters.iter().any(|filter| matches(filter, event))).count() as u64;
            asked.held = (!misread).then_some(held);
        }
    }

    /// A frame reaches the pool on an open socket.
    pub(super) fn heard(&mut self, socket: SocketId, relay: &RelayUrl, text: &str) {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        if message[0] == "NOTICE" {
            self.notices.insert(relay.clone());
        }
        let name = message[1].as_str().unwrap_or_default().to_owned();
        let Some(asked) = self.asked.get_mut(&(socket, name)) else { return };
        let answer = &message[2];
        match message[0].as_str() {
            Some("CLOSED") => asked.refused = true,
            Some("COUNT") => {
                if let Some(n) = answer.as_u64().or_else(|| answer["count"].as_u64()) {
                    let hex = |text: &&str| text.len() == 512 && text.chars().all(|c| c.is_ascii_hexdigit());
                    let hll = answer["hll"].as_str().filter(hex).map(str::to_lowercase);
                    asked.answers.push((n, answer["approximate"] == true, hll));
                }
            }
            _ => {}
        }
    }

    /// The driver made an answer up.
    pub(super) fn made_up(&mut self, socket: SocketId, name: &str) {
        if let Some(asked) = self.asked.get_mut(&(socket, name.to_owned())) {
            asked.held = None;
        }
    }

    /// The report is told.
    pub(super) fn report(&mut self, report: &CountReport, now: Instant) -> Result<(), &'static str> {
        if self.told.contains(&report.count) || self.early.contains_key(&report.count) {
            return Err("a count is told once");
        }
        let Some(question) = self.open.remove(&report.count) else {
            self.early.insert(report.count, report.clone());
            return Ok(());
        };
        self.told.insert(report.count);
        if now > question.deadline {
            return Err("a count is told by its deadline");
        }
        let relays: Vec<&RelayUrl> = report.relays.iter().map(|(relay, _)| relay).collect();
        if relays != question.relays.iter().collect::<Vec<_>>() {
            return Err("a count tells of the relays that were to be asked, each once");
        }
        for (relay, outcome) in &report.relays {
            self.outcome(relay, outcome, &question, now)?;
        }
        sums(report, &question.filters)
    }

    fn outcome(
        &self,
        relay: &RelayUrl,
        outcome: &CountOutcome,
        question: &Question,
        now: Instant,
    ) -> Result<(), &'static str> {
        let asked = || self.asked.values().filter(|it| it.relay == *relay && it.filters == question.filters);
        match outcome {
            CountOutcome::Counted(answer) => {
                let told = (answer.count, answer.approximate, answer.hll.as_ref().map(|hll| hll.to_hex()));
                let said = |it: &&Asked| it.answers.contains(&told);
                if !asked().any(|it| said(&it)) {
                    return Err("what a relay counted is what it said");
                }
                let holds = |it: &Asked| it.held.is_none_or(|held| held == answer.count);
                if asked().filter(said).any(holds) { Ok(()) } else { Err("what a relay counted is what it held") }
            }
            CountOutcome::Refused(_) if asked().any(|it| it.refused) || self.notices.contains(relay) => Ok(()),
            CountOutcome::Refused(_) => Err("a relay refused to count that said so"),
            CountOutcome::Silent if now < question.due => Err("a relay is silent at the deadline only"),
            CountOutcome::Silent | CountOutcome::Nonsense | CountOutcome::Lost if asked().next().is_none() => {
                Err("what came of a question is told of relays that were asked")
            }
            CountOutcome::Cancelled if !self.ended => Err("a count ends early when it is ended"),
            _ => Ok(()),
        }
    }

    /// The device slept: what was due meanwhile is due when it wakes, or right after a call that comes first.
    pub(super) fn slept(&mut self, from: Instant, until: Instant) {
        for question in self.open.values_mut().filter(|question| question.deadline >= from) {
            question.deadline = question.deadline.max(until + Duration::from_millis(1));
        }
    }

    /// Those without a report.
    pub(super) fn untold(&self) -> Vec<CountId> {
        self.open.keys().copied().collect()
    }

    /// How many were told.
    pub(super) fn told(&self) -> u64 {
        self.told.len() as u64
    }
}

/// The numbers of a report, naively.
fn sums(report: &CountReport, filters: &[Value]) -> Result<(), &'static str> {
    let answers = report.relays.iter().filter_map(|(_, outcome)| match outcome {
        CountOutcome::Counted(answer) => Some(answer),
        _ => None,
    });
    let (mut most, mut exact, mut all, mut union, mut relays) = (None, 0, 0_u64, [0_u8; 256], 0);
    for answer in answers {
        most = most.max(Some(answer.count));
        exact = if answer.approximate && answer.hll.is_some() { exact } else { exact.max(answer.count) };
        all += answer.count;
        for (n, register) in answer.hll.iter().flat_map(|hll| hll.as_bytes().iter().enumerate()) {
            union[n] = union[n].max(*register);
        }
        relays += usize::from(answer.hll.is_some());
    }
    if report.maximum != most {
        return Err("the maximum is the largest number of one relay");
    }
    let tags = |filter: &Value| -> Vec<usize> {
        let fields = filter.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with('#'));
        fields.map(|(_, values)| values.as_array().map_or(0, Vec::len)).collect()
    };
    let merges = filters.len() == 1 && tags(&filters[0]) == [1];
    match &report.merged {
        None if merges && relays > 0 => Err("registers are merged where they mean the same"),
        Some(_) if !merges || relays == 0 => Err("registers are merged where they mean the same"),
        Some(merged) if *merged.registers.as_bytes() != union || merged.relays != relays => {
            Err("registers are those of the union")
        }
        Some(merged) if merged.estimate < exact || merged.estimate > all => {
            Err("an estimate is within what relays counted")
        }
        _ => Ok(()),
    }
}
