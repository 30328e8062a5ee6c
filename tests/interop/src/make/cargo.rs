//! `nostr-rs-relay` by cargo, into a root of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Profile, Site};
use crate::process::{Launch, run};

pub(super) fn program(home: &Path) -> PathBuf {
    home.join("cargo/bin/nostr-rs-relay")
}

/// It generates code with protoc: the machine's, or else the one in a Python package.
pub(super) fn install(home: &Path, log: &Path) -> Result<(), String> {
    let mut command = cargo_install(home, "nostr-rs-relay", "0.8.12");
    if Command::new("protoc").arg("--version").output().is_err() {
        command.env("PROTOC", protoc(home, log)?);
    }
    run(&mut command, log)
}

/// Resolved afresh, not by the package's own lock file: a newer `time` is needed.
fn cargo_install(home: &Path, package: &str, version: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["install", package, "--version", version, "--jobs", "2", "--root"]).arg(home.join("cargo"));
    command.arg("--target-dir").arg(home.join("cargo/build"));
    // A relay of a test needs no speed, and a link-time optimisation takes longer than all the tests.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    command
}

fn protoc(home: &Path, log: &Path) -> Result<PathBuf, String> {
    let environment = home.join("protoc");
    let script = environment.join("bin/protoc");
    if !script.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment), log)?;
        run(Command::new(environment.join("bin/pip")).args(["install", "grpcio-tools"]), log)?;
        let python = environment.join("bin/python");
        let text = format!("#!/bin/sh\nexec '{}' -m grpc_tools.protoc \"$@\"\n", python.display());
        write_program(&script, &text).map_err(|e| format!("{}: {e}", script.display()))?;
    }
    Ok(script)
}

#[cfg(unix)]
fn write_program(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn write_program(_: &Path, _: &str) -> io::Result<()> {
    Err(io::Error::other("install protoc: a script that stands in for it needs Unix"))
}

pub(super) fn launch(site: &Site) -> io::Result<Launch> {
    let config = site.directory.join("config.toml");
    let relay_url = &site.urls()[0];
    let mut text = format!(
        "[info]\nrelay_url = \"{relay_url}\"\n[database]\ndata_directory = \".\"\n\
         [network]\naddress = \"127.0.0.1\"\nport = {}\n",
        site.port
    );
    if site.profile != Profile::Stock {
        text += "[limits]\nmax_event_bytes = 4000000\nmax_ws_message_bytes = 4000000\nmax_ws_frame_bytes = 4000000\n";
    }
    if site.profile == Profile::Auth {
        text += "[authorization]\nnip42_auth = true\nnip42_dms = true\n";
    }
    fs::write(&config, text)?;
    Ok(Launch {
        program: program(&site.home),
        arguments: vec!["--config".to_owned(), config.to_string_lossy().into_owned()],
        directory: site.directory.clone(),
        port: site.port,
    })
}
