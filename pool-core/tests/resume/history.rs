//! All of history, and fetches of it that end.

use nostr_pool_core::*;

use super::stage::*;
use crate::common::*;

#[test]
fn all_of_history_comes_whatever_the_limit() {
    for mode in [Mode::Live, Mode::UntilEose] {
        let filters = vec![notes().limit(2).since(second(-500))];
        let request = Subscribe { filters, mode, history: History::All, ..Subscribe::default() };
        let mut s = Stage::with(request, many(-400, 100), Config::default());
        s.store.push(at(-501, "before"));
        s.serve();
        s.store.pop();
        assert!(s.has_all() && s.is_caught_up(), "{mode:?}");
        assert_eq!(s.got(), 100, "not beyond its since");
        let items = &s.b.items[&s.sub];
        let ended = items.last() == Some(&Item::End(EndReason::Complete));
        assert_eq!(ended, mode == Mode::UntilEose);
        let eose = items.iter().position(|item| matches!(item, Item::Eose(_))).unwrap();
        assert!(items[..eose].iter().filter(|item| matches!(item, Item::Event(_))).count() == 2, "EOSE does not wait");
    }
}

#[test]
fn a_fetch_of_all_history_ends_though_its_relay_does_not_answer() {
    let request =
        Subscribe { filters: vec![notes()], mode: Mode::UntilEose, history: History::All, ..Subscribe::default() };
    for stays_away in [false, true] {
        let mut s = Stage::with(request.clone(), many(-400, 100), Config::default());
        let main = s.take();
        s.answer(&main[0]);
        if stays_away {
            let socket = s.socket();
            let now = s.b.now();
            s.b.core.handle_input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) }, now);
            s.b.sockets.clear();
        }
        s.b.pass(300);
        assert!(s.causes().contains(&GapCause::NotAnswered), "{:?}", s.gaps());
        assert_eq!(s.b.items[&s.sub].last(), Some(&Item::End(EndReason::Complete)));
    }
}

#[test]
fn a_fetch_ends_though_its_relay_comes_and_goes_without_an_answer() {
    let request =
        Subscribe { filters: vec![notes()], mode: Mode::UntilEose, history: History::All, ..Subscribe::default() };
    for dribbles in [false, true] {
        let mut s = Stage::with(request.clone(), many(-400, 100), Config::default());
        let main = s.take();
        s.answer(&main[0]);
        s.offline(1);
        for n in 0..60 {
            let asked = s.take();
            for (wire, _) in asked.iter().filter(|_| dribbles) {
                s.brings(wire, &s.store[n].clone());
            }
            s.b.pass(20);
            if !dribbles && !s.b.sockets.is_empty() {
                s.offline(1);
            } else if let Some((wire, _)) = s.asked.last().cloned() {
                s.brings(&wire, &s.store[n].clone());
            }
        }
        assert_eq!(s.b.items[&s.sub].last(), Some(&Item::End(EndReason::Complete)), "dribbles: {dribbles}");
        assert!(s.causes().contains(&GapCause::NotAnswered), "{:?}", s.gaps());
    }
}
