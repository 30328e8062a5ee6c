//! What the crate takes from the heap, counted: by number of calls, by what stays, and at most at any moment.
//!
//! The counting allocator sees every call of this thread. It knows no growing in place: a reallocation is a new
//! block beside the old one, so it counts as one more, and both are held for a moment.

// Helpers of tests fail as tests do; clippy only knows this inside of `#[test]`.
#![allow(clippy::unwrap_used, clippy::panic)]

use allocation_counter::{AllocationInfo, measure};
use nostr_proto::{
    ClientMessage, Event, EventTemplate, Fee, Filter, Keys, Kind, RelayInfo, RelayMessage, Retention, Timestamp,
    limits, scan_head, scan_signature, verify,
};
use std::fs;
use std::hint::black_box;

/// Does the work; what it gave, and what it took.
fn counted<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = measure(|| result = Some(work()));
    (result.unwrap(), info)
}

/// A small source of choices (SplitMix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn hex(&mut self) -> String {
        (0..4).map(|_| format!("{:016x}", self.next())).collect()
    }

    fn words(&mut self, most: usize) -> String {
        const WORDS: [&str; 12] = [
            "gm",
            "the",
            "relay",
            "zap",
            "é",
            "🤙🏽",
            "\n",
            "\"so\"",
            "\\o/",
            "日本語",
            "https://a.example/x?y=1#z",
            "\u{1}",
        ];
        let count = self.below(most + 1);
        (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// A named event, as JSON.
struct Sample {
    name: String,
    json: String,
}

/// An event's minified JSON around these tags and this content, both written by `serde_json`.
fn event(rng: &mut Rng, kind: u16, tags: &[Vec<String>], content: &str) -> String {
    let (id, pubkey, sig) = (rng.hex(), rng.hex(), rng.hex() + &rng.hex());
    let created_at = 1_700_000_000 + rng.below(50_000_000);
    let (tags, content) = (serde_json::to_string(tags).unwrap(), serde_json::to_string(content).unwrap());
    format!(
        r#"{{"id":"{id}","pubkey":"{pubkey}","created_at":{created_at},"kind":{kind},"tags":{tags},"content":{content},"sig":"{sig}"}}"#
    )
}

fn tag<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Vec<String> {
    values.into_iter().map(Into::into).collect()
}

/// Events of the shapes that relays carry.
fn usual(rng: &mut Rng) -> Vec<Sample> {
    let mut samples = Vec::new();
    for round in 0..20 {
        let id = rng.hex();
        let note = vec![tag(["e", &id, "wss://relay.example.com", "root"]), tag(["p", &rng.hex()])];
        let words = rng.words(60);
        let inner = event(rng, 1, &note, &words);
        let zap = vec![tag(["p", &rng.hex()]), tag(["description", &inner]), tag(["bolt11", &"lnbc1".repeat(60)])];
        let follows: Vec<Vec<String>> = (0..1000).map(|_| tag(["p", &rng.hex()])).collect();
        let petnames: Vec<Vec<String>> =
            (0..1000).map(|_| tag(["p", &rng.hex(), "wss://r.example/\"x\"", &rng.words(2)])).collect();
        let article = vec![tag(["d", &format!("post-{round}")]), tag(["title", &rng.words(9)])];
        let long = rng.words(4_000);
        for (name, kind, tags, content) in [
            ("note", 1, &[][..], words.as_str()),
            ("reply", 1, &note, &words),
            ("reaction", 7, &note, "+"),
            ("repost", 6, &note, &inner),
            ("zap", 9735, &zap, ""),
            ("contacts", 3, &follows, ""),
            ("contacts with petnames", 3, &petnames, "{\"wss://a\":{\"read\":true}}"),
            ("article", 30_023, &article, &long),
        ] {
            samples.push(Sample { name: format!("{name} {round}"), json: event(rng, kind, tags, content) });
        }
    }
    samples
}

/// Events of shapes at the edges of what is allowed.
fn odd(rng: &mut Rng) -> Vec<Sample> {
    let many = |value: &[&str], count: usize| vec![tag(value.iter().copied()); count];
    let shapes = [
        ("nothing in it", vec![], String::new()),
        ("a thousand empty tags", many(&[], 1000), String::new()),
        ("a thousand empty strings", many(&[""], 1000), String::new()),
        ("one tag of a thousand empty strings", vec![vec![String::new(); 1000]], String::new()),
        ("a thousand letters", many(&["a", "b"], 1000), String::new()),
        ("tags of escapes", many(&["\n\"\\", "\u{1}\u{2}"], 1000), String::new()),
        ("values around a length of 64", (56..72).map(|n| vec!["x".repeat(n)]).collect(), String::new()),
        ("values around a length of 4096", (4090..4100).map(|n| vec!["x".repeat(n)]).collect(), String::new()),
        ("content of quotes", vec![], "\"".repeat(5000)),
        ("content of controls", vec![], "\u{1}".repeat(5000)),
        ("content of emoji", vec![], "🦀".repeat(5000)),
        ("a long content", vec![], "x".repeat(limits::MAX_EVENT_BYTES - 1000)),
        ("a long content of escapes", vec![], "\n".repeat((limits::MAX_EVENT_BYTES - 1000) / 2)),
        ("a long tag", vec![vec!["\\".repeat((limits::MAX_EVENT_BYTES - 1000) / 2)]], String::new()),
        ("a very long list", many(&["p", &"0".repeat(64)], 14_000), String::new()),
    ];
    shapes
        .into_iter()
        .map(|(name, tags, content)| Sample { name: name.to_owned(), json: event(rng, 1, &tags, &content) })
        .collect()
}

/// The same events as less thrifty encoders write them: other orders, white space, needless escapes, unknown fields.
fn respelled(samples: &[Sample]) -> Vec<Sample> {
    let spell = |sample: &Sample| {
        let json = &sample.json;
        let tags = json.find(",\"tags\":").unwrap();
        let content = json.rfind(",\"content\":").unwrap();
        let sig = json.rfind(",\"sig\":").unwrap();
        let (head, tags, content, sig) =
            (&json[1..tags], &json[tags + 1..content], &json[content + 1..sig], &json[sig + 1..]);
        let sig = sig.trim_end_matches('}');
        let named = |name: &str, json: String| Sample { name: format!("{}, {name}", sample.name), json };
        let wide = ",".to_owned() + &" ".repeat(json.len());
        [
            named("content first", format!("{{{content},{head},{tags},{sig}}}")),
            named("tags last", format!("{{{sig},{content},{head},{tags}}}")),
            named("in white space", format!("{{ {head}{wide}{tags}{wide}{content}{wide}{sig} \n}}")),
            named(
                "among unknown fields",
                format!("{{\"x\":[{}1],{content},{head},{tags},{sig}}}", "1,".repeat(json.len() / 2)),
            ),
            named(
                "with needless escapes",
                format!("{{{content},{head},{tags},{sig}}}").replace("\"id\"", "\"i\\u0064\"").replace('a', "\\u0061"),
            ),
        ]
    };
    // The escapes of "a" turn up in keys too, and leave them what they were.
    samples.iter().flat_map(spell).filter(|sample| sample.json.len() <= limits::MAX_EVENT_BYTES).collect()
}

/// Events that people signed, where the corpus is present.
fn corpus() -> Vec<Sample> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/events.jsonl");
    let Ok(text) = fs::read_to_string(path) else {
        println!("skipped: no corpus");
        return Vec::new();
    };
    text.lines()
        .enumerate()
        .map(|(line, json)| Sample { name: format!("corpus {line}"), json: json.to_owned() })
        .collect()
}

fn all_samples() -> Vec<Sample> {
    let rng = &mut Rng(1);
    let mut samples = usual(rng);
    samples.extend(odd(rng));
    samples.extend(corpus());
    let more = respelled(&samples);
    samples.extend(more);
    samples
}

/// Runs the check over all samples and names those that fail it, a few of many.
fn each(samples: &[Sample], check: impl Fn(&Sample) -> Result<(), String>) {
    let failures: Vec<String> = samples
        .iter()
        .filter_map(|s| check(s).err().map(|e| format!("{} ({} bytes): {e}", s.name, s.json.len())))
        .collect();
    let shown = failures[..failures.len().min(20)].join("\n");
    assert!(failures.is_empty(), "{} of {} events:\n{shown}", failures.len(), samples.len());
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[test]
fn no_event_takes_more_than_two_allocations() {
    each(&all_samples(), |sample| {
        let (event, info) = counted(|| Event::from_json(&sample.json));
        let event = event.map_err(|e| e.to_string())?;
        ensure(info.count_current <= 2, || format!("{} blocks stay", info.count_current))?;
        ensure(info.count_total <= 2, || format!("{} allocations while parsing", info.count_total))?;
        drop(event);
        let frame = format!("[\"EVENT\",\"sub\",{}]", sample.json);
        let (message, info) = counted(|| RelayMessage::parse(&frame));
        ensure(message.is_ok() && info.count_total <= 2, || {
            format!("{} allocations while parsing a frame", info.count_total)
        })
    });
}

#[test]
fn an_event_keeps_at_most_a_tenth_more_than_its_minified_json() {
    each(&all_samples(), |sample| {
        let (event, info) = counted(|| Event::from_json(&sample.json).unwrap());
        let (kept, minified) = (usize::try_from(info.bytes_current).unwrap(), event.size());
        ensure(kept * 10 <= minified * 11, || format!("{kept} bytes stay for {minified} bytes of JSON"))?;
        ensure(event.heap_bytes() == kept, || format!("heap_bytes() says {}, {kept} stay", event.heap_bytes()))
    });
}

#[test]
fn a_signed_event_keeps_no_more_than_the_same_event_parsed() {
    let keys = Keys::from_entropy([3; 32]).unwrap();
    for tags in [0, 1, 1000] {
        let (event, info) = counted(|| {
            let mut template =
                EventTemplate::new(Kind::TEXT_NOTE, "x \"y\" \n".repeat(40), Timestamp::new(1_700_000_000));
            for _ in 0..tags {
                template = template.tag(["p", &"7f".repeat(32)]);
            }
            keys.sign(&template, [0; 32])
        });
        let (parsed, parsed_info) = counted(|| Event::from_json(&event.to_json()).unwrap());
        assert_eq!(parsed, event);
        // Parsing also makes the text here, and drops it.
        assert!(info.bytes_current <= parsed_info.bytes_current, "{info:?} {parsed_info:?}");
        assert!(event.heap_bytes() * 10 <= event.size() * 11, "{} of {}", event.heap_bytes(), event.size());
    }
}

#[test]
fn clones_hashes_scans_and_views_allocate_nothing() {
    let filter = Filter::new().kind(Kind::TEXT_NOTE).tag('p', "7f".repeat(32)).until(Timestamp::MAX);
    each(&all_samples(), |sample| {
        let event = Event::from_json(&sample.json).unwrap();
        let frame = format!("[\"EVENT\",\"sub\",{}]", sample.json);
        let (copy, clone) = counted(|| event.clone());
        let (_, hash) = counted(|| black_box(event.compute_id()));
        let (_, size) = counted(|| black_box(event.size()));
        let (_, matches) = counted(|| black_box(filter.matches(&event)));
        let (_, views) = counted(|| event.tags().flat_map(|tag| tag.iter().map(str::len)).sum::<usize>());
        let (_, head) = counted(|| (scan_head(&frame), scan_signature(&frame)));
        let (_, check) = counted(|| black_box(copy.check_id()).is_ok());
        for (what, info) in [
            ("clone", clone),
            ("compute_id", hash),
            ("size", size),
            ("matches", matches),
            ("tags", views),
            ("scan", head),
            ("check_id", check),
        ] {
            ensure(info.count_total == 0, || format!("{what}: {} allocations", info.count_total))?;
        }
        Ok(())
    });
}

#[test]
fn verifying_allocates_nothing() {
    let keys = Keys::from_entropy([5; 32]).unwrap();
    let sign = |content: &str| keys.sign(&EventTemplate::text_note(content, Timestamp::new(1)), [1; 32]);
    // What a thread needs for its first verification it may keep.
    verify(&sign("warm").check_id().unwrap()).unwrap();
    for content in ["", "x", "long \n ".repeat(1000).as_str()] {
        let hashed = sign(content).check_id().unwrap();
        let (proof, info) = counted(|| verify(&hashed));
        assert!(proof.is_ok());
        assert_eq!(info.count_total, 0, "{info:?}");
        let forged = hashed.with_signature(sign("another").signature());
        let (proof, info) = counted(|| verify(&forged));
        assert!(proof.is_err());
        assert_eq!(info.count_total, 0, "{info:?}");
    }
}

#[test]
fn encoding_takes_one_buffer_of_the_right_size() {
    each(&all_samples(), |sample| {
        let event = Event::from_json(&sample.json).unwrap();
        let (json, info) = counted(|| event.to_json());
        ensure(info.count_total == 1, || format!("to_json: {} allocations", info.count_total))?;
        ensure(json.capacity() == json.len(), || format!("{} bytes for {}", json.capacity(), json.len()))?;
        let (frame, info) = counted(|| nostr_proto::encode::event(&event));
        ensure(info.count_total == 1 && frame.capacity() == frame.len(), || {
            format!("EVENT: {} allocations", info.count_total)
        })?;
        let mut buffer = String::with_capacity(json.len());
        let (_, info) = counted(|| event.write_json(&mut buffer));
        ensure(info.count_total == 0, || format!("write_json: {} allocations", info.count_total))
    });
}

// Hostile input. The bounds are in bytes held at one moment; a growing vector holds its old and its new block at once.

/// What parsing any event, good or bad, may hold per byte of its text, besides [`FIXED`].
const EVENT_FACTOR: usize = 3;
/// The same of a relay's frame.
const FRAME_FACTOR: usize = 3;
/// The same of a filter, whose worst is a list of empty strings: three bytes each on the wire, 24 in memory, and in the
/// worst moment that of a vector three times.
const FILTER_FACTOR: usize = 24;
/// The same of a relay information document.
const INFO_FACTOR: usize = 3;
/// What its lists may take besides, which are bounded in number: an entry of a few bytes takes some ten times as many.
const INFO_ITEMS: usize = 3 * limits::MAX_INFO_ITEMS * (3 * size_of::<Fee>() + size_of::<Retention>());
/// What may come on top, whatever the size.
const FIXED: usize = 2048;
/// What a REQ or COUNT may take for its filters besides: each is some hundred bytes, even where it is two on the wire.
const FILTERS: usize = 3 * limits::MAX_FILTERS * size_of::<Filter>();

fn assert_bounded<T>(what: &str, text: &str, factor: usize, fixed: usize, parse: impl FnOnce() -> T) {
    let (_, info) = counted(|| drop(black_box(parse())));
    let bound = factor * text.len() + fixed;
    let head = &text[..text.floor_char_boundary(120)];
    assert!(info.bytes_max <= bound as u64, "{what}: {} bytes for {} of text: {head}", info.bytes_max, text.len());
    assert_eq!(info.bytes_current, 0, "{what} leaks: {head}");
}

fn assert_all_bounded(text: &str) {
    assert_bounded("event", text, EVENT_FACTOR, FIXED, || Event::from_json(text));
    assert_bounded("relay frame", text, FRAME_FACTOR, FIXED, || RelayMessage::parse(text));
    assert_bounded("filter", text, FILTER_FACTOR, FIXED + 52 * 64, || Filter::from_json(text));
    assert_bounded("client message", text, FILTER_FACTOR, FIXED + FILTERS, || ClientMessage::from_json(text));
    assert_bounded("relay information", text, INFO_FACTOR, FIXED + INFO_ITEMS, || RelayInfo::from_json(text));
    let (_, info) = counted(|| (scan_head(text), scan_signature(text)));
    assert_eq!(info.count_total, 0, "a scan allocates");
}

/// What hostile texts are made of, many times over.
const PIECES: [&str; 30] = [
    "",
    "[",
    "{",
    "\"",
    "[]",
    "[],",
    "{},",
    "\"\",",
    "\"a\",",
    "1,",
    "0,",
    "\\u0000",
    "\\n",
    "\\ud83e\\udd80",
    "\\",
    "x",
    " ",
    "é",
    "[[],",
    "[\"\"],",
    "{\"a\":",
    "\"a\":1,",
    "\"\\u0061\":1,",
    "65535,",
    "null,",
    "{\"amount\":1},",
    "{\"amount\":1,\"kinds\":[1]},",
    "{\"time\":1},",
    "[1,2],",
    "00",
];

/// What they are put into.
const FRAMES: [(&str, &str); 34] = [
    ("", ""),
    ("[", "]"),
    ("\"", "\""),
    ("{\"tags\":[", "]}"),
    ("{\"tags\":[[", "]]}"),
    ("{\"content\":\"", "\"}"),
    ("{\"x\":[", "]}"),
    ("{\"#t\":[", "]}"),
    ("{\"kinds\":[", "]}"),
    ("{\"search\":\"", "\"}"),
    ("{\"#t\":[\"", "\"]}"),
    ("[\"EVENT\",\"s\",{\"tags\":[[", "]]}]"),
    ("[\"EVENT\",\"", "\",{}]"),
    ("[\"NOTICE\",\"", "\"]"),
    ("[\"CLOSED\",\"s\",\"", "\"]"),
    ("[\"AUTH\",\"", "\"]"),
    ("[\"EOSE\",\"s\",[", "]]"),
    ("[\"COUNT\",\"s\",{\"count\":1,\"hll\":\"", "\"}]"),
    ("[\"", "\"]"),
    ("[\"REQ\",\"s\",", "{}]"),
    ("[\"REQ\",\"s\",{\"#t\":[", "\"\"]}]"),
    ("[\"REQ\",\"", "\",{}]"),
    ("[\"CLOSE\",\"", "\"]"),
    ("[\"NEG-MSG\",\"s\",\"", "\"]"),
    ("[\"NEG-OPEN\",\"s\",{},\"", "\"]"),
    ("[\"NEG-ERR\",\"s\",\"", "\"]"),
    ("{\"name\":\"", "\"}"),
    ("{\"supported_nips\":[", "]}"),
    ("{\"tags\":[", "]}"),
    ("{\"fees\":{\"admission\":[", "]}}"),
    ("{\"fees\":{\"admission\":[{\"amount\":1,\"kinds\":[", "]}]}}"),
    ("{\"retention\":[", "]}"),
    ("{\"retention\":[{\"time\":1,\"kinds\":[", "]}]}"),
    ("[\"X\",", "1]"),
];

/// Texts made to take as much memory as possible.
fn hostile() -> Vec<String> {
    let id = "0".repeat(64);
    let mut texts = Vec::new();
    for (open, close) in FRAMES {
        for piece in PIECES {
            for count in [1, 40, 2_100] {
                let middle = piece.repeat(count);
                texts.push(format!("{open}{middle}{close}"));
                // Cut off, and with the comma at the end that JSON does not allow taken away.
                texts.push(format!("{open}{middle}"));
                texts.push(format!("{open}{}{close}", middle.trim_end_matches(',')));
            }
        }
    }
    let letters = ('a'..='z').chain('A'..='Z');
    texts.push(format!("{{{}}}", letters.map(|c| format!("\"#{c}\":[]")).collect::<Vec<_>>().join(",")));
    texts
        .push(format!("[\"REQ\",\"s\",{}{{}}]", format!("{{\"ids\":[\"{id}\"],\"authors\":[\"{id}\"]}},").repeat(500)));
    texts.push(format!("[\"OK\",\"{id}\",true,\"error: {}\"]", "\\n".repeat(3000)));
    texts
}

#[test]
fn no_text_takes_more_than_a_stated_multiple_of_its_size() {
    let texts = hostile();
    assert!(texts.iter().filter(|text| RelayMessage::parse(text).is_ok()).count() > 100);
    assert!(texts.iter().filter(|text| Filter::from_json(text).is_ok()).count() > 50);
    texts.iter().for_each(|text| assert_all_bounded(text));
}

#[test]
fn no_broken_event_takes_more_either() {
    let rng = &mut Rng(2);
    let samples = usual(rng);
    let samples: Vec<&Sample> = samples.iter().filter(|sample| sample.json.len() < 4000).collect();
    for round in 0..3000 {
        let mut json = samples[round % samples.len()].json.clone();
        if round % 2 == 0 {
            json = format!("[\"EVENT\",\"s\",{json}]");
        }
        for _ in 0..=rng.below(3) {
            let (one, other) = (rng.below(json.len()), rng.below(json.len()));
            let (start, end) = (json.floor_char_boundary(one.min(other)), json.floor_char_boundary(one.max(other)));
            match rng.below(3) {
                0 => json.truncate(end.max(1)),
                1 => {
                    let piece = json[start..end].to_owned();
                    json.insert_str(start, &piece);
                }
                _ => json.replace_range(start..end.min(json.floor_char_boundary(start + 3)), "\\u0041"),
            }
        }
        assert_all_bounded(&json);
    }
}
