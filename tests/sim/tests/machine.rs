//! The proptest state machine: steps that a reference model allows, one after the other, over the harness of the swarm,
//! with the same oracles. What fails shrinks; what was found once is kept in `machine.proptest-regressions`, which is
//! committed.
//!
//! ```sh
//! cargo test -p nostr-pool-sim --test machine                       # 256 cases
//! PROPTEST_CASES=2000 cargo test -p nostr-pool-sim --test machine
//! ```

use nostr_pool_sim as sim;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use sim::step::{App, Nemesis, Odd, Step};
use sim::{Bytes, Kinds, Plan};

/// What a run is at, as far as it decides which steps are legal.
#[derive(Clone, Debug)]
struct Model {
    plan: Plan,
    /// Which relays are in the pool.
    members: Vec<bool>,
    /// How often the application subscribed for good: something may be updated or ended.
    subscribed: usize,
    published: usize,
    shut: bool,
}

/// Steps are chosen by bytes, which shrink towards the plainest.
fn step() -> impl Strategy<Value = Step> {
    prop::collection::vec(any::<u8>(), 16).prop_map(|bytes| Step::choose(Kinds::ALL, &mut Bytes::new(&bytes)))
}

fn pause() -> impl Strategy<Value = Step> {
    prop_oneof![4 => 0..50_000_u64, 3 => 0..3_000_000_u64, 1 => 0..90_000_000_u64]
        .prop_map(|micros| Step::Pass { micros })
}

fn plan() -> impl Strategy<Value = Plan> {
    (any::<u64>(), prop::collection::vec(any::<u8>(), 48))
        .prop_map(|(seed, bytes)| Plan::choose(seed, &mut Bytes::new(&bytes)))
}

struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        let model = |plan: Plan| {
            let members = vec![true; plan.relays.len()];
            Model { plan, members, subscribed: 1, published: 0, shut: false }
        };
        plan().prop_map(model).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        prop_oneof![3 => step(), 2 => pause()].boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        let count = model.members.len();
        match step {
            Step::App(App::AddRelay { relay, .. }) => model.members[usize::from(*relay) % count] = true,
            Step::App(App::RemoveRelay { relay }) => model.members[usize::from(*relay) % count] = false,
            Step::App(App::Subscribe { .. }) => model.subscribed += 1,
            Step::App(App::Publish { .. } | App::PublishUnsigned { .. } | App::Impatient { .. }) => {
                model.published += 1;
            }
            Step::App(App::StartClean | App::Crash) => (model.subscribed, model.published) = (1, 0),
            Step::App(App::Shutdown) => model.shut = true,
            _ => {}
        }
        model
    }

    /// What is illegal is the fuzzer's: here, calls name what is there, and the driver keeps to its contract.
    fn preconditions(model: &Model, step: &Step) -> bool {
        let is_member = |relay: u8| model.members[usize::from(relay) % model.members.len()];
        match step {
            Step::App(_) if model.shut => false,
            Step::App(
                App::RemoveRelay { relay }
                | App::Reconnect { relay, .. }
                | App::RelayInfo { relay, .. }
                | App::Impatient { relay, .. },
            ) => is_member(*relay),
            Step::App(App::Connect { relay } | App::Disconnect { relay, .. }) => relay.is_none_or(is_member),
            Step::App(
                App::Update { .. }
                | App::Unsubscribe { .. }
                | App::Retarget { .. }
                | App::Refill { .. }
                | App::Acknowledge { .. }
                | App::Checkpoint { .. }
                | App::Resume { .. },
            ) => model.subscribed > 0,
            Step::App(App::Retry { .. } | App::Cancel { .. }) => model.published > 0,
            Step::App(App::Unknown { .. }) => false,
            Step::Odd(odd) => matches!(odd, Odd::EarlyTimeout),
            Step::Nemesis(Nemesis::MonoStands { back, .. }) => *back == 0,
            _ => true,
        }
    }
}

struct Run;

impl StateMachineTest for Run {
    type SystemUnderTest = sim::World;
    type Reference = Machine;

    fn init_test(model: &Model) -> sim::World {
        let mut world = sim::World::new(&model.plan, |_| ());
        world.begin();
        world
    }

    fn apply(mut world: sim::World, _: &Model, step: Step) -> sim::World {
        world.apply(&step);
        world
    }

    fn check_invariants(world: &sim::World, model: &Model) {
        for (relay, &member) in model.members.iter().enumerate() {
            assert!(!member || world.knows(relay), "relay {relay} is in the pool, as the application said");
        }
    }

    fn teardown(mut world: sim::World, _: Model) {
        world.heal();
        world.finish();
    }
}

prop_state_machine! {
    #![proptest_config(Config {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/machine.proptest-regressions"))),
        max_shrink_iters: 4_000,
        // The ordinary run is the same everywhere; more cases, or another seed, are asked for.
        rng_seed: seed(),
        ..Config::default()
    })]

    #[test]
    fn legal_steps_keep_every_promise(sequential 1..80 => Run);
}

/// `PROPTEST_RNG_SEED`, or a fixed one.
fn seed() -> RngSeed {
    RngSeed::Fixed(std::env::var("PROPTEST_RNG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(4))
}
