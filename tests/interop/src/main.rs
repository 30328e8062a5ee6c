//! `interop`: installs relays of independent make, runs the end-to-end suite against each, and looks at their habits.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this is a test: a broken rule ends it")]

mod args;
mod report;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use futures::executor::block_on;
use nostr_pool_interop::make::{Make, Profile};
use nostr_pool_interop::suite::{Notes, Plan, Transport};
use nostr_pool_interop::{habits, suite};

use args::{Adapter, Args};
use report::{Outcome, Report};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nowhere to print to is nothing to act on.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { report::USAGE } else { report::PASSED });
        }
    };
    if args.list {
        for make in Make::ALL {
            let installed = if make.is_installed(&args.home) { "installed" } else { "not installed" };
            println!("{:<10} {:<28} {installed}; needs {}", make.name(), make.package(), make.needs());
        }
        return ExitCode::from(report::PASSED);
    }
    let mut report = Report::default();
    let mut tables = Vec::new();
    for make in args.makes() {
        if let Err(why) = install(&args, make) {
            eprintln!("{}: skipped: {why}", make.name());
            report.skip(make, why);
            continue;
        }
        if args.looks_at_habits() {
            eprintln!("{}: habits", make.name());
            match catch_unwind(AssertUnwindSafe(|| habits::of(make, &args.home))) {
                Ok(Ok(table)) => tables.push((make, table)),
                Ok(Err(error)) => report.fail(make, "habits", &error.to_string()),
                Err(_) => report.fail(make, "habits", "it panicked; see above"),
            }
        }
        if !args.habits {
            run_suites(&args, make, &mut report);
        }
    }
    if !tables.is_empty() {
        let table = habits::markdown(&tables);
        match &args.write {
            Some(path) => match habits::write(path, &table) {
                Ok(()) => eprintln!("the habits are in {}", path.display()),
                Err(error) => eprintln!("{}: {error}", path.display()),
            },
            None => println!("{table}"),
        }
    }
    print!("{report}");
    ExitCode::from(report.exit(args.habits.then_some(tables.len()), args.at_least))
}

fn install(args: &Args, make: Make) -> Result<(), String> {
    if make.is_installed(&args.home) {
        return Ok(());
    }
    if args.no_install {
        return Err(format!("it is not installed, and is not to be; it needs {}", make.needs()));
    }
    eprintln!("{}: installing {} under {} ({})", make.name(), make.package(), args.home.display(), make.needs());
    make.install(&args.home)
}

/// Every way to a relay: both transports, both adapters.
fn run_suites(args: &Args, make: Make, report: &mut Report) {
    for transport in [Transport::Plain, Transport::Tls] {
        for adapter in args.adapters() {
            let notes = Notes::default();
            let plan = Plan { seed: args.seed, events: args.events, shared: true };
            let outcome = run_one(&args.home, make, transport, adapter, plan, &notes);
            report.add(make, transport, adapter, outcome, notes.into_inner());
        }
    }
}

fn run_one(home: &Path, make: Make, transport: Transport, adapter: Adapter, plan: Plan, notes: &Notes) -> Outcome {
    let began = Instant::now();
    let step = Cell::new("start".to_owned());
    let name = format!("{} {transport:?} {adapter:?}", make.name()).to_lowercase();
    let tell = |what: &str| {
        eprintln!("{name}: {what} ({:.1} s)", began.elapsed().as_secs_f64());
        step.set(what.to_owned());
    };
    let passed = catch_unwind(AssertUnwindSafe(|| {
        tell("start");
        let mut roomy = make.start(home, Profile::Roomy).expect("it starts");
        with_adapter(adapter, |runtime| match runtime {
            Either::Tokio(tokio) => block_on(suite::run(tokio, &mut roomy, transport, plan, notes, &tell)),
            Either::AsyncStd(other) => block_on(suite::run(other, &mut roomy, transport, plan, notes, &tell)),
        });
        drop(roomy);
        let mut wary = make.start(home, Profile::Auth).expect("it starts");
        with_adapter(adapter, |runtime| match runtime {
            Either::Tokio(tokio) => block_on(suite::authenticate(tokio, &mut wary, transport, notes, &tell)),
            Either::AsyncStd(other) => block_on(suite::authenticate(other, &mut wary, transport, notes, &tell)),
        });
    }));
    let seconds = began.elapsed().as_secs_f64();
    match passed {
        Ok(()) => {
            eprintln!("{name}: passed ({seconds:.1} s)");
            Outcome::Passed { seconds }
        }
        Err(_) => {
            let step = step.take();
            eprintln!("{name}: FAILED at `{step}` ({seconds:.1} s)");
            Outcome::Failed { step }
        }
    }
}

enum Either {
    Tokio(nostr_pool_tokio::Tokio),
    AsyncStd(nostr_pool_async_std::AsyncStd),
}

fn with_adapter(adapter: Adapter, work: impl FnOnce(Either)) {
    match adapter {
        Adapter::Tokio => {
            let runtime = tokio::runtime::Runtime::new().expect("tokio starts");
            work(Either::Tokio(nostr_pool_tokio::Tokio::new(runtime.handle().clone())));
            runtime.shutdown_background();
        }
        Adapter::AsyncStd => work(Either::AsyncStd(nostr_pool_async_std::AsyncStd)),
    }
}
