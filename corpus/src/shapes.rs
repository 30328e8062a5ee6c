//! The shapes that generated events come in, one for each kind found in real corpora.

use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};

use super::{Mix, Rng};

mod words;

/// A shape of event: its kind, and what its tags and content look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Kind 1: a short note, sometimes a reply, sometimes tagged.
    Note,
    /// Kind 0: a profile, JSON in the content.
    Profile,
    /// Kind 7: a reaction.
    Reaction,
    /// Kind 5: a deletion of something that is not in the corpus.
    Deletion,
    /// Kind 3: a contact list, from empty to 800 entries.
    Contacts,
    /// Kind 31234: an encrypted draft, addressable.
    Draft,
    /// Kind 9041: a goal.
    Goal,
    /// Kind 10002: a relay list, replaceable.
    RelayList,
    /// Kind 9735: a zap receipt with a signed request as JSON in a tag.
    Zap,
    /// Kind 6300: a job result with JSON in the content and in a tag.
    JobResult,
    /// Kind 6: a repost, a whole signed event as JSON in the content.
    Repost,
    /// Kind 30023: a long article with Markdown, escapes, emoji and control characters.
    Article,
    /// Kind 30078: application data, addressable.
    AppData,
    /// Kind 22456: an ephemeral message.
    Ephemeral,
    /// Kind 1311: a live chat message.
    LiveChat,
    /// Kind 10000: a mute list, replaceable.
    MuteList,
    /// Kind 3: a contact list of exactly 1,000 entries, some 80 KB. Not in [`Shape::WEIGHTS`].
    Follows,
    /// Kind 30023: an article of 3 to 40 KB. Not in [`Shape::WEIGHTS`].
    LongArticle,
    /// Kind 1: 300 bytes to 30 KB of which every few need an escape: code, or JSON in JSON in JSON.
    /// Not in [`Shape::WEIGHTS`].
    Escapes,
}

impl Shape {
    /// How often each comes in the shared corpus, in about a thousand events.
    pub const WEIGHTS: [(Self, u32); 16] = [
        (Self::Note, 311),
        (Self::Profile, 295),
        (Self::Reaction, 121),
        (Self::Deletion, 40),
        (Self::Contacts, 36),
        (Self::Draft, 31),
        (Self::Goal, 27),
        (Self::RelayList, 26),
        (Self::Zap, 21),
        (Self::JobResult, 17),
        (Self::Repost, 13),
        (Self::Article, 6),
        (Self::AppData, 8),
        (Self::Ephemeral, 6),
        (Self::LiveChat, 10),
        (Self::MuteList, 4),
    ];

    fn kind(self) -> Kind {
        Kind::new(match self {
            Self::Note | Self::Escapes => 1,
            Self::Profile => 0,
            Self::Reaction => 7,
            Self::Deletion => 5,
            Self::Contacts | Self::Follows => 3,
            Self::Draft => 31234,
            Self::Goal => 9041,
            Self::RelayList => 10002,
            Self::Zap => 9735,
            Self::JobResult => 6300,
            Self::Repost => 6,
            Self::Article | Self::LongArticle => 30023,
            Self::AppData => 30078,
            Self::Ephemeral => 22456,
            Self::LiveChat => 1311,
            Self::MuteList => 10000,
        })
    }

    fn is_replaceable(self) -> bool {
        matches!(self, Self::Profile | Self::Contacts | Self::Follows | Self::RelayList | Self::MuteList)
    }
}

/// When the first event is dated: a fixed day in the past.
const EPOCH: u64 = 1_741_300_000;

pub(super) struct Generator {
    rng: Rng,
    authors: Vec<Keys>,
    weights: Vec<(Shape, u32)>,
    total: u32,
    distinct: bool,
    made: u64,
    last_note: Option<Event>,
}

