//! A relay URL.

use nostr_proto::{RelayUrl, limits};

/// What is accepted is canonical already after one pass, and within the limits.
pub fn relay_url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(url) = RelayUrl::parse(text) else { return };
    let canonical = url.as_str();
    assert!(canonical.len() <= limits::MAX_URL_BYTES, "{canonical} is longer than the limit");
    assert_eq!(RelayUrl::parse(canonical).as_ref(), Ok(&url), "{canonical} is not its own canonical form");
    assert!(canonical.starts_with(if url.is_secure() { "wss://" } else { "ws://" }), "{canonical} has another scheme");
    assert!(!canonical.contains('#'), "{canonical} has a fragment");
    assert!(canonical.bytes().all(|b| (0x21..0x7f).contains(&b)), "{canonical:?} is not printable ASCII");
    assert!(!url.host().is_empty() && !url.host().contains('@'), "{canonical} has no proper host");
    assert_eq!(url.host(), url.host().to_ascii_lowercase(), "{canonical} has capitals in its host");
    assert!(!url.host().ends_with('.'), "{canonical} has a dot after its host");
    assert_eq!(url.to_string(), canonical);
    assert_aliases(&url);
}

/// Other spellings of the same URL are the same relay, as far as they are short enough; another path is another.
fn assert_aliases(url: &RelayUrl) {
    let scheme = if url.is_secure() { "wss" } else { "ws" };
    let (authority, rest) = (url.authority(), url.path_and_query());
    let host = authority.strip_suffix(&format!(":{}", url.port())).unwrap_or(authority);
    for alias in [
        format!("{}://{}{rest}", scheme.to_uppercase(), authority.to_uppercase()),
        format!("{scheme}://{host}:{}{rest}", url.port()),
        format!("{scheme}://{host}:0{}{rest}", url.port()),
        format!(" {scheme}:\\\\{authority}/.{rest}\n"),
        format!("{scheme}://:@{authority}{rest}"),
    ] {
        if alias.len() <= limits::MAX_URL_BYTES {
            assert_eq!(RelayUrl::parse(&alias).as_ref(), Ok(url), "{alias:?} is another spelling");
        }
    }
    let other = format!("{scheme}://{authority}/another{rest}");
    assert_ne!(RelayUrl::parse(&other).as_ref(), Ok(url), "{other} is another relay");
}
