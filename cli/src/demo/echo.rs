//! The `^C` that a terminal writes where Ctrl-C is pressed: it would push the panel down by a line.

/// While this lives, the terminal does not show control characters that are typed.
#[derive(Debug)]
pub(crate) struct NoEcho {
    /// How the terminal was before; `None` where nothing was changed.
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

#[cfg(unix)]
impl NoEcho {
    /// Changes the terminal on stdin, if there is one. That it can't be changed is no reason to stop.
    pub(crate) fn new() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok().filter(|before| {
            let mut changed = before.clone();
            changed.local_modes.remove(LocalModes::ECHOCTL);
            tcsetattr(&stdin, OptionalActions::Now, &changed).is_ok()
        });
        Self { before }
    }
}

#[cfg(unix)]
impl Drop for NoEcho {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // As above.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
}

#[cfg(not(unix))]
impl NoEcho {
    /// There is nothing to change here.
    pub(crate) fn new() -> Self {
        Self {}
    }
}
