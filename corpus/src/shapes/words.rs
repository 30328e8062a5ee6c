//! Words to fill events with: several scripts, emoji, and everything that JSON has to escape.

use crate::Rng;

const WORDS: [&str; 48] = [
    "relay",
    "signal",
    "morning",
    "coffee",
    "bridge",
    "river",
    "market",
    "garden",
    "window",
    "letter",
    "paper",
    "light",
    "harbour",
    "winter",
    "question",
    "answer",
    "network",
    "quiet",
    "mountain",
    "engine",
    "copper",
    "island",
    "thread",
    "needle",
    "orange",
    "silver",
    "pocket",
    "ticket",
    "station",
    "number",
    "über",
    "façade",
    "niño",
    "сигнал",
    "утро",
    "мост",
    "信号",
    "今日は",
    "橋",
    "مرحبا",
    "جسر",
    "नमस्ते",
    "🤙",
    "🚀",
    "🎉🎉",
    "👩‍👩‍👧",
    "🇻🇪",
    "⚡",
];

const RELAYS: [&str; 10] = [
    "wss://relay.example",
    "wss://nos.example/",
    "wss://relay.one.example",
    "wss://purple.example",
    "wss://eden.nostr.example/",
    "wss://bridge.example/nostr",
    "ws://games.example:4848",
    "wss://relay.two.example",
    "wss://a.very.long.host.name.of.a.relay.example",
    "wss://nostr.example/?id=1",
];

pub(super) fn word(rng: &mut Rng) -> &'static str {
    rng.pick::<&'static str>(&WORDS)
}

pub(super) fn relay(rng: &mut Rng) -> String {
    (*rng.pick(&RELAYS)).to_owned()
}

/// About `mean` words without anything that JSON escapes.
pub(super) fn plain(rng: &mut Rng, mean: usize) -> String {
    let words: Vec<&str> = (0..rng.between(1, 2 * mean - 1)).map(|_| word(rng)).collect();
    words.join(" ")
}

/// About `mean` words, now and then quoted or with a link.
pub(super) fn sentence(rng: &mut Rng, mean: usize) -> String {
    let text = plain(rng, mean);
    match rng.below(12) {
        0 => format!("\"{text}\", they said."),
        1 => format!("{text} https://video.example/{}.mp4", rng.hex(32)),
        2 => format!("{text}\n"),
        3 => format!("{text} #{}", word(rng)),
        _ => text,
    }
}

/// So many paragraphs.
pub(super) fn paragraphs(rng: &mut Rng, count: usize) -> String {
    let paragraphs: Vec<String> = (0..count).map(|_| (0..3).map(|_| sentence(rng, 10) + ". ").collect()).collect();
    paragraphs.join("\n\n")
}

/// An article in Markdown, of so many sections of some 300 bytes, with each character that JSON must escape and some that it must not.
pub(super) fn article(rng: &mut Rng, sections: usize) -> String {
    let odd = [
        "\ttabbed\r\n",
        "C:\\path\\to",
        "\u{8}\u{c}",
        "\u{1}\u{1f}",
        "\u{7f}\u{2028}\u{feff}",
        "</script>",
        "\"\\\"\"",
        "\u{10ffff}",
    ];
    let mut text = format!("# {}\n\n", plain(rng, 5));
    for _ in 0..sections {
        text += &paragraphs(rng, 1);
        if rng.one_in(2) {
            text += *rng.pick(&odd);
        }
        if rng.one_in(3) {
            text += &format!("\n\n- *{}*\n- `{}`\n\n```\nlet x = \"{}\";\n```\n", word(rng), rng.hex(12), word(rng));
        }
    }
    text
}

/// About so many bytes in which every few characters need an escape: quotes, backslashes, line ends, control characters.
pub(super) fn escapes(rng: &mut Rng, bytes: usize) -> String {
    const PIECES: [&str; 12] =
        ["\"", "\\", "\n", "\\n", "\\\"", "\r\n", "\t", "\"\"", "\\\\", "\u{1}", "\\d+\\s*", "\"\\u0022\""];
    let mut text = String::new();
    while text.len() < bytes {
        text += *rng.pick(&PIECES);
        let len = rng.below(8);
        text += &rng.text(b"abcdefghij klmnop,:[]{}", len);
    }
    text
}
