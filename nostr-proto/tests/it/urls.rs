//! Relay URLs: one name per relay.

use nostr_proto::{RelayUrl, RelayUrlError, limits};
use proptest::prelude::*;

fn canonical(text: &str) -> String {
    RelayUrl::parse(text).expect(text).to_string()
}

#[test]
fn aliases_collapse() {
    for (canonical_form, aliases) in [
        (
            "wss://relay.example.com",
            &[
                "wss://relay.example.com/",
                "WSS://Relay.Example.COM",
                "wss://relay.example.com:443",
                "wss://relay.example.com:443/",
                "wss://relay.example.com./",
                "wss://relay.example.com.:443",
                "wss://relay.example.com/?",
                "wss://relay.example.com?",
                "wss://relay.example.com/.",
                "wss://relay.example.com/a/..",
                "wss://%72elay.example.com",
                "  wss://relay.example.com\n",
                "wss:\\\\relay.example.com\\",
                "wss://:@relay.example.com",
            ][..],
        ),
        ("ws://relay.example.com", &["ws://relay.example.com:80/", "ws://relay.example.com:080"]),
        ("ws://relay.example.com:443", &["WS://relay.example.com:0443/"]),
        ("wss://relay.example.com:80", &[]),
        ("wss://xn--bcher-kva.example", &["wss://bücher.example", "wss://BÜCHER.example/"]),
        ("ws://127.0.0.1", &["ws://127.1", "ws://2130706433/", "ws://0x7f.0.0.1:80", "ws://127.0.0.1."]),
        ("ws://[::1]:7777", &["ws://[0:0:0:0:0:0:0:1]:7777/"]),
        ("wss://a.example/b", &["wss://a.example/x/../b", "wss://a.example/./b", "wss://a.example/b?"]),
        ("wss://a.example/?k=v", &["wss://a.example?k=v"]),
    ] {
        assert_eq!(canonical(canonical_form), canonical_form);
        for alias in aliases {
            assert_eq!(canonical(alias), canonical_form, "{alias:?}");
        }
    }
}

#[test]
fn distinct_urls_stay_distinct() {
    let urls = [
        "wss://a.example",
        "ws://a.example",
        "wss://b.example",
        "wss://a.example:444",
        "wss://a.example/b",
        "wss://a.example/b/",
        "wss://a.example//b",
        "wss://a.example//",
        "wss://a.example/B",
        "wss://a.example/?b",
        "wss://a.example/?B",
        "wss://www.a.example",
        "wss://a.example/b%2Fc",
        "wss://a.example/b/c",
    ];
    for (index, one) in urls.iter().enumerate() {
        for other in &urls[index + 1..] {
            assert_ne!(RelayUrl::parse(one), RelayUrl::parse(other));
        }
    }
}

#[test]
fn parts() {
    for (text, host, port, authority, path, secure) in [
        ("wss://a.example", "a.example", 443, "a.example", "/", true),
        ("ws://a.example", "a.example", 80, "a.example", "/", false),
        ("wss://a.example:8080/x/y?z=/:8", "a.example", 8080, "a.example:8080", "/x/y?z=/:8", true),
        ("ws://[::1]:7777/x", "::1", 7777, "[::1]:7777", "/x", false),
        ("wss://[2001:db8::2]", "2001:db8::2", 443, "[2001:db8::2]", "/", true),
        ("wss://a.example?q", "a.example", 443, "a.example", "/?q", true),
    ] {
        let url = RelayUrl::parse(text).unwrap();
        let parts = (url.host(), url.port(), url.authority(), url.path_and_query(), url.is_secure());
        assert_eq!(parts, (host, port, authority, path, secure), "{text}");
    }
    let ip = |text| RelayUrl::parse(text).unwrap().ip().map(|ip| ip.to_string());
    assert_eq!(ip("ws://[::1]").as_deref(), Some("::1"));
    assert_eq!(ip("ws://10.1").as_deref(), Some("10.0.0.1"));
    assert_eq!(ip("ws://a.example"), None);
}

#[test]
fn refused() {
    use RelayUrlError::{BadHost, BadPort, Fragment, NoScheme, TooLong, UserInfo, WrongScheme};
    let long = format!("wss://a.example/{}", "x".repeat(limits::MAX_URL_BYTES));
    // Short as typed, too long once percent-encoded.
    let grows = format!("wss://a.example/{}", "é".repeat(limits::MAX_URL_BYTES / 4));
    assert!(grows.len() < limits::MAX_URL_BYTES);
    for (text, error) in [
        ("", NoScheme),
        ("relay.example.com", NoScheme),
        ("relay.example.com/path", NoScheme),
        ("relay.example.com:8080", NoScheme),
        ("//relay.example.com", NoScheme),
        ("https://relay.example.com", WrongScheme),
        ("wsss://relay.example.com", WrongScheme),
        ("wss://", BadHost),
        ("wss:///", BadHost),
        ("wss://a b", BadHost),
        ("wss://.", BadHost),
        ("wss://a..", BadHost),
        ("wss://a..b", BadHost),
        ("wss://.a", BadHost),
        ("wss://[::1", BadHost),
        ("wss://256.256.256.256", BadHost),
        ("wss://a:0", BadPort),
        ("wss://a:65536", BadPort),
        ("wss://a:x", BadPort),
        ("wss://user@a", UserInfo),
        ("wss://:secret@a", UserInfo),
        ("wss://a#", Fragment),
        ("wss://a/b#c", Fragment),
        (&long, TooLong),
        (&grows, TooLong),
    ] {
        assert_eq!(RelayUrl::parse(text), Err(error), "{text:?}");
    }
    assert_eq!(
        RelayUrl::parse("relay.example.com").unwrap_err().to_string(),
        "a relay URL begins with wss:// or ws://"
    );
}

#[test]
fn serde_is_the_string() {
    let url = RelayUrl::parse("wss://A.example/").unwrap();
    assert_eq!(serde_json::to_string(&url).unwrap(), "\"wss://a.example\"");
    assert_eq!(serde_json::from_str::<RelayUrl>("\"wss://a.example:443\"").unwrap(), url);
    assert!(serde_json::from_str::<RelayUrl>("\"a.example\"").is_err());
}

proptest! {
    #[test]
    fn canonical_form_is_a_fixed_point(
        scheme in "(ws|wss|WSS)", host in "[a-zA-Z0-9.%é-]{0,12}", port in "(:[0-9]{0,5})?", rest in "([/?#.a%:@é\\\\ ]|\\PC){0,12}",
    ) {
        if let Ok(url) = RelayUrl::parse(&format!("{scheme}://{host}{port}{rest}")) {
            let again = RelayUrl::parse(url.as_str());
            prop_assert_eq!(again.as_ref(), Ok(&url));
            let rebuilt = format!(
                "{}://{}{}", if url.is_secure() { "wss" } else { "ws" }, url.authority(), url.path_and_query(),
            );
            prop_assert_eq!(RelayUrl::parse(&rebuilt), Ok(url.clone()));
            prop_assert!(!url.host().is_empty() && url.port() != 0);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
        let _ = RelayUrl::parse(&text);
    }
}
