//! What happens in a run: first trouble, then peace.

use nostr_model_relay::FaultPlan;
use nostr_pool_core::{
    Call, ConnectionState, Mode, Publish, PublishUnsigned, Quorum, ReconnectOptions, RelayOptions, Reply, SubId,
    Subscribe, Target, Which,
};
use nostr_proto::{Filter, Kind};

use super::quorum::Asked;
use super::site::Site;
use super::world::World;

const SECOND: u64 = 1_000_000;

/// Events flow while connections break.
pub(super) fn safety(world: &mut World) {
    for n in 0..world.sites.len() {
        let url = world.sites[n].url.clone();
        let options = RelayOptions { pinned: world.rng.one_in(6), ..RelayOptions::default() };
        world.sites[n].pinned = options.pinned;
        world.call(Call::AddRelay { url, options }).expect("there is room");
    }
    if world.rng.one_in(2) {
        world.oracle.dials.user_wants(None, false);
        world.call(Call::Connect { which: Which::All }).expect("relays are there");
    }
    for _ in 0..3 {
        seed_relay(world);
    }
    subscribe(world);
    for _ in 0..world.rng.between(20, 90) {
        step(world);
        let pause = match world.rng.below(10) {
            0 => world.rng.between(1, 90) as u64 * SECOND,
            1..=3 => world.rng.between(1, 3_000) as u64 * 1_000,
            _ => world.rng.between(0, 40) as u64 * 1_000,
        };
        world.pass(pause);
    }
}

/// Everything heals; what relays hold has to arrive, and every publish to end.
pub(super) fn liveness(world: &mut World) {
    world.faulty = false;
    world.catch_up();
    for site in &mut world.sites {
        site.up = true;
        if site.heals {
            site.relay.set_faults(FaultPlan::new());
        }
    }
    // Half of the time, the pool has to come back by itself.
    let asked = world.rng.one_in(2);
    if asked {
        let options = ReconnectOptions { keep_open: true, keep_backoff: false };
        world.oracle.dials.user_wants(None, true);
        world.call(Call::Reconnect { which: Which::All, options }).expect("the pool is open");
    }
    world.pass(700 * SECOND);
    let is_open =
        |site: &&Site| world.core.relay(&site.url).is_some_and(|record| record.state == ConnectionState::Open);
    let connected: Vec<&Site> = world.sites.iter().filter(is_open).collect();
    // Relays beyond the cap wait for a slot, which is told; all others that someone needs are back.
    let expected = if asked { world.sites.len() } else { world.oracle.needed(&world.sites) };
    let expected = expected.min(world.core.config().max_connections);
    world.check(connected.len() >= expected, &format!("{expected} relays are connected, not {}", connected.len()));
    let missing = world.oracle.missing(&connected);
    world.check(missing.is_empty(), &format!("what a relay holds is delivered; missing: {missing:?}"));
    let open = world.oracle.publishes.without_verdict();
    world.check(open.is_empty(), &format!("every publish has a verdict; missing: {open:?}"));
    let unfinished = world.core.unfinished();
    world.check(unfinished.is_empty(), &format!("every publish is done; left: {unfinished:?}"));
    world.check_books();
    world.check_requests();
    world.call(Call::Shutdown).expect("once");
    world.pass(10 * SECOND);
    world.check(world.oracle.sockets() == 0, "no socket outlives the pool");
    let open = world.oracle.open_subscriptions();
    world.check(open.is_empty(), &format!("every subscription has ended; left: {open:?}"));
}

fn step(world: &mut World) {
    match world.rng.below(100) {
        0..=29 => seed_relay(world),
        30..=54 => publish(world),
        55..=60 => cut(world),
        61..=62 => {
            let n = world.rng.below(world.sites.len());
            world.half_open(n);
        }
        63..=66 => toggle(world),
        67..=74 => {
            subscribe(world);
        }
        75..=80 => fetch(world),
        81..=84 => update(world),
        85..=88 => unsubscribe(world),
        89..=92 => publish_unsigned(world),
        93..=94 => {
            world.oracle.dials.user_wants(None, false);
            world.call(Call::NetworkChanged).map(drop).expect("the pool is open");
        }
        95..=96 => reconnect(world),
        97 => {
            let seconds = world.rng.between(1, 400) as u64;
            world.sleep(seconds * SECOND);
        }
        98 => world.catch_up(),
        _ => retry(world),
    }
}

/// Another client publishes to some of the relays.
fn seed_relay(world: &mut World) {
    let event = world.note();
    for n in 0..world.sites.len() {
        if world.rng.one_in(2) {
            world.store(n, event.clone());
        }
        if world.sites[n].floods {
            for _ in 0..world.rng.between(10, 30) {
                let event = world.note();
                world.store(n, event);
            }
        }
    }
}

fn publish(world: &mut World) {
    let event = world.note();
    let (target, quorum) = (target(world), quorum(world));
    let asked = asked(world, &target, &quorum, false);
    let call = Call::Publish(Publish { event, target, quorum, deadline: None, link: None });
    let reply = world.call(call).expect("there is room");
    noted(world, &reply, asked);
}

