//! A relay information document.

use nostr_proto::{RelayInfo, limits};
use serde_json::Value;

use crate::tree::{Reading, Tree};

/// Levels of nesting that are read over.
const DEPTH: usize = 64;

/// Every JSON object is accepted, and nothing else; what was understood is understood the same again; lists stay within
/// their bound; and where no field appears twice, texts and flags are what `serde_json` reads.
pub fn nip11(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let info = RelayInfo::from_json(text);
    if text.len() > limits::MAX_RELAY_INFO_BYTES {
        assert!(info.is_err(), "a document larger than the limit was accepted");
        return;
    }
    match Tree::read(text) {
        Reading::Tree(tree) => {
            let is_document = matches!(tree, Tree::Map(_)) && tree.depth() <= DEPTH;
            assert_eq!(info.is_ok(), is_document, "{info:?} of {text}");
        }
        Reading::Refused => assert!(info.is_err(), "no JSON, but accepted: {text}"),
        Reading::Beyond => {}
    }
    let Ok(info) = info else { return };
    assert_bounded(&info);
    let json = info.to_json();
    let again = RelayInfo::from_json(&json).expect("our own encoding of a document is accepted");
    assert_eq!(again, RelayInfo { ignored: 0, ..info }, "a document changed on its way through JSON");
    assert_eq!(again.to_json(), json, "a document has one encoding");
    assert!(serde_json::from_str::<Value>(&json).is_ok_and(|value| value.is_object()), "{json}");

    // Written by serde_json no field appears twice.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let once = value.to_string();
    if let Ok(info) = RelayInfo::from_json(&once) {
        assert_read(&info, &value);
    }
}

fn assert_bounded(info: &RelayInfo) {
    let RelayInfo { supported_nips, relay_countries, language_tags, tags, retention, fees, limitation, .. } = info;
    let lengths = [supported_nips.len(), relay_countries.len(), language_tags.len(), tags.len(), retention.len()];
    let fees = [fees.admission.len(), fees.subscription.len(), fees.publication.len()];
    assert!(lengths.iter().chain(&fees).all(|&length| length <= limits::MAX_INFO_ITEMS), "{lengths:?} {fees:?}");
    assert_ne!(limitation.max_message_length, Some(0), "no maximum is 0");
    assert_ne!(limitation.max_subscriptions, Some(0), "no maximum is 0");
}

fn assert_read(info: &RelayInfo, value: &Value) {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty());
    for (name, found) in [
        ("name", &info.name),
        ("description", &info.description),
        ("banner", &info.banner),
        ("icon", &info.icon),
        ("contact", &info.contact),
        ("software", &info.software),
        ("version", &info.version),
        ("terms_of_service", &info.terms_of_service),
        ("payments_url", &info.payments_url),
        ("posting_policy", &info.posting_policy),
        ("privacy_policy", &info.privacy_policy),
    ] {
        assert_eq!(found.as_deref(), text(name), "{name} of {value}");
    }
    let flag = |name: &str| value["limitation"][name].as_bool();
    assert_eq!(info.limitation.auth_required, flag("auth_required"), "{value}");
    assert_eq!(info.limitation.payment_required, flag("payment_required"), "{value}");
    assert_eq!(info.limitation.restricted_writes, flag("restricted_writes"), "{value}");
    // A plain number is taken as it is where it is one that the field can have.
    if let Some(most) = value["limitation"]["max_message_length"].as_u64() {
        assert_eq!(info.limitation.max_message_length, Some(most).filter(|&most| most > 0), "{value}");
    }
    for nip in value["supported_nips"].as_array().into_iter().flatten().take(limits::MAX_INFO_ITEMS) {
        if let Some(Ok(nip)) = nip.as_u64().map(u16::try_from) {
            assert!(info.supports(nip), "NIP {nip} of {value}");
        }
    }
}
