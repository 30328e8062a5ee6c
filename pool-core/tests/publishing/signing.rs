//! What a signer answers, and when nobody waits for it.

use nostr_pool_core::*;
use nostr_proto::Keys;

use super::world::*;

#[test]
fn a_signer_that_signs_something_else_or_refuses_has_nothing_sent() {
    let answers = [
        Ok(note("something else")),
        Ok(unsigned("x").sign(&Keys::from_entropy([9; 32]).unwrap(), [0; 32])),
        Err("no".to_owned()),
    ];
    for outcome in answers {
        let mut w = World::with(1, &Config::default());
        let p = w.publish_unsigned(&unsigned("x"), None).unwrap();
        let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
        let ticket = w.commands.iter().find_map(asked).unwrap();
        w.input(Input::Signed { ticket, outcome: outcome.clone() });
        w.verify();
        assert!(matches!(w.status(p, 0), PublishStatus::Unknown(UnknownCause::NotSigned(_))), "{outcome:?}");
        assert_eq!((w.report(p).verdict, w.sent(0)), (Some(Verdict::Failed), vec![]), "{outcome:?}");
    }
}

#[test]
fn a_signer_s_answer_that_nobody_waits_for_is_counted() {
    let mut w = World::with(1, &Config::default());
    let p = w.publish_unsigned(&unsigned("x"), None).unwrap();
    let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
    let ticket = w.commands.iter().find_map(asked).unwrap();
    w.call(Call::Cancel { publish: p }).unwrap();
    for count in 1..3 {
        w.input(Input::Signed { ticket, outcome: Ok(note("x")) });
        assert_eq!(w.core.stats().unknown_tickets, count);
    }
    assert!(!w.commands.iter().any(|c| matches!(c, Command::Verify { .. })));
}
