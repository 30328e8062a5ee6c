//! `nostr-relay` by pip, in a virtual environment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Profile, Site};
use crate::process::{Launch, run};
use crate::suite::members;

pub(super) fn program(home: &Path) -> PathBuf {
    home.join("python/bin/nostr-relay")
}

pub(super) fn install(home: &Path, log: &Path) -> Result<(), String> {
    let environment = home.join("python");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment), log)?;
    run(Command::new(environment.join("bin/pip")).args(["install", "nostr-relay==1.14"]), log)
}

pub(super) fn launch(site: &Site) -> io::Result<Launch> {
    let config = site.directory.join("config.yaml");
    fs::write(&config, config_of(site))?;
    let arguments = ["-c", &config.to_string_lossy(), "serve", "--use-uvicorn"].map(str::to_owned).to_vec();
    Ok(Launch { program: program(&site.home), arguments, directory: site.directory.clone(), port: site.port })
}

/// Gives the suite's members the roles that reading and writing ask for.
pub(super) fn give_roles(site: &Site) -> Result<(), String> {
    for member in members() {
        let mut command = Command::new(program(&site.home));
        command.args(["-c", "config.yaml", "role", "set", "-r", "rw", "-p", &member.public_key().to_string()]);
        run(command.current_dir(&site.directory), &site.directory.join("log"))?;
    }
    Ok(())
}

fn config_of(site: &Site) -> String {
    let (port, stock) = (site.port, site.profile == Profile::Stock);
    // What the package's own configuration says, but for address and path.
    let mut text = format!(
        "relay_name: interop\n\
         gunicorn:\n  bind: 127.0.0.1:{port}\n  workers: 1\n  loglevel: info\n\
         storage:\n  sqlalchemy.url: sqlite+aiosqlite:///nostr.sqlite3\n  num_concurrent_reqs: 10\n\
         \x20 num_concurrent_adds: 2\n  validators:\n\
         \x20   - nostr_relay.validators.is_not_too_large\n    - nostr_relay.validators.is_signed\n"
    );
    if stock {
        text += "    - nostr_relay.validators.is_recent\n    - nostr_relay.validators.is_not_hellthread\n\
                 subscription_limit: 32\nmax_limit: 6000\nhellthread_limit: 100\n";
    } else {
        text += "subscription_limit: 500\nmax_limit: 500\nmax_event_size: 4000000\n";
    }
    // What AUTH may name.
    let urls: Vec<String> = site.urls().iter().map(|url| format!("\"{url}\"")).collect();
    text += &format!("authentication:\n  relay_urls: [{}]\n", urls.join(", "));
    text += match site.profile {
        Profile::Auth => "  enabled: true\n  actions:\n    save: rw\n    query: rw\n",
        Profile::Stock | Profile::Roomy => "  enabled: false\n",
    };
    text
}
