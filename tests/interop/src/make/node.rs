//! `@nostr-relay/core` by npm, under a server of ours.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{Profile, Site};
use crate::process::{Launch, run};

const SERVER: &str = include_str!("../../relays/server.js");
const PACKAGE: &str = include_str!("../../relays/package.json");

pub(super) fn is_installed(home: &Path) -> bool {
    let package = fs::read_to_string(home.join("node/package.json")).unwrap_or_default();
    package == PACKAGE && home.join("node/node_modules/@nostr-relay/core").exists()
}

pub(super) fn install(home: &Path, log: &Path) -> Result<(), String> {
    let directory = home.join("node");
    fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let package = directory.join("package.json");
    fs::write(&package, PACKAGE).map_err(|e| format!("{}: {e}", package.display()))?;
    let arguments = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"];
    run(Command::new("npm").args(arguments).current_dir(&directory), log)
}

pub(super) fn launch(site: &Site) -> io::Result<Launch> {
    let script = site.home.join("node/server.js");
    fs::write(&script, SERVER)?;
    let profile = match site.profile {
        Profile::Stock => "stock",
        Profile::Roomy => "roomy",
        Profile::Auth => "auth",
    };
    let arguments = [&*script.to_string_lossy(), &site.port.to_string(), "events.jsonl", profile].map(str::to_owned);
    Ok(Launch {
        program: "node".into(),
        arguments: arguments.to_vec(),
        directory: site.directory.clone(),
        port: site.port,
    })
}