impl Generator {
    pub(super) fn new(seed: u64, mix: &Mix) -> Self {
        let mut rng = Rng::new(seed);
        let authors = (0..mix.authors.max(1)).map(|_| new_keys(&mut rng)).collect();
        let total = mix.weights.iter().map(|(_, weight)| weight).sum();
        assert!(total > 0, "a mix needs a shape with a weight");
        Self { rng, authors, weights: mix.weights.clone(), total, distinct: mix.distinct, made: 0, last_note: None }
    }

    pub(super) fn into_authors(self) -> Vec<Keys> {
        self.authors
    }

    pub(super) fn next_event(&mut self) -> Event {
        let shape = self.next_shape();
        let keys = if self.distinct && shape.is_replaceable() {
            new_keys(&mut self.rng)
        } else {
            self.rng.pick(&self.authors).clone()
        };
        let (content, tags) = self.fill(shape, &keys);
        // Two events a second on average, a third of them a little late, so that equal and falling times occur.
        let late = if self.rng.one_in(3) { self.rng.below(20) as u64 } else { 0 };
        let at = EPOCH + self.made / 2 + 20 - late;
        let event = sign(&mut self.rng, &keys, shape.kind(), content, tags, at);
        self.made += 1;
        if shape == Shape::Note {
            self.last_note = Some(event.clone());
        }
        event
    }

    fn next_shape(&mut self) -> Shape {
        let mut at = self.rng.below(self.total as usize);
        for (shape, weight) in &self.weights {
            let weight = *weight as usize;
            if at < weight {
                return *shape;
            }
            at -= weight;
        }
        unreachable!("the number drawn is below the sum of the weights")
    }

    fn fill(&mut self, shape: Shape, author: &Keys) -> (String, Vec<Vec<String>>) {
        let rng = &mut self.rng;
        match shape {
            Shape::Note => note(rng),
            Shape::Profile => profile(rng),
            Shape::Reaction => reaction(rng),
            Shape::Deletion => deletion(rng, author),
            Shape::Contacts => contacts(rng),
            Shape::Follows => (String::new(), (0..1_000).map(|_| contact(rng)).collect()),
            Shape::Draft => (base64(rng, 1_025), vec![self.identifier(6), tag(["k", "1"])]),
            Shape::Goal => goal(rng),
            Shape::RelayList => (String::new(), relay_tags(rng, "r", 3)),
            Shape::Zap => self.zap(),
            Shape::JobResult => job_result(rng),
            Shape::Repost => self.repost(),
            Shape::Article => self.article(4, 30),
            Shape::LongArticle => self.article(12, 150),
            Shape::Escapes => (self.escapes(), Vec::new()),
            Shape::AppData => (base64(rng, 648), vec![self.identifier(3), tag(["t", "perm"])]),
            Shape::Ephemeral => {
                let sealed = format!("{}?iv={}==", base64(rng, 24), base64(rng, 22));
                (sealed, vec![tag(["p", &rng.hex(64)])])
            }
            Shape::LiveChat => {
                let at = format!("30311:{}:{}", rng.hex(64), rng.hex(36));
                (words::sentence(rng, 9), vec![tag(["a", &at, "wss://relay.example/", "root"])])
            }
            Shape::MuteList => (String::new(), (0..91).map(|_| tag(["p", &rng.hex(64)])).collect()),
        }
    }

    /// A `d` tag out of so many values, or a new one where no event may replace another.
    fn identifier(&mut self, of: usize) -> Vec<String> {
        if self.distinct {
            return tag(["d", &format!("{}-{}", self.made, self.rng.hex(8))]);
        }
        let n = self.rng.below(of);
        tag(["d", &format!("document-{n}")])
    }

    fn article(&mut self, fewest: usize, most: usize) -> (String, Vec<Vec<String>>) {
        let rng = &mut self.rng;
        let sections = rng.between(fewest, most);
        let article = words::article(rng, sections);
        let title = words::sentence(rng, 6);
        (article, vec![self.identifier(12), tag(["title", &title]), tag(["t", "nostr"])])
    }

