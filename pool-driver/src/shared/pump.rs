//! Draining the core: every command and event goes where it belongs, still under the lock, so that two threads cannot
//! swap the order of what they drained. Nothing here waits, computes or calls back.

use std::sync::Arc;

use nostr_pool_core::{Command, Item, PoolEvent, PublishUpdate, RelayUpdate, SocketId};
use nostr_proto::RelayUrl;

use crate::dial::Dial;
use crate::frame::Outgoing;
use crate::mailbox::{Flag, Mailbox};
use crate::outbox;
use crate::signer::Order;
use crate::status::{self, StatusUpdate};
use crate::verifier::Job;

use super::Work;
use super::state::State;

impl State {
    /// Drains the core into `work` and the mailboxes.
    pub(super) fn pump(&mut self, work: &mut Work) {
        while let Some(command) = self.core.poll_command() {
            self.command(command, work);
        }
        while let Some(event) = self.core.poll_event() {
            self.event(event, work);
        }
        self.arm_timer(work);
        if self.ended {
            work.ending = self.ending.take();
            if !self.wound_down && self.sockets.is_empty() {
                self.wind_down(work);
            }
        }
    }

    fn command(&mut self, command: Command, work: &mut Work) {
        match command {
            Command::Open { socket, url, origin } => {
                let outbox = Arc::new(Mailbox::new(Default::default()));
                self.sockets.insert(socket, outbox.clone());
                work.opens.push((socket, Dial { url, origin }, outbox));
            }
            Command::Send { socket, frame } => self.order(socket, outbox::Order::Send(Outgoing::Text(frame)), work),
            Command::Ping { socket } => self.order(socket, outbox::Order::Send(Outgoing::Ping), work),
            Command::Close { socket, code, reason } => {
                self.order(socket, outbox::Order::Send(Outgoing::Close { code, reason }), work);
            }
            Command::PauseRead { socket } => self.order(socket, outbox::Order::PauseRead, work),
            Command::ResumeRead { socket } => self.order(socket, outbox::Order::ResumeRead, work),
            Command::Verify { ticket, event } => work.verify.push(Job { ticket, event }),
            Command::Sign { ticket, event } => work.sign.push(Order { ticket, event, relay: None }),
            Command::SignAuth { ticket, relay, event } => work.sign.push(Order { ticket, event, relay: Some(relay) }),
        }
    }

    /// An order to a socket whose task has just reported its end finds nobody, and needs nobody.
    fn order(&self, socket: SocketId, order: outbox::Order, work: &mut Work) {
        if let Some(outbox) = self.sockets.get(&socket) {
            outbox.put(&mut work.wakers, |orders| orders.push_back(order));
        }
    }

    fn event(&mut self, event: PoolEvent, work: &mut Work) {
        match event {
            PoolEvent::Item { sub, item } => {
                let Some(queue) = self.subscriptions.get(&sub) else { return };
                let last = matches!(item, Item::End(_));
                queue.put(&mut work.wakers, |items| items.push_back(item));
                if last {
                    queue.close(&mut work.wakers);
                    self.subscriptions.remove(&sub);
                }
            }
            PoolEvent::Publish { publish, update } => {
                let Some(cell) = self.publishes.get(&publish) else { return };
                if let PublishUpdate::Verdict(_) = update {
                    cell.settle(self.core.publish_report(publish), &mut work.wakers);
                }
                let done = update == PublishUpdate::Done;
                cell.update(update, &mut work.wakers);
                if done {
                    cell.close(&mut work.wakers);
                    self.publishes.remove(&publish);
                    self.alert(work);
                }
            }
            PoolEvent::Counted(report) => {
                if let Some(cell) = self.counts.remove(&report.count) {
                    cell.settle(report, &mut work.wakers);
                }
            }
            PoolEvent::Relay { relay, update } => self.relay_news(relay, update, work),
            // A kind of event that this driver does not know is for nobody.
            _ => {}
        }
    }

    fn relay_news(&mut self, relay: RelayUrl, update: RelayUpdate, work: &mut Work) {
        if !matches!(update, RelayUpdate::Notice(_)) {
            self.alert(work);
        }
        if update == RelayUpdate::Removed {
            self.infos.forget(&relay);
        }
        if self.listeners.is_empty() {
            return;
        }
        let news = StatusUpdate { record: self.core.relay(&relay), relay, update, lagged: 0 };
        let bytes = status::size(&news);
        for listener in &self.listeners {
            listener.put(&mut work.wakers, |ring| ring.push(news.clone(), bytes));
        }
    }

    /// Tells the watchers that there may be something to see.
    fn alert(&self, work: &mut Work) {
        for watcher in &self.watchers {
            watcher.put(&mut work.wakers, Flag::raise);
        }
    }

    /// Wakes the timer task if it would look too late.
    fn arm_timer(&mut self, work: &mut Work) {
        let due = self.core.poll_timeout().map(|deadline| deadline.at);
        let early = due.is_some_and(|at| self.timer.armed.is_none_or(|armed| at < armed));
        if early || self.ended {
            work.wakers.extend(self.timer.waker.take());
        }
    }

    /// The last socket of an ended pool is gone: whoever still waits for something will not get it.
    fn wind_down(&mut self, work: &mut Work) {
        self.wound_down = true;
        self.core.end_recording();
        for (_, queue) in self.subscriptions.drain() {
            queue.close(&mut work.wakers);
        }
        for (id, cell) in self.publishes.drain() {
            cell.settle(self.core.publish_report(id), &mut work.wakers);
            cell.close(&mut work.wakers);
        }
        for (_, cell) in self.counts.drain() {
            cell.close(&mut work.wakers);
        }
        for listener in &self.listeners {
            listener.close(&mut work.wakers);
        }
        self.alert(work);
        work.wound_down = true;
    }
}
