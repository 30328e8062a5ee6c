//! The command line of the codec's benchmarks.

use std::error::Error;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use nostr_pool_corpus::{Class, Layout};

/// What `--help` says.
pub const HELP: &str = "\
The codec beside the nostr crate, serde_json into owned structs, and other JSON parsers.

Usage: codec [options], or nostr-pool-bench codec [options]

  --rows A,B       parse, duplicate, hash, checks, encode; default all
  --classes A,B    note, reaction, repost, zap, follows, article, escapes, mix, real; default all
  --layouts A,B    id-first, content-first, id-last, id-last-spaced; default all
  --rounds N       rounds, each of which runs every contender on every set, default 7
  --slice N        ms that a contender runs on a set in a round, at least one pass; default 8
  --bytes N        the least size of a set in bytes, default 1000000
  --seed N         seed of the generated sets, default 1
  --instructions   count instructions under callgrind instead of time, without checks
";

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// A frame to an event, without verification.
    Parse,
    /// A frame to "already seen".
    Duplicate,
    /// The id from the event.
    Hash,
    /// All of a note's work but its signature, beside the signature.
    Checks,
    /// Client messages to JSON.
    Encode,
}

impl Row {
    /// All rows.
    pub const ALL: [Self; 5] = [Self::Parse, Self::Duplicate, Self::Hash, Self::Checks, Self::Encode];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Duplicate => "duplicate",
            Self::Hash => "hash",
            Self::Checks => "checks",
            Self::Encode => "encode",
        }
    }
}

/// What to find out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Time,
    Instructions,
    /// Hidden: the pass that callgrind counts.
    Count {
        contender: String,
    },
}

/// What to measure, on what, for how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// The rows of the table.
    pub rows: Vec<Row>,
    /// The classes of events.
    pub classes: Vec<Class>,
    /// The spellings of frames.
    pub layouts: Vec<Layout>,
    /// Rounds, at least 1.
    pub rounds: usize,
    /// How long a contender runs on a set in a round.
    pub slice: Duration,
    /// The least size of a set, in bytes.
    pub bytes: usize,
    /// The seed of the generated sets.
    pub seed: u64,
    pub(super) task: Task,
    /// Hidden: the set that callgrind counts a pass over.
    pub(super) heat: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: Row::ALL.to_vec(),
            classes: Class::ALL.to_vec(),
            layouts: Layout::ALL.to_vec(),
            rounds: 7,
            slice: Duration::from_millis(8),
            bytes: 1_000_000,
            seed: 1,
            task: Task::Time,
            heat: 0,
        }
    }
}

impl Options {
    /// Reads the command line; `None` if it asks for help.
    ///
    /// # Errors
    ///
    /// An unknown option, or a value that is none.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Self>, Box<dyn Error>> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "-h" | "--help" => return Ok(None),
                "--rows" => options.rows = named(&value()?, &Row::ALL, Row::name)?,
                "--classes" => options.classes = named(&value()?, &Class::ALL, Class::name)?,
                "--layouts" => options.layouts = named(&value()?, &Layout::ALL, Layout::name)?,
                "--rounds" => options.rounds = number(&word, &value()?)?,
                "--slice" => options.slice = Duration::from_millis(number(&word, &value()?)?),
                "--bytes" => options.bytes = number(&word, &value()?)?,
                "--seed" => options.seed = number(&word, &value()?)?,
                "--instructions" => options.task = Task::Instructions,
                "--count" => options.task = Task::Count { contender: value()? },
                "--heat" => options.heat = number(&word, &value()?)?,
                _ => return Err(format!("unknown argument {word}; --help lists them").into()),
            }
        }
        if options.rounds == 0 {
            return Err("--rounds must be at least 1".into());
        }
        Ok(Some(options))
    }

    /// The options that make another process work on the same sets.
    pub(super) fn sets(&self) -> [String; 8] {
        let classes: Vec<&str> = self.classes.iter().map(|class| class.name()).collect();
        let layouts: Vec<&str> = self.layouts.iter().map(|layout| layout.name()).collect();
        let (bytes, seed) = (self.bytes.to_string(), self.seed.to_string());
        let [a, b, c, d] = ["--classes", "--layouts", "--bytes", "--seed"].map(str::to_owned);
        [a, classes.join(","), b, layouts.join(","), c, bytes, d, seed]
    }
}

fn named<T: Copy>(list: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<Vec<T>, String> {
    let find = |word: &str| {
        let known = || all.iter().map(|item| name(*item)).collect::<Vec<_>>().join(", ");
        all.iter().copied().find(|item| name(*item) == word).ok_or_else(|| format!("{word}: it is one of {}", known()))
    };
    list.split(',').map(find).collect()
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|e| format!("{name} {text}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, Box<dyn Error>> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_and_wrong_ones_refused() {
        let options = parse("--rows hash,parse --classes note --rounds 3").unwrap().unwrap();
        assert_eq!((options.rows, options.rounds), (vec![Row::Hash, Row::Parse], 3));
        assert_eq!(options.classes, [Class::Note]);
        assert!(parse("--help").unwrap().is_none());
        for wrong in ["--rows sum", "--rounds 0", "--rounds", "--loud"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