    /// Half of them text, half an event whose content is an event whose content is such text.
    fn escapes(&mut self) -> String {
        let scale = 300 << self.rng.below(6);
        let bytes = self.rng.between(scale, 2 * scale);
        if self.rng.one_in(2) {
            return words::escapes(&mut self.rng, bytes);
        }
        let mut content = words::escapes(&mut self.rng, bytes / 6);
        for _ in 0..2 {
            content = self.note_of(content, Vec::new()).to_json();
        }
        content
    }

    /// A note by one of the authors, for another event to carry.
    fn note_of(&mut self, content: String, tags: Vec<Vec<String>>) -> Event {
        let keys = self.rng.pick(&self.authors).clone();
        sign(&mut self.rng, &keys, Shape::Note.kind(), content, tags, EPOCH + self.made / 2)
    }

    fn repost(&mut self) -> (String, Vec<Vec<String>>) {
        let note = self.last_note.clone().unwrap_or_else(|| {
            let (content, tags) = note(&mut self.rng);
            self.note_of(content, tags)
        });
        let (id, author) = (note.id().to_string(), note.pubkey().to_string());
        (note.to_json(), vec![tag(["e", &id, "", "root"]), tag(["p", &author])])
    }

    fn zap(&mut self) -> (String, Vec<Vec<String>>) {
        const BECH32: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        let rng = &mut self.rng;
        let (to, about) = (rng.hex(64), rng.hex(64));
        let mut request = vec![tag(["p", &to]), tag(["e", &about]), tag(["amount", "21000"])];
        request.push(std::iter::once("relays".to_owned()).chain((0..4).map(|_| words::relay(rng))).collect());
        let comment = if rng.one_in(3) { words::sentence(rng, 4) } else { String::new() };
        let payer = rng.below(self.authors.len());
        let request = sign(rng, &self.authors[payer], Kind::new(9734), comment, request, EPOCH + self.made / 2);
        let bolt11 = format!("lnbc210n1p{}", rng.text(BECH32, 330));
        let tags = vec![
            tag(["p", &to]),
            tag(["e", &about]),
            tag(["bolt11", &bolt11]),
            tag(["preimage", &rng.hex(64)]),
            tag(["description", &request.to_json()]),
        ];
        (String::new(), tags)
    }
}

fn new_keys(rng: &mut Rng) -> Keys {
    // Almost every 32 bytes are a valid secret key; the loop is for the few that are not.
    loop {
        if let Ok(keys) = Keys::from_entropy(rng.bytes32()) {
            return keys;
        }
    }
}

fn sign(rng: &mut Rng, keys: &Keys, kind: Kind, content: String, tags: Vec<Vec<String>>, at: u64) -> Event {
    let mut template = EventTemplate::new(kind, content, Timestamp::new(at));
    template.tags = tags;
    template.unsigned(keys.public_key()).sign(keys, rng.bytes32())
}

fn tag<const N: usize>(values: [&str; N]) -> Vec<String> {
    values.map(str::to_owned).to_vec()
}

fn base64(rng: &mut Rng, mean: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let len = rng.between(mean / 4, mean * 7 / 4);
    rng.text(ALPHABET, len)
}

fn relay_tags(rng: &mut Rng, name: &str, most: usize) -> Vec<Vec<String>> {
    (0..rng.between(1, most)).map(|_| tag([name, &words::relay(rng)])).collect()
}

fn note(rng: &mut Rng) -> (String, Vec<Vec<String>>) {
    let content = match rng.below(40) {
        0 => words::paragraphs(rng, 5),
        1..=8 => words::paragraphs(rng, 1),
        _ => words::sentence(rng, 12),
    };
    let mut tags = Vec::new();
    if rng.one_in(2) {
        tags.push(tag(["e", &rng.hex(64), &words::relay(rng), "root"]));
        tags.extend((0..rng.below(3)).map(|_| tag(["p", &rng.hex(64)])));
    }
    if rng.one_in(4) {
        tags.extend((0..rng.between(1, 5)).map(|_| tag(["t", words::word(rng)])));
    }
    if rng.one_in(20) {
        let image = format!("https://image.example/{}.jpg", rng.hex(64));
        tags.push(tag(["imeta", &format!("url {image}"), &format!("x {}", rng.hex(64)), "m image/jpeg"]));
    }
    (content, tags)
}

