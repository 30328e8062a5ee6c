//! `nostr-pool demo`: the pool at work, on relays of its own.

mod acts;
mod board;
mod cast;
mod check;
mod echo;
mod panel;
mod screen;
mod stage;
mod watch;

use std::time::Duration;

use crate::args::DemoArgs;
use crate::exit::{Exit, Stop};
use crate::interrupt::interrupted;

use self::stage::Stage;

/// How long the goodbye to the relays may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) async fn run(args: &DemoArgs) -> Result<Exit, Stop> {
    let mut stage = Stage::set(args.plain)?;
    let end = tokio::select! {
        end = play(&mut stage) => end,
        () = interrupted() => Ok(Exit::Interrupted),
    };
    stage.screen.close_panel();
    stage.pool.shutdown(GOODBYE).await;
    end
}

async fn play(stage: &mut Stage) -> Result<Exit, Stop> {
    acts::prologue(stage);
    acts::connect(stage).await?;
    acts::publish(stage).await?;
    acts::read(stage).await?;
    acts::lose_a_relay(stage).await?;
    let passed = check::reckon(stage).await?;
    Ok(if passed { Exit::Ok } else { Exit::Failed })
}
