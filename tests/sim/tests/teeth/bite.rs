//! One run of the simulator with a bug in it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use nostr_pool_core::PlantedBug;
use nostr_pool_sim as sim;

/// Runs a seed. Tells the rule that was found broken, if one was.
pub(crate) fn bite(seed: u64, planted: Option<PlantedBug>) -> Option<String> {
    quiet();
    let run = || sim::run_with(seed, |config| config.planted = planted);
    let payload = panic::catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    // Without seed, time and the thing in hand.
    let rule = text.split_once("broken: ").map_or(text.as_str(), |(_, rule)| rule);
    Some(rule.split([':', ';']).next().unwrap_or_default().to_owned())
}

/// A broken rule is what is looked for here: its panic is no news. Any other still is.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<String>();
            if !text.is_some_and(|text| text.starts_with("SIM_SEED=")) {
                default(info);
            }
        }));
    });
}
