//! Which request each leg is asked by, as far as can be told from outside: requests of several legs look like those of one, and
//! what one subscription is sent may look like what another is.
//!
//! What a request asks for has to be explained by its legs. Between explanations, names decide: the pool uses one up for each
//! leg of a request, although it is called by the first alone.

use std::collections::BTreeMap;

use nostr_pool_core::SocketId;
use serde_json::Value;

use super::reqs::{Asked, Request, asks_for_nothing_else};

/// How much is explained: less the requests that used up more or fewer names than their legs, how well those fit, and legs that
/// were withdrawn.
type Score = (isize, usize, usize);

/// Which number a name of the pool's has, however it is written.
pub(super) fn number(name: &str) -> Option<u64> {
    let long = name.strip_prefix('p').and_then(|digits| digits.parse().ok());
    long.or_else(|| u64::from_str_radix(name.strip_prefix('q')?, 36).ok())
}

/// Whether another request on that connection asks for the same, since another date perhaps, and runs: which of the two is
/// whose can't be told.
pub(super) fn has_twin(key: &(SocketId, String), known: &BTreeMap<(SocketId, String), Request>) -> bool {
    let undated = |request: &Request| -> Vec<Value> {
        let mut filters = request.filters.clone();
        filters.iter_mut().filter_map(Value::as_object_mut).for_each(|filter| _ = filter.remove("since"));
        filters
    };
    let twins = |one: &Request| {
        let mut others = known.iter().filter(|((socket, _), other)| *socket == key.0 && !other.closed);
        others.any(|(_, other)| undated(other) == undated(one))
    };
    known.get(key).is_some_and(twins)
}

/// How well these legs explain a request, and nobody else: it asks for what they want, and for nothing besides. One leg may have
/// several, each for a part.
fn explains(legs: &[Asked], request: &Request) -> Option<usize> {
    let served: Vec<(bool, bool)> = legs.iter().map(|leg| leg.is_served_by(request)).collect();
    let all = served.iter().all(|(some, all)| *some && (*all || legs.len() == 1));
    let own = legs.iter().filter(|leg| leg.is_own(request)).count();
    (all && asks_for_nothing_else(request, legs)).then(|| {
        let whole = served.iter().filter(|(_, all)| *all).count();
        2 * legs.len() + 2 * whole + own
    })
}

/// The same, and by how many. Those that were withdrawn explain what it asks for, and need not be asked.
fn score(legs: &[Asked], request: &Request) -> Option<Score> {
    let fits = explains(legs, request)?;
    let withdrawn = legs.iter().filter(|leg| leg.withdrawn).count();
    let asked = legs.len() - withdrawn;
    Some((odd(request, legs.len() as u64), if asked > 0 { fits } else { 0 }, withdrawn))
}

/// One less if a request used up other names than so many.
fn odd(request: &Request, names: u64) -> isize {
    -isize::from(request.names.is_some_and(|used| used != names))
}

fn sum(one: Score, other: Score) -> Score {
    (one.0 + other.0, one.1 + other.1, one.2 + other.2)
}

/// Which of the requests each of these legs is asked by; both are in the order in which they were told and sent, and the legs of
/// one request are next to each other. A leg that was withdrawn may have none.
pub(super) fn give(legs: &[Asked], requests: &[&Request]) -> Option<Vec<Option<usize>>> {
    let (all, sent) = (legs.len(), requests.len());
    // best[n][from]: how well those from the nth on can be found from that request on; how many of them have the next one that is
    // theirs, and which that is. None has one: the nth goes without.
    let mut best: Vec<Vec<Option<(Score, usize, usize)>>> = vec![vec![None; sent + 1]; all];
    // What is no leg's is a page, or more of what ran before: each has a name.
    let none: Vec<Score> = requests.iter().map(|request| (odd(request, 1), 0, 0)).collect();
    let pages = |from: usize| none[from..].iter().fold((0, 0, 0), |all, one| sum(all, *one));
    best.push((0..=sent).map(|from| Some((pages(from), 0, sent))).collect());
    for n in (0..all).rev() {
        for from in (0..=sent).rev() {
            let run = |end: usize| {
                let one = score(&legs[n..end], requests.get(from)?)?;
                Some((sum(one, best[end][from + 1]?.0), end - n, from))
            };
            let here = (n + 1..=all).filter_map(run);
            let later = best[n].get(from + 1).copied().flatten();
            let later = later.map(|(rest, run, at)| (sum(none[from], rest), run, at));
            let without = best[n + 1][from].filter(|_| legs[n].withdrawn).map(|(rest, ..)| (rest, 0, from));
            let any = here.chain(later).chain(without);
            best[n][from] = any.max_by_key(|(score, _, at)| (*score, sent - *at));
        }
    }
    let (mut n, mut from, mut given) = (0, 0, Vec::new());
    while n < all {
        let (_, run, at) = best[n][from]?;
        given.extend(vec![(run > 0).then_some(at); run.max(1)]);
        (n, from) = (n + run.max(1), if run > 0 { at + 1 } else { at });
    }
    Some(given)
}
