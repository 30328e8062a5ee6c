//! Where the secret key comes from: a file or the environment, never the arguments, which every process can list.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use nostr_proto::{Keys, SecretKey};

use crate::exit::Stop;
use crate::secrets;

/// The environment variable that may hold the key.
pub(crate) const KEY_VARIABLE: &str = "NOSTR_SECRET_KEY";

/// The longest key file that is read, in bytes.
const MAX_KEY_FILE: u64 = 4096;

/// The byte order mark that some editors put at the start of a file.
const BOM: char = '\u{feff}';

/// The user's keys, from `file` if one is named, from the environment otherwise. No message repeats any part of them.
pub(crate) fn load(file: Option<&Path>) -> Result<Keys, Stop> {
    let (source, text) = match file {
        Some(path) => ("--key-file".to_owned(), read_file(path)?),
        None => match std::env::var(KEY_VARIABLE) {
            Ok(text) => (KEY_VARIABLE.to_owned(), text),
            Err(std::env::VarError::NotPresent) => {
                return Err(Stop::usage(format!("no key to sign with: give --key-file PATH, or set {KEY_VARIABLE}")));
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Stop::usage(format!("{KEY_VARIABLE}: not a secret key in hex or nsec form")));
            }
        },
    };
    parse(&text).map_err(|reason| Stop::usage(format!("{source}: {reason}")))
}

/// The same where they are needed to authenticate.
pub(crate) fn load_for_auth(auth: bool, file: Option<&Path>) -> Result<Option<Keys>, Stop> {
    auth.then(|| load(file)).transpose()
}

fn parse(text: &str) -> Result<Keys, String> {
    let text = text.trim_start_matches(BOM).trim();
    if text.is_empty() {
        return Err("it holds no key".to_owned());
    }
    let secret = SecretKey::parse(text).map_err(|e| e.to_string())?;
    Ok(Keys::new(secret))
}

fn read_file(path: &Path) -> Result<String, Stop> {
    let shown = path.display().to_string();
    if SecretKey::parse(&shown).is_ok() {
        return Err(Stop::usage("--key-file takes the path of a file that holds the key, not the key itself"));
    }
    let fail = |reason: &str| Stop::usage(format!("--key-file {}: {reason}", secrets::without_hex(&shown)));
    let file = File::open(path).map_err(|e| fail(&e.to_string()))?;
    let mut text = String::new();
    match file.take(MAX_KEY_FILE + 1).read_to_string(&mut text) {
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => Err(fail("not a text file")),
        Err(e) => Err(fail(&e.to_string())),
        Ok(n) if n as u64 > MAX_KEY_FILE => Err(fail("larger than a key file can be (4 KiB)")),
        Ok(_) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa";
    const NSEC: &str = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";

    #[test]
    fn hex_and_nsec_name_the_same_key() {
        let hex = parse(&format!("{HEX}\n")).unwrap();
        let nsec = parse(&format!("\u{feff}  {NSEC}\r\n")).unwrap();
        assert_eq!(hex.public_key(), nsec.public_key());
    }

    #[test]
    fn no_message_shows_what_was_given() {
        let broken = [&HEX[1..], &NSEC[..60], "nsec1xyz", "0".repeat(64).leak(), "f".repeat(64).leak()];
        for text in broken {
            let message = parse(text).unwrap_err();
            assert!(!message.contains(text) && message.len() < 120 && !message.contains('\n'), "{message}");
        }
        assert!(parse(" \n").is_err());
    }

    #[test]
    fn a_key_given_in_place_of_its_path_is_not_repeated() {
        for key in [HEX, NSEC] {
            let Err(Stop::Error(_, message)) = load(Some(Path::new(key))) else { panic!("taken as a path") };
            assert!(!message.contains(key), "{message}");
        }
    }
}
