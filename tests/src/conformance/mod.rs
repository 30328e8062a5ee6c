//! The conformance suite: one script per rule of ours, for any [`Runtime`].
//!
//! A script runs a pool on the runtime against loopback servers and writes a *trace*: lines of what the application and
//! the server got to see, in the words of our own types. Times, ports, ids and the words of an operating system or of a
//! WebSocket library are left out, so that the trace is the same wherever the rule is kept. The trace that is right stands
//! beside the script, and [`run`] compares the two; adapters that are all wrong alike do not agree with it.
//!
//! For a new adapter, this is all there is to do:
//!
//! ```no_run
//! use nostr_pool_tests::conformance;
//!
//! # fn my_runtime() -> nostr_pool_tokio::Tokio { nostr_pool_tokio::Tokio::current() }
//! let report = conformance::run(&my_runtime());
//! print!("{report}");
//! assert!(report.is_good(), "{}", report.differences());
//! ```
//!
//! What the suite asks of the runtime beyond [`Runtime`] itself: that it makes progress by itself. A script's own part
//! blocks a thread that is none of the runtime's, and its futures are polled there.
//!
//! A script never reads a clock but to say that something took less, or more, than a bound that is several times what it
//! takes; it never relies on the order of two things that nothing orders.

mod busy;
mod closing;
mod counting;
mod cx;
mod dialling;
mod documents;
mod framing;
mod handles;
mod liveness;
mod load;
mod peer;
mod proxy;
mod report;
mod runtimes;
mod session;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use nostr_pool_driver::Runtime;

pub use busy::{Longest, busy};
pub use cx::Cx;
pub use report::{Outcome, Report};
pub use runtimes::together;

/// Scripts that run at once. They wait most of the time.
const AT_ONCE: usize = 12;

/// A rule, as something to do and what has to come of it.
pub struct Script<R> {
    /// Its name: the module and the rule.
    pub name: &'static str,
    /// The trace that is right.
    pub expected: &'static [&'static str],
    run: fn(&Cx<R>),
    /// Whether it needs the machine for itself.
    alone: bool,
}

impl<R> Script<R> {
    const fn new(name: &'static str, run: fn(&Cx<R>), expected: &'static [&'static str]) -> Self {
        Self { name, expected, run, alone: false }
    }

    /// One that keeps all cores busy: others would find their bounds broken.
    const fn alone(name: &'static str, run: fn(&Cx<R>), expected: &'static [&'static str]) -> Self {
        Self { name, expected, run, alone: true }
    }
}

impl<R> std::fmt::Debug for Script<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every script.
pub fn scripts<R: Runtime>() -> Vec<Script<R>> {
    let parts: [Vec<Script<R>>; 10] = [
        dialling::scripts(),
        documents::scripts(),
        framing::scripts(),
        closing::scripts(),
        counting::scripts(),
        liveness::scripts(),
        handles::scripts(),
        runtimes::scripts(),
        load::scripts(),
        busy::scripts(),
    ];
    parts.into_iter().flatten().collect()
}

/// Runs every script on this runtime.
pub fn run<R: Runtime>(runtime: &R) -> Report {
    run_some(runtime, |_| true)
}

/// Runs the scripts whose names are wanted.
pub fn run_some<R: Runtime>(runtime: &R, wanted: impl Fn(&str) -> bool) -> Report {
    let begun = Instant::now();
    let (alone, together): (Vec<_>, Vec<_>) =
        scripts::<R>().into_iter().filter(|script| wanted(script.name)).partition(|script| script.alone);
    let waiting = Mutex::new(VecDeque::from(together));
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(script) = waiting.lock().expect("nobody panics with it").pop_front() else { return };
                    let outcome = run_one(runtime, &script);
                    outcomes.lock().expect("nobody panics with it").push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("nobody panics with it");
    outcomes.extend(alone.iter().map(|script| run_one(runtime, script)));
    outcomes.sort_by_key(|outcome| outcome.name);
    Report { outcomes, took: begun.elapsed() }
}

/// A script that panics has said so in its trace, which then is not the right one.
fn run_one<R: Runtime>(runtime: &R, script: &Script<R>) -> Outcome {
    let cx = Cx::new(runtime.clone());
    let begun = Instant::now();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (script.run)(&cx))) {
        let why = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        cx.say(format!("broken off: {}", why.unwrap_or("a panic")));
    }
    Outcome { name: script.name, expected: script.expected, trace: cx.into_trace(), took: begun.elapsed() }
}
