//! `nostr-pool keygen`: a new key, drawn from the operating system's randomness.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use nostr_proto::{Keys, SecretKey};
use serde_json::{Map, Value};

use crate::args::KeygenArgs;
use crate::exit::{Exit, Stop};
use crate::output::{Lines, STRONG, one_line, styled};
use crate::secrets;

/// Runs the command.
pub(crate) fn run(args: &KeygenArgs) -> Result<Exit, Stop> {
    let keys = draw()?;
    // The file first: a key whose public half was shown, but whose secret half was lost, is of no use.
    if let Some(path) = &args.output {
        save(&keys, path)?;
    }
    let mut lines = Lines::stdout();
    let output = args.output.as_deref();
    if args.json {
        lines.line(&json(&keys, output))?;
    } else {
        for line in plain(&keys, output) {
            lines.line(&line)?;
        }
    }
    lines.flush()?;
    Ok(Exit::Ok)
}

fn draw() -> Result<Keys, Stop> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|e| Stop::failed(format!("no randomness to make a key of: {e}")))?;
    // Once in 2^128 draws of real randomness, so it is not asked again.
    Keys::from_entropy(entropy).map_err(|e| Stop::failed(format!("what the system gave for randomness is none: {e}")))
}

/// A name and a value per line; the secret only where it went into no file.
fn plain(keys: &Keys, output: Option<&Path>) -> Vec<String> {
    let public = keys.public_key();
    let mut rows = vec![("public key (npub)", public.to_npub()), ("public key (hex)", public.to_string())];
    match output {
        None => rows.extend([
            ("secret key (nsec)", keys.secret_key().to_nsec()),
            ("secret key (hex)", keys.secret_key().to_hex()),
        ]),
        Some(path) => rows.push(("secret key in", one_line(&path.display().to_string()))),
    }
    rows.into_iter().map(|(name, value)| format!("{}  {value}", styled(STRONG, format!("{name:<17}")))).collect()
}

/// The same as one JSON object.
fn json(keys: &Keys, output: Option<&Path>) -> String {
    let public = keys.public_key();
    let mut members: Map<String, Value> = Map::new();
    members.insert("npub".to_owned(), public.to_npub().into());
    members.insert("public_key".to_owned(), public.to_string().into());
    match output {
        None => {
            members.insert("nsec".to_owned(), keys.secret_key().to_nsec().into());
            members.insert("secret_key".to_owned(), keys.secret_key().to_hex().into());
        }
        Some(path) => {
            members.insert("output".to_owned(), path.display().to_string().into());
        }
    }
    Value::from(members).to_string()
}

/// Writes the secret key as nsec into a file that must not be there yet.
fn save(keys: &Keys, path: &Path) -> Result<(), Stop> {
    let shown = path.display().to_string();
    if SecretKey::parse(&shown).is_ok() {
        return Err(Stop::usage("--output takes the path of a file to write the new key to, not a key"));
    }
    let fault = |e: &io::Error| match e.kind() {
        io::ErrorKind::AlreadyExists => "it is there already, and a key is never overwritten".to_owned(),
        _ => e.to_string(),
    };
    let name = format!("--output {}", secrets::without_hex(&shown));
    let mut file = create(path).map_err(|e| Stop::usage(format!("{name}: {}", fault(&e))))?;
    // Told only once the key itself is on the disk.
    let written = writeln!(file, "{}", keys.secret_key().to_nsec()).and_then(|()| file.sync_all());
    written.map_err(|e| {
        drop(file);
        // Half a key would only stand in the way of the next attempt.
        let _ = fs::remove_file(path);
        Stop::failed(format!("{name}: {e}"))
    })
}

/// A new file; on Unix nobody but its owner can open it, from its first moment on.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_into_a_file_is_not_shown() {
        let keys = draw().unwrap();
        let (nsec, hex) = (keys.secret_key().to_nsec(), keys.secret_key().to_hex());
        let path = Path::new("key");
        for shown in [plain(&keys, Some(path)).join("\n"), json(&keys, Some(path))] {
            assert!(!shown.contains(&nsec) && !shown.contains(&hex) && shown.contains("key"), "{shown}");
        }
        for shown in [plain(&keys, None).join("\n"), json(&keys, None)] {
            assert!(shown.contains(&nsec) && shown.contains(&hex), "{shown}");
        }
    }
}
