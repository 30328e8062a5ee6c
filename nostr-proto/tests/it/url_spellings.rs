//! One relay, one name: URLs are made from their parts, written in the canonical form by naive code, and spelled in
//! every other way that means the same.

use crate::bad::{variant_name, variants_of};
use crate::support::Choices;
use nostr_proto::{RelayUrl, RelayUrlError, limits};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq)]
enum Host {
    Name(Vec<String>),
    V4(u32),
    V6([u16; 8]),
}

/// A URL in parts. Two of these that differ are two relays.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    secure: bool,
    host: Host,
    /// Never the default port of the scheme.
    port: Option<u16>,
    /// What stands between slashes; a last one that is empty is a slash at the end.
    path: Vec<String>,
    query: Option<String>,
}

impl Parts {
    fn canonical(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        let host = match &self.host {
            Host::Name(labels) => labels.join("."),
            Host::V4(address) => dotted(*address),
            Host::V6(pieces) => format!("[{}]", compressed(pieces)),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let path: String = self.path.iter().map(|segment| format!("/{segment}")).collect();
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        // A path that is nothing but a slash is not written, unless a query follows it.
        let path = match path.as_str() {
            "" | "/" => {
                if query.is_empty() {
                    ""
                } else {
                    "/"
                }
            }
            path => path,
        };
        format!("{scheme}://{host}{port}{path}{query}")
    }

    /// Another spelling of the same URL.
    fn spelled(&self, choices: &mut Choices) -> String {
        let scheme = any_case(if self.secure { "wss" } else { "ws" }, choices);
        let slashes = ["://", "://", ":\\\\", ":/\\", ":/", ":", ":///", "://\t/"][choices.below(8)];
        let user = ["", "", "", "@", ":@"][choices.below(5)];
        let host = match &self.host {
            Host::Name(labels) => {
                let name = any_case(&labels.join("."), choices);
                let name: String = name.chars().map(|c| percent(c, choices)).collect();
                name + ["", "."][choices.below(2)]
            }
            Host::V4(address) => spelled_v4(*address, choices) + ["", "."][choices.below(2)],
            Host::V6(pieces) => format!("[{}]", spelled_v6(pieces, choices)),
        };
        let default = if self.secure { 443 } else { 80 };
        let port = match self.port {
            Some(port) => format!(":{}{port}", "0".repeat(choices.below(4))),
            None => [String::new(), ":".to_owned(), format!(":{default}"), format!(":00{default}")][choices.below(4)]
                .clone(),
        };
        let mut rest = String::new();
        for segment in &self.path {
            // Steps that lead nowhere.
            rest += ["", "", "", "/.", "/x/..", "/%2e", "/x/%2E.", "/./y/.."][choices.below(8)];
            rest += ["/", "/", "/", "\\"][choices.below(4)];
            rest += segment;
        }
        if self.path.is_empty() {
            rest += ["", "/", "/.", "/..", "/x/..", "/../..", "\\"][choices.below(7)];
        }
        match &self.query {
            Some(query) => rest += &format!("?{query}"),
            None => rest += ["", "?"][choices.below(2)],
        }
        let mut url = format!("{scheme}{slashes}{user}{host}{port}{rest}");
        // Tabs and line breaks are dropped wherever they stand; spaces and controls around the whole too.
        for _ in 0..choices.below(3) {
            let at = choices.below(url.len() + 1);
            url.insert(at, ['\t', '\n', '\r'][choices.below(3)]);
        }
        let around = ["", "", " ", "\n \t", "\0", "\u{1f} "];
        format!("{}{url}{}", around[choices.below(6)], around[choices.below(6)])
    }
}

fn any_case(text: &str, choices: &mut Choices) -> String {
    text.chars().map(|c| if choices.below(3) == 0 { c.to_ascii_uppercase() } else { c }).collect()
}

/// A character of a host, now and then percent-encoded.
fn percent(character: char, choices: &mut Choices) -> String {
    match choices.below(8) {
        0 => format!("%{:02x}", character as u32),
        1 => format!("%{:02X}", character as u32),
        _ => character.to_string(),
    }
}

fn dotted(address: u32) -> String {
    address.to_be_bytes().map(|byte| byte.to_string()).join(".")
}

/// One to four numbers, of which the last holds what is left; each decimal, octal or hex.
fn spelled_v4(address: u32, choices: &mut Choices) -> String {
    let count = 1 + choices.below(4);
    let bytes = address.to_be_bytes();
    let mut numbers: Vec<u32> = bytes[..count - 1].iter().map(|&byte| byte.into()).collect();
    numbers.push(bytes[count - 1..].iter().fold(0, |number, &byte| (number << 8) | u32::from(byte)));
    let spelled = numbers.iter().map(|number| match choices.below(5) {
        0 => format!("0x{number:x}"),
        1 => format!("0X{number:X}"),
        2 if *number > 0 => format!("0{number:o}"),
        3 => format!("0x00{number:x}"),
        _ => number.to_string(),
    });
    spelled.collect::<Vec<_>>().join(".")
}

/// Hex pieces, the first longest run of at least two zeros left out.
fn compressed(pieces: &[u16; 8]) -> String {
    let mut best = 0..0;
    for start in 0..8 {
        let length = pieces[start..].iter().take_while(|&&piece| piece == 0).count();
        if length >= 2 && length > best.len() {
            best = start..start + length;
        }
    }
    let hex = |pieces: &[u16]| pieces.iter().map(|piece| format!("{piece:x}")).collect::<Vec<_>>().join(":");
    match best.len() {
        0 => hex(pieces),
        _ => format!("{}::{}", hex(&pieces[..best.start]), hex(&pieces[best.end..])),
    }
}

/// Upper case, leading zeros, any run of zeros left out or none, and the last two pieces as an IPv4 address.
fn spelled_v6(pieces: &[u16; 8], choices: &mut Choices) -> String {
    let one = |piece: &u16, style: usize| match style {
        0 => format!("{piece:X}"),
        1 => format!("{piece:04x}"),
        2 => format!("{piece:04X}"),
        _ => format!("{piece:x}"),
    };
    let mut words: Vec<String> = pieces.iter().map(|piece| one(piece, choices.below(5))).collect();
    let dotted_end = choices.below(3) == 0;
    if dotted_end {
        words.truncate(6);
        words.push(dotted((u32::from(pieces[6]) << 16) | u32::from(pieces[7])));
    }
    let ends = if dotted_end { 6 } else { 8 };
    let start = choices.below(ends);
    let zeros = pieces[start..ends].iter().take_while(|&&piece| piece == 0).count();
    if zeros == 0 || choices.below(3) == 0 {
        return words.join(":");
    }
    let end = start + 1 + choices.below(zeros);
    format!("{}::{}", words[..start].join(":"), words[end..].join(":"))
}

fn host() -> impl Strategy<Value = Host> {
    // A last label that begins with a digit could be read as a number.
    let label = || "[a-z][a-z0-9]{0,3}(-[a-z0-9]{1,3})?";
    let piece = prop_oneof![3 => Just(0_u16), 1 => any::<u16>(), 1 => 1_u16..20];
    prop_oneof![
        3 => vec(label(), 1..4).prop_map(Host::Name),
        1 => prop_oneof![any::<u32>(), Just(0), Just(0x7f00_0001), Just(u32::MAX)].prop_map(Host::V4),
        1 => prop::array::uniform8(piece).prop_map(Host::V6),
    ]
}

fn parts() -> impl Strategy<Value = Parts> {
    let segment = "[A-Za-z0-9_~!$&'()*+,;=:@-]{1,5}|%2[Ff]|%25|\\.\\.\\.|a\\.b";
    let path = (vec(segment, 0..3), any::<bool>()).prop_map(|(mut path, slash)| {
        if slash && !path.is_empty() {
            path.push(String::new());
        }
        path
    });
    let query = option::weighted(0.3, "[A-Za-z0-9=&/?:@%_-]{1,8}");
    let port = option::weighted(0.4, prop_oneof![1_u16..1000, any::<u16>()]);
    (any::<bool>(), host(), port, path, query).prop_map(|(secure, host, port, path, query)| {
        let port = port.filter(|&port| port != 0 && port != if secure { 443 } else { 80 });
        Parts { secure, host, port, path, query }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_spelling_has_the_one_canonical_form(parts in parts(), mut choices in Choices::any()) {
        let canonical = parts.canonical();
        let url = RelayUrl::parse(&canonical).expect(&canonical);
        prop_assert_eq!(url.as_str(), &canonical);
        let spelled = parts.spelled(&mut choices);
        let again = RelayUrl::parse(&spelled);
        prop_assert_eq!(again.as_ref(), Ok(&url), "{:?}", spelled);
        prop_assert_eq!(url.is_secure(), parts.secure);
        prop_assert_eq!(url.port(), parts.port.unwrap_or(if parts.secure { 443 } else { 80 }));
        match parts.host {
            Host::Name(labels) => prop_assert_eq!((url.host().to_owned(), url.ip()), (labels.join("."), None)),
            Host::V4(address) => prop_assert_eq!(url.ip(), Some(std::net::Ipv4Addr::from(address).into())),
            Host::V6(pieces) => prop_assert_eq!(url.ip(), Some(std::net::Ipv6Addr::from(pieces).into())),
        }
    }

    #[test]
    fn urls_that_differ_in_a_part_stay_distinct(one in parts(), other in parts(), take in 0_usize..5, mut choices in Choices::any()) {
        // One part of another URL at a time, so that only that part can tell them apart.
        let mut mixed = one.clone();
        match take {
            0 => mixed.secure = !one.secure,
            1 => mixed.host = other.host,
            2 => mixed.port = other.port,
            3 => mixed.path = other.path,
            _ => mixed.query = other.query,
        }
        mixed.port = mixed.port.filter(|&port| port != if mixed.secure { 443 } else { 80 });
        let (a, b) = (one.spelled(&mut choices), mixed.spelled(&mut choices));
        prop_assert_eq!(RelayUrl::parse(&a) == RelayUrl::parse(&b), one == mixed, "{:?} {:?}", a, b);
    }

    #[test]
    fn letters_keep_their_case_behind_the_host(parts in parts()) {
        let canonical = parts.canonical();
        let url = RelayUrl::parse(&canonical).unwrap();
        let behind = canonical.len() - url.path_and_query().len().min(canonical.len());
        for at in behind..canonical.len() {
            // A slash that only the accessor knows of makes it one too many.
            let in_host = !canonical[..at].trim_start_matches("wss://").trim_start_matches("ws://").contains('/');
            if in_host || !canonical.as_bytes()[at].is_ascii_alphabetic() {
                continue;
            }
            let mut other = canonical.clone().into_bytes();
            other[at] ^= 0x20;
            let other = String::from_utf8(other).unwrap();
            prop_assert_ne!(&url, &RelayUrl::parse(&other).unwrap());
        }
    }
}

/// URLs that break a rule, by the error, apart from those that are too long.
const REFUSED: [(RelayUrlError, &[&str]); 6] = [
    (
        RelayUrlError::NoScheme,
        &[
            "",
            " ",
            "a",
            "a.example",
            "a.example/b",
            "//a.example",
            "/b",
            "?q",
            "#f",
            "://a",
            "a.example:80",
            "1ws://a",
            "é://a",
            "wss",
            "[::1]",
            "w s://a",
        ],
    ),
    (
        RelayUrlError::WrongScheme,
        &["http://a", "https://a", "wsss://a", "w://a", "ws+unix://a", "ftp://a", "file:///a", "x-wss://a", "WSX://a"],
    ),
    (
        RelayUrlError::BadHost,
        &[
            "wss://",
            "wss:///",
            "wss://?q",
            "wss://:80",
            "wss://@",
            "wss://a b",
            "wss://a<b",
            "wss://a>b",
            "wss://a^b",
            "wss://a|b",
            "wss://a%b",
            "wss://a%zz",
            "wss://a%00",
            "wss://a%20b",
            "wss://a%2fb",
            "wss://a\u{7f}b",
            "wss://%c3%28",
            "wss://.",
            "wss://..",
            "wss://.a",
            "wss://a..",
            "wss://a..b",
            "wss://[",
            "wss://]",
            "wss://[]",
            "wss://[::1",
            "wss://::1]",
            "wss://[::1]x",
            "wss://[::g]",
            "wss://[1:2]",
            "wss://[1:2:3:4:5:6:7]",
            "wss://[1:2:3:4:5:6:7:8:9]",
            "wss://[1::2::3]",
            "wss://[:1:2:3:4:5:6:7]",
            "wss://[12345::]",
            "wss://[::1%25eth0]",
            "wss://[::1.2.3]",
            "wss://[::1.2.3.256]",
            "wss://[::01.2.3.4]",
            "wss://[1.2.3.4]",
            "wss://256.1.1.1",
            "wss://1.256.1.1",
            "wss://1.2.3.4.5",
            "wss://1.2.65536",
            "wss://4294967296",
            "wss://0x100000000",
            "wss://1.2.3.09",
            "wss://a.1",
            "wss://a.0x",
            "wss://1.2.3.x.4",
            "wss://xn--",
            "wss://xn--a",
            "wss://xn--zzzzzzz99999",
        ],
    ),
    (
        RelayUrlError::BadPort,
        &[
            "wss://a:0",
            "wss://a:00",
            "wss://a:65536",
            "wss://a:99999999999",
            "wss://a:x",
            "wss://a:-1",
            "wss://a:+1",
            "wss://a:8 0",
            "wss://a:8x",
            "wss://a:８０",
            "wss://a:0x50",
            "wss://[::1]:x",
            "wss://a:80:80",
        ],
    ),
    (
        RelayUrlError::UserInfo,
        &[
            "wss://u@a",
            "wss://u:@a",
            "wss://:p@a",
            "wss://u:p@a",
            "wss://u@v@a",
            "wss://%20@a",
            "wss://a.example:443@b.example",
        ],
    ),
    (RelayUrlError::Fragment, &["wss://a#", "wss://a/#", "wss://a/b#c", "wss://a?q#c", "wss://a##", "wss://a#?q"]),
];

/// One URL per rule and per way to break it.
fn refused() -> Vec<(String, RelayUrlError)> {
    use RelayUrlError::TooLong;
    let mut refused: Vec<(String, RelayUrlError)> =
        REFUSED.iter().flat_map(|(error, texts)| texts.iter().map(|text| ((*text).to_owned(), *error))).collect();
    let most = limits::MAX_URL_BYTES;
    let filled = |start: &str, fill: &str, bytes: usize| {
        format!("{start}{}", fill.repeat((bytes - start.len()).div_ceil(fill.len())))
    };
    refused.push((filled("wss://a/", "x", most + 1), TooLong));
    refused.push((filled("wss://a/?", "x", most + 1), TooLong));
    refused.push((filled("wss://a", " ", most + 1), TooLong));
    refused.push((filled("wss://a/./", "./", most + 1), TooLong));
    refused.push((filled("", "x", most + 1), TooLong));
    // Short as typed, too long once percent-encoded.
    refused.push((filled("wss://a/", "é", most / 2), TooLong));
    refused.push((filled("wss://a/", " x", most - 200), TooLong));
    refused
}

#[test]
fn each_refused_url_has_its_error() {
    let failures: Vec<String> = refused()
        .into_iter()
        .filter(|(text, error)| RelayUrl::parse(text) != Err(*error))
        .map(|(text, error)| format!("{text:?}: {:?} instead of {error:?}", RelayUrl::parse(&text)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let longest = format!("wss://a/{}", "x".repeat(limits::MAX_URL_BYTES - 8));
    assert_eq!(RelayUrl::parse(&longest).unwrap().as_str(), longest);
}

#[test]
fn every_error_is_in_the_table() {
    let reached: BTreeSet<String> = refused().iter().map(|(_, error)| variant_name(format!("{error:?}"))).collect();
    assert_eq!(reached, variants_of(include_str!("../../src/url.rs"), "RelayUrlError"));
}
