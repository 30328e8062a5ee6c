//! Tables of medians and ranges, and the goals that they are held against.

use super::race::Times;
use crate::spread::Spread;

/// Something to reach, and how far it was reached.
pub(super) struct Goal {
    what: String,
    bound: Bound,
    /// The sets that it is asked of, and the median of each.
    reached: Vec<(String, f64)>,
}

/// On which side of the figure the goal lies.
#[derive(Clone, Copy)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(goal) => figure >= goal,
            Self::AtMost(goal) => figure <= goal,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(goal) => format!("at least {goal}"),
            Self::AtMost(goal) => format!("at most {goal}"),
        }
    }

    /// The figure that is further from the goal.
    fn worse(self, a: f64, b: f64) -> bool {
        match self {
            Self::AtLeast(_) => a < b,
            Self::AtMost(_) => a > b,
        }
    }
}

impl Goal {
    pub(super) fn new(what: impl Into<String>, bound: Bound) -> Self {
        Self { what: what.into(), bound, reached: Vec::new() }
    }

    /// Notes a figure, and says whether the goal is met there.
    pub(super) fn note(&mut self, labels: &[String], figure: f64) -> &'static str {
        self.reached.push((labels.join(" "), figure));
        verdict(self.bound.holds(figure))
    }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "ok" } else { "short" }
}

/// One line for each goal: the goal, how many sets reach it, and the set that is furthest from it.
pub(super) fn print_goals(goals: &[Goal]) {
    println!("goals");
    for goal in goals {
        let worst = goal.reached.iter().reduce(|a, b| if goal.bound.worse(b.1, a.1) { b } else { a });
        let Some((set, figure)) = worst else { continue };
        let reached = goal.reached.iter().filter(|(_, figure)| goal.bound.holds(*figure)).count();
        println!(
            "  {:<58} {:<14} {:>3} of {:>3} sets   furthest {figure:>7.2} ({set})   {}",
            goal.what,
            goal.bound.text(),
            reached,
            goal.reached.len(),
            verdict(goal.bound.holds(*figure))
        );
    }
}

/// The labels, number and mean size of a set, in columns.
pub(super) fn set_columns(times: &Times) -> String {
    let labels: String = times.labels.iter().map(|text| label(text)).collect();
    format!("{labels}{:>6}{:>8}", times.items, times.bytes / times.items.max(1))
}

/// A label in its column.
pub(super) fn label(text: &str) -> String {
    format!("{text:<15}")
}

/// The heads of these columns.
pub(super) fn set_heads(labels: &[&str]) -> String {
    let labels: String = labels.iter().map(|text| label(text)).collect();
    format!("{labels}{:>6}{:>8}", "items", "mean B")
}

/// `median [min–max]` in a column; a dash where nothing was measured.
pub(super) fn spread(figure: Option<Spread>) -> String {
    let text = match figure {
        Some(s) if s.median < 100.0 => format!("{:.2} [{:.2}–{:.2}]", s.median, s.min, s.max),
        Some(s) => format!("{:.0} [{:.0}–{:.0}]", s.median, s.min, s.max),
        None => "–".to_owned(),
    };
    format!("{text:>22}")
}

/// The median alone, in a narrow column.
pub(super) fn median(figure: Option<Spread>) -> String {
    match figure {
        Some(s) if s.median < 100.0 => format!("{:>12.2}", s.median),
        Some(s) => format!("{:>12.0}", s.median),
        None => format!("{:>12}", "–"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_on_its_own_side() {
        let set = ["note".to_owned()];
        let mut faster = Goal::new("", Bound::AtLeast(4.0));
        assert_eq!((faster.note(&set, 4.0), faster.note(&set, 3.9)), ("ok", "short"));
        let mut less = Goal::new("", Bound::AtMost(1.5));
        assert_eq!((less.note(&set, 1.5), less.note(&set, 1.6)), ("ok", "short"));
        assert!(less.bound.worse(2.0, 1.0) && faster.bound.worse(1.0, 2.0));
    }
}