fn profile(rng: &mut Rng) -> (String, Vec<Vec<String>>) {
    let name = words::word(rng).to_owned() + &rng.below(10_000).to_string();
    let content = if rng.one_in(3) {
        let picture = format!("https:\\/\\/image.example\\/{}.png", rng.hex(32));
        format!(r#"{{"name":"{name}","about":"{}","picture":"{picture}"}}"#, words::plain(rng, 9))
    } else {
        format!(r#"{{"name":"{name}"}}"#)
    };
    let proxy = rng.one_in(15).then(|| tag(["proxy", &format!("https://social.example/@{name}"), "web"]));
    (content, proxy.into_iter().collect())
}

fn reaction(rng: &mut Rng) -> (String, Vec<Vec<String>>) {
    let mut tags = vec![tag(["e", &rng.hex(64)]), tag(["p", &rng.hex(64)])];
    if rng.one_in(2) {
        tags.push(tag(["k", "1"]));
    }
    if rng.one_in(20) {
        tags.push(tag(["emoji", "cheers", "https://image.example/cheers.webp"]));
        return (":cheers:".to_owned(), tags);
    }
    ((*rng.pick(&["+", "+", "+", "🤙", "❤️", "🚀", "-", ""])).to_owned(), tags)
}

fn deletion(rng: &mut Rng, author: &Keys) -> (String, Vec<Vec<String>>) {
    let draft = format!("31234:{}:{}", author.public_key(), rng.hex(36));
    (String::new(), vec![tag(["e", &rng.hex(64)]), tag(["a", &draft]), tag(["k", "31234"])])
}

fn contacts(rng: &mut Rng) -> (String, Vec<Vec<String>>) {
    let entries = match rng.below(10) {
        0 => 0,
        1..=5 => rng.between(1, 100),
        6..=8 => rng.between(100, 400),
        _ => rng.between(400, 800),
    };
    let tags = (0..entries).map(|_| contact(rng)).collect();
    if rng.one_in(2) {
        return (String::new(), tags);
    }
    let relays: Vec<String> =
        (0..rng.between(1, 12)).map(|_| format!(r#""{}":{{"read":true,"write":true}}"#, words::relay(rng))).collect();
    (format!("{{{}}}", relays.join(",")), tags)
}

fn contact(rng: &mut Rng) -> Vec<String> {
    match rng.below(20) {
        0 => tag(["p", &rng.hex(64), &words::relay(rng), words::word(rng)]),
        1 | 2 => tag(["p", &rng.hex(64), &words::relay(rng)]),
        _ => tag(["p", &rng.hex(64)]),
    }
}

fn goal(rng: &mut Rng) -> (String, Vec<Vec<String>>) {
    let tags = vec![
        tag(["relays", &words::relay(rng), &words::relay(rng)]),
        tag(["amount", &rng.between(1_000, 90_000).to_string()]),
        tag(["closed_at", "1741372919.291553"]),
        tag(["summary", &words::paragraphs(rng, 1)]),
    ];
    (words::sentence(rng, 2), tags)
}

fn job_result(rng: &mut Rng) -> (String, Vec<Vec<String>>) {
    let entries: Vec<String> = (0..rng.between(25, 50)).map(|_| format!(r#"["e","{}"]"#, rng.hex(64))).collect();
    let request = format!(
        r#"{{"id":"{}","pubkey":"{}","created_at":{EPOCH},"kind":5300,"tags":[["relays","{}"]],"content":"","sig":"{}"}}"#,
        rng.hex(64),
        rng.hex(64),
        words::relay(rng),
        rng.hex(128)
    );
    let tags = vec![tag(["e", &rng.hex(64)]), tag(["p", &rng.hex(64)]), tag(["request", &request])];
    (format!("[{}]", entries.join(",")), tags)
}