fn publish_unsigned(world: &mut World) {
    let author = world.keys[0].public_key();
    let event = world.template().unsigned(author);
    let (target, quorum) = (target(world), Quorum::First);
    let asked = asked(world, &target, &quorum, true);
    let call = Call::PublishUnsigned(PublishUnsigned { event, target, quorum, deadline: None, link: None });
    let reply = world.call(call).expect("there is room");
    noted(world, &reply, asked);
}

fn retry(world: &mut World) {
    if let Some((event, asked)) = world.oracle.publishes.last() {
        let reply = world.call(Call::Retry { event, deadline: None }).expect("it is remembered");
        noted(world, &reply, asked);
    }
}

fn quorum(world: &mut World) -> Quorum {
    world.rng.pick(&[Quorum::First, Quorum::Majority, Quorum::All, Quorum::Percent(30)]).clone()
}

/// What the oracle is told: relays count once, and the pinned ones are among them.
fn asked(world: &World, target: &Target, quorum: &Quorum, unsigned: bool) -> Asked {
    let named = |site: &&Site| match target {
        Target::All => true,
        Target::Relays(urls) => site.pinned || urls.contains(&site.url),
    };
    let relays = world.sites.iter().filter(named).map(|site| site.url.clone()).collect();
    Asked { relays, quorum: quorum.clone(), unsigned }
}

fn noted(world: &mut World, reply: &Reply, asked: Asked) {
    let Reply::Publishing(publish, event) = *reply else { panic!("a publish has an id: {reply:?}") };
    let deadline = world.now().mono + world.core.config().publish_deadline;
    if let Err(rule) = world.oracle.publishes.published(publish, event, asked, deadline) {
        world.check(false, rule);
    }
}

fn target(world: &mut World) -> Target {
    let n = world.rng.below(world.sites.len());
    let url = world.sites[n].url.clone();
    match world.rng.below(6) {
        0 | 1 => Target::Relays(vec![url]),
        // One of them twice: an alias of its URL has the same canonical form.
        2 => Target::Relays(vec![url.clone(), world.sites[0].url.clone(), url]),
        _ => Target::All,
    }
}

fn filters(world: &mut World) -> Vec<Filter> {
    let author = world.rng.pick(&world.keys).public_key();
    match world.rng.below(4) {
        0 => vec![Filter::new()],
        1 => vec![Filter::new().kind(Kind::TEXT_NOTE)],
        2 => vec![Filter::new().author(author)],
        _ => vec![Filter::new().kind(Kind::REACTION), Filter::new().author(author).kind(Kind::new(30_000))],
    }
}

fn start(world: &mut World, mode: Mode) -> SubId {
    let (filters, target) = (filters(world), target(world));
    let urls = match &target {
        Target::All => world.sites.iter().map(|s| s.url.clone()).collect(),
        Target::Relays(urls) => urls.clone(),
    };
    // What is told during the call itself has to find the oracle informed.
    let id = world.oracle.expect_subscription(filters.clone(), urls, mode == Mode::Live);
    let slow = mode == Mode::Live && world.rng.one_in(6);
    let queue_items = slow.then(|| world.rng.between(2, 12));
    if slow {
        world.slow.insert(id);
    }
    let request = Subscribe { filters, target, mode, eose_deadline: None, queue_items };
    let Ok(Reply::Subscribed(sub)) = world.call(Call::Subscribe(request)) else { panic!("there is room") };
    world.check(sub == id, "subscriptions are numbered in order");
    sub
}

fn subscribe(world: &mut World) {
    start(world, Mode::Live);
}

fn fetch(world: &mut World) {
    start(world, Mode::UntilEose);
}

fn update(world: &mut World) {
    let live = world.oracle.live_subscriptions();
    if !live.is_empty() {
        let (sub, filters) = (*world.rng.pick(&live), filters(world));
        world.oracle.updated(sub, filters.clone());
        world.call(Call::Update { sub, filters }).expect("it is live");
    }
}

fn unsubscribe(world: &mut World) {
    let live = world.oracle.live_subscriptions();
    if live.len() > 1 {
        let sub = *world.rng.pick(&live);
        world.call(Call::Unsubscribe { sub }).expect("it is live");
    }
}

fn cut(world: &mut World) {
    let n = world.rng.below(world.sites.len());
    world.cut(n);
}

fn toggle(world: &mut World) {
    let n = world.rng.below(world.sites.len());
    world.sites[n].up = !world.sites[n].up;
    if !world.sites[n].up {
        world.cut(n);
    }
}

fn reconnect(world: &mut World) {
    let n = world.rng.below(world.sites.len());
    let url = world.sites[n].url.clone();
    world.oracle.dials.user_wants(Some(&url), true);
    let (which, options) = (Which::One(url), ReconnectOptions::default());
    world.call(Call::Reconnect { which, options }).expect("it is in the pool");
}
