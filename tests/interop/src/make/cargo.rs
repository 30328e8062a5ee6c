//! `nostr-rs-relay` and `rnostr` by cargo, into a root of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Profile, Site};
use crate::process::{Launch, run};

pub(super) fn rs_relay(home: &Path) -> PathBuf {
    home.join("cargo/bin/nostr-rs-relay")
}

pub(super) fn rnostr(home: &Path) -> PathBuf {
    home.join("cargo/bin/rnostr")
}

/// It generates code with protoc: the machine's, or else the one in a Python package.
pub(super) fn install_rs_relay(home: &Path, log: &Path) -> Result<(), String> {
    let mut command = cargo_install(home, "nostr-rs-relay", "0.8.12");
    if Command::new("protoc").arg("--version").output().is_err() {
        command.env("PROTOC", protoc(home, log)?);
    }
    run(&mut command, log)
}

pub(super) fn install_rnostr(home: &Path, log: &Path) -> Result<(), String> {
    run(&mut cargo_install(home, "rnostr", "0.4.8"), log)
}

/// Not with the package's own lock file: of `nostr-rs-relay`'s, a crate does not build with compilers of today.
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

pub(super) fn launch_rs_relay(site: &Site) -> io::Result<Launch> {
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
        program: rs_relay(&site.home),
        arguments: vec!["--config".to_owned(), config.to_string_lossy().into_owned()],
        directory: site.directory.clone(),
        port: site.port,
    })
}

pub(super) fn launch_rnostr(site: &Site) -> io::Result<Launch> {
    let config = site.directory.join("rnostr.toml");
    let mut text = format!(
        "[information]\nname = \"interop\"\n[data]\npath = \"./data\"\n[network]\nhost = \"127.0.0.1\"\nport = {}\n",
        site.port
    );
    if site.profile != Profile::Stock {
        text += "[limitation]\nmax_message_length = 4000000\nmax_subscriptions = 500\nmax_limit = 500\n\
                 max_event_tags = 100000\nmax_event_time_older_than_now = 3000000000\n\
                 max_event_time_newer_than_now = 90000\n[count]\nenabled = true\n";
    }
    if site.profile == Profile::Auth {
        // Nobody is on these lists, so that everybody may, once it is known who it is.
        text += "[auth]\nenabled = true\n[auth.req]\npubkey_blacklist = [\"00\"]\n[auth.event]\npubkey_blacklist = [\"00\"]\n";
    }
    fs::write(&config, text)?;
    Ok(Launch {
        program: rnostr(&site.home),
        arguments: vec!["relay".to_owned(), "-c".to_owned(), config.to_string_lossy().into_owned()],
        directory: site.directory.clone(),
        port: site.port,
    })
}
