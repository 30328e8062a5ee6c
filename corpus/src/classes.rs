//! Classes of events to measure by: what a figure is given for.

use std::fmt;

use nostr_proto::Event;

use crate::{Mix, Shape, generated_with, shared};

/// A class of events, of a size and texture of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Kind 1, at most 600 bytes.
    Note,
    /// Kind 7.
    Reaction,
    /// Kind 6, with a whole signed event as JSON in the content.
    Repost,
    /// Kind 9735, with a signed request as JSON in a tag.
    Zap,
    /// Kind 3 with 1,000 entries, some 80 KB.
    Follows,
    /// Kind 30023, 3 to 40 KB of Markdown with line ends, quotes, emoji and several scripts.
    Article,
    /// Content of which every few bytes are escaped, JSON in JSON in JSON among it.
    Escapes,
    /// All of the above, as often as relays send them: 1.6 KB in the mean.
    Mix,
    /// The real events of the shared corpus; none where it is absent.
    Real,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 9] = [
        Self::Note,
        Self::Reaction,
        Self::Repost,
        Self::Zap,
        Self::Follows,
        Self::Article,
        Self::Escapes,
        Self::Mix,
        Self::Real,
    ];

    /// How often each shape comes in [`Class::Mix`], in a thousand events.
    const WEIGHTS: [(Shape, u32); 7] = [
        (Shape::Note, 540),
        (Shape::Reaction, 290),
        (Shape::Repost, 60),
        (Shape::Zap, 87),
        (Shape::Follows, 8),
        (Shape::LongArticle, 8),
        (Shape::Escapes, 7),
    ];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Reaction => "reaction",
            Self::Repost => "repost",
            Self::Zap => "zap",
            Self::Follows => "follows",
            Self::Article => "article",
            Self::Escapes => "escapes",
            Self::Mix => "mix",
            Self::Real => "real",
        }
    }

    /// Signed events of this class, all different, of at least so many bytes in all, and at least 8 of them.
    /// The same seed gives the same bytes. Of [`Class::Real`]: all there are.
    pub fn events(self, seed: u64, bytes: usize) -> Vec<Event> {
        let mix = match self {
            Self::Note => Mix::only(Shape::Note),
            Self::Reaction => Mix::only(Shape::Reaction),
            Self::Repost => Mix::only(Shape::Repost),
            Self::Zap => Mix::only(Shape::Zap),
            Self::Follows => Mix::only(Shape::Follows),
            Self::Article => Mix::only(Shape::LongArticle),
            Self::Escapes => Mix::only(Shape::Escapes),
            Self::Mix => Mix { weights: Self::WEIGHTS.to_vec(), ..Mix::only(Shape::Note) },
            Self::Real => return real(),
        };
        let fits = |event: &Event| self != Self::Note || event.size() <= 600;
        let mut events: Vec<Event> = Vec::new();
        let mut n = 8;
        loop {
            // A longer corpus starts with the shorter one, so that this only ever adds.
            events.clear();
            let mut have = 0;
            for event in generated_with(seed, n, &mix).into_iter().filter(fits) {
                if have >= bytes && events.len() >= 8 {
                    return events;
                }
                have += event.size();
                events.push(event);
            }
            n = n.saturating_mul(2);
        }
    }
}

fn real() -> Vec<Event> {
    let lines = shared().unwrap_or_default();
    let parse = |line: &String| Event::from_json(line).unwrap_or_else(|e| panic!("the shared corpus: {e}: {line}"));
    lines.iter().map(parse).collect()
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_sizes_they_say() {
        let mean = |class: Class| {
            let events = class.events(1, 200_000);
            events.iter().map(Event::size).sum::<usize>() / events.len()
        };
        for (class, from, to) in [
            (Class::Note, 350, 600),
            (Class::Reaction, 400, 700),
            (Class::Repost, 900, 2_500),
            (Class::Zap, 1_200, 2_500),
            (Class::Follows, 70_000, 90_000),
            (Class::Article, 5_000, 40_000),
            (Class::Escapes, 2_000, 20_000),
            (Class::Mix, 1_200, 2_200),
        ] {
            assert!((from..to).contains(&mean(class)), "{}: {}", class.name(), mean(class));
        }
    }

    #[test]
    fn a_class_is_what_its_name_says() {
        assert!(Class::Note.events(2, 50_000).iter().all(|e| e.size() <= 600));
        assert!(Class::Follows.events(2, 1).iter().all(|e| e.tags().len() == 1_000));
        for repost in Class::Repost.events(2, 50_000) {
            assert!(Event::from_json(repost.content()).is_ok(), "{}", repost.content());
        }
        for event in Class::Escapes.events(2, 100_000) {
            let escaped = event.size() - event.content().len();
            assert!(escaped > event.content().len() / 10, "{escaped} of {}", event.size());
        }
        assert_eq!(Class::Zap.events(2, 1).len(), 8);
    }
}
