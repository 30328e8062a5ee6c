//! The sets of frames and events that contenders work on.

use nostr_pool_corpus::{Class, Layout};
use nostr_proto::Event;

use super::options::Options;
use super::peers;

/// The subscription of every frame.
pub(super) const SUBSCRIPTION: &str = "sub:1";

/// Frames of a class in one spelling.
pub(super) struct FrameSet {
    pub(super) class: Class,
    pub(super) layout: Layout,
    pub(super) frames: Vec<String>,
}

impl FrameSet {
    pub(super) fn labels(&self) -> Vec<String> {
        vec![self.class.to_string(), self.layout.to_string()]
    }

    pub(super) fn bytes(&self) -> usize {
        self.frames.iter().map(String::len).sum()
    }
}

/// Events of each class asked for that has any.
pub(super) fn events(options: &Options) -> Vec<(Class, Vec<Event>)> {
    let of = |class: &Class| (*class, class.events(options.seed, options.bytes));
    options.classes.iter().map(of).filter(|(_, events)| !events.is_empty()).collect()
}

/// Frames of each class and layout asked for. What another contender does not take for an event with the same id is left
/// out and counted on standard error.
pub(super) fn frames(options: &Options) -> Vec<FrameSet> {
    let mut sets = Vec::new();
    for (class, events) in events(options) {
        for layout in &options.layouts {
            let all: Vec<String> = events.iter().map(|event| layout.frame(SUBSCRIPTION, event)).collect();
            let agreed = |(frame, event): &(String, &Event)| peers::all_agree(frame, event);
            let pairs = all.into_iter().zip(&events).filter(agreed);
            let frames: Vec<String> = pairs.map(|(frame, _)| frame).collect();
            if frames.len() < events.len() {
                let (class, layout, left) = (class.name(), layout.name(), events.len() - frames.len());
                eprintln!(
                    "{class} {layout}: {left} of {} frames left out, not every contender reads them",
                    events.len()
                );
            }
            sets.push(FrameSet { class, layout: *layout, frames });
        }
    }
    sets
}
