//! What has to hold after every step: bounds, and that the records of relays say what is so.

use nostr_pool_core::ConnectionState;

use super::world::World;

impl World {
    /// Looks at everything that can be seen from outside.
    pub(super) fn check_bounds(&self) {
        let config = self.core.config();
        let relays = self.core.relays();
        self.check(relays.len() <= config.max_relays, "no more relays than allowed");
        self.check(self.core.unfinished().len() <= config.max_publishes, "no more publishes than allowed");
        let mut sockets = 0;
        for record in &relays {
            let (url, state) = (&record.url, record.state);
            let open = self.oracle.socket_of(url).filter(|&socket| self.oracle.is_open(socket));
            let is_open = state == ConnectionState::Open;
            self.check(is_open == open.is_some(), &format!("a record tells what is so: {url} is {state:?}"));
            sockets += usize::from(matches!(
                state,
                ConnectionState::Open | ConnectionState::Dialing | ConnectionState::Closing
            ));
            self.check(record.opened <= record.dials, "no more connections than dials");
            let legs = self.oracle.open_subscriptions().len();
            // The pool fetches again by itself what forgers crowded out.
            let repairs = if self.core.stats().repairs > 0 { config.max_repairs_per_relay } else { 0 };
            self.check(record.active_requests <= legs + repairs, "no more requests than subscriptions");
        }
        self.check(sockets <= config.max_connections, "no more sockets than allowed");
    }
}
