//! Keys, and the hex and bech32 that they are written in.

use nostr_proto::{EventId, HexError, KeyError, Keys, PublicKey, SecretKey, Signature};
use proptest::prelude::*;

// From the text of NIP-19.
const NPUB: &str = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
const NPUB_HEX: &str = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";
const NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";
const NSEC_HEX: &str = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
const NPUB_2: &str = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6";
const NPUB_2_HEX: &str = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
const NPROFILE: &str = "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p";

#[test]
fn nip_19_vectors() {
    for (npub, hex) in [(NPUB, NPUB_HEX), (NPUB_2, NPUB_2_HEX)] {
        let key = PublicKey::parse(npub).unwrap();
        assert_eq!(key.to_string(), hex);
        assert_eq!(key.to_npub(), npub);
        assert_eq!(PublicKey::parse(hex).unwrap(), key);
        assert_eq!(PublicKey::parse(&npub.to_uppercase()).unwrap(), key);
    }
    let secret = SecretKey::parse(NSEC).unwrap();
    assert_eq!(secret.to_hex(), NSEC_HEX);
    assert_eq!(secret.to_nsec(), NSEC);
    assert_eq!(SecretKey::parse(NSEC_HEX).unwrap().to_hex(), NSEC_HEX);
    assert_eq!(Keys::new(secret).public_key().to_npub(), NPUB);
}

#[test]
fn keys_that_are_none() {
    let malformed = |prefix| KeyError::Malformed { prefix };
    let broken = NSEC.replace("vl02", "vl03");
    for text in ["", "nsec1", "x", &broken, &NSEC_HEX[1..], &NSEC_HEX.to_uppercase(), "npub1é", &NSEC[..62]] {
        assert_eq!(SecretKey::parse(text).unwrap_err(), malformed("nsec"), "{text:?}");
        assert_eq!(PublicKey::parse(text).unwrap_err(), malformed("npub"), "{text:?}");
    }
    for text in [NPUB, NPROFILE] {
        assert_eq!(SecretKey::parse(text).unwrap_err(), KeyError::WrongPrefix { prefix: "nsec" });
    }
    // A secret key must never pass for a public one.
    for text in [NSEC, NPROFILE] {
        assert_eq!(PublicKey::parse(text).unwrap_err(), KeyError::WrongPrefix { prefix: "npub" });
    }
    for text in ["0".repeat(64), "f".repeat(64)] {
        assert_eq!(SecretKey::parse(&text).unwrap_err(), KeyError::OutOfRange);
    }
    assert_eq!(Keys::from_entropy([0; 32]).unwrap_err(), KeyError::OutOfRange);
}

#[test]
fn secrets_do_not_show() {
    let keys = Keys::new(SecretKey::parse(NSEC).unwrap());
    let shown = format!("{keys:?} {keys:#?} {:?} {:#?}", keys.secret_key(), keys.secret_key());
    let bytes: Vec<String> = (0..32).map(|at| NSEC_HEX[2 * at..2 * at + 2].to_owned()).collect();
    let decimal: Vec<String> = bytes.iter().map(|byte| u8::from_str_radix(byte, 16).unwrap().to_string()).collect();
    for secret in [&NSEC_HEX[..8], &NSEC[..12], &decimal[..4].join(", ")] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(NPUB_HEX), "{shown}");
    // Nor does a mistyped one come back in the error.
    let mistyped = format!("{}x", &NSEC_HEX[..63]);
    let error = SecretKey::parse(&mistyped).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&NSEC_HEX[..6]));
}

#[test]
fn hex_errors_say_where() {
    let position = |text: &str| text.parse::<EventId>().unwrap_err();
    assert_eq!(position(&NPUB_HEX[1..]), HexError::Length { expected: 64, found: 63 });
    assert_eq!(position(&NPUB_HEX.replacen('c', "C", 1)), HexError::Character { position: 5 });
    assert_eq!(position(&NPUB_HEX.replacen('e', "g", 1)), HexError::Character { position: 1 });
    let error = NPUB_HEX.parse::<Signature>().unwrap_err();
    assert_eq!(error.to_string(), "expected 128 hex characters, found 64");
}

proptest! {
    #[test]
    fn hex_round_trips(id: [u8; 32], low: [u8; 32]) {
        let id = EventId::from_bytes(id);
        prop_assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        prop_assert_eq!(format!("{id:?}"), crate::support::hex(id.as_bytes()));
        let mut sig = [0; 64];
        sig[..32].copy_from_slice(&low);
        let sig = Signature::from_bytes(sig);
        prop_assert_eq!(Signature::try_from(sig.to_string().as_str()).unwrap(), sig);
        prop_assert_eq!(serde_json::to_value(id).unwrap(), serde_json::json!(id.to_string()));
        prop_assert_eq!(serde_json::from_value::<EventId>(serde_json::json!(id.to_string())).unwrap(), id);
    }

    #[test]
    fn only_lowercase_hex_is_hex(at in 0_usize..64, character in proptest::char::range('\0', '\u{7f}')) {
        let mut text = NPUB_HEX.to_owned();
        text.replace_range(at..=at, &character.to_string());
        let good = character.is_ascii_digit() || ('a'..='f').contains(&character);
        prop_assert_eq!(text.parse::<EventId>().is_ok(), good);
    }

    #[test]
    fn bech32_round_trips(bytes: [u8; 32]) {
        let key = PublicKey::from_bytes(bytes);
        prop_assert_eq!(PublicKey::parse(&key.to_npub()), Ok(key));
        if let Ok(secret) = SecretKey::from_bytes(bytes) {
            prop_assert_eq!(SecretKey::parse(&secret.to_nsec()).unwrap().to_hex(), secret.to_hex());
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
        let _ = (SecretKey::parse(&text).is_ok(), PublicKey::parse(&text).is_ok());
    }
}
