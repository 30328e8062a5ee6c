//! Which oracle a bug is to be found by, and how what was found is written down.

use std::fs;
use std::path::Path;

use nostr_pool_core::PlantedBug;

/// Whether this is what a bug is to be found by: those that break a rule with an oracle of its own by that one, all others by
/// whatever notices first.
pub(crate) fn deserves(bug: PlantedBug, rule: &str) -> bool {
    let own = match bug {
        PlantedBug::SilentRelayKept => "a relay that answers two pings with nothing is gone",
        _ => return true,
    };
    rule.contains(own)
}

/// Writes seeds and oracles to `table.rs` and `TEETH.md`; what the latter says of the rules stays.
pub(crate) fn down(found: &[(PlantedBug, u64, String)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (bug, seed, oracle) in found {
        // Without the numbers of that run.
        let oracle = oracle.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let oracle = oracle.split(", not").next().unwrap_or_default();
        rewrite(&root.join("tests/teeth/table.rs"), &format!("    found(PlantedBug::{bug:?}, "), |_| {
            format!("    found(PlantedBug::{bug:?}, {seed}, {oracle:?}),")
        });
        rewrite(&root.join("TEETH.md"), &format!("| `{bug:?}` |"), |line| {
            let rule = line.split('|').nth(2).unwrap_or_default().trim();
            format!("| `{bug:?}` | {rule} | {seed} | {oracle} |")
        });
    }
}

fn rewrite(path: &Path, begins: &str, line: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).expect("the table is there");
    let lines: Vec<String> =
        text.lines().map(|old| if old.starts_with(begins) { line(old) } else { old.to_owned() }).collect();
    fs::write(path, lines.join("\n") + "\n").expect("the table can be written");
}
