//! A valve command from the console to the meter and back.
//!
//! Promises: a valve counts as moved only when the cluster says `verified` **and** the simulated meter itself wrote down
//! that its valve arrived; says how long that took. Refuses: trying again what the cluster has ended.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use protocol::meter::Action;
use tokio::time::{sleep, timeout};

use super::console::Console;
use super::events::Teller;
use super::field::Ledger;

/// From the order to the valve's arrival.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// From look to look.
const EVERY: Duration = Duration::from_millis(200);

/// How a command ends well, and otherwise.
fn has_ended(state: &str) -> bool {
    !matches!(state, "queued" | "running")
}

/// Who asks, who tells, and who knows better.
#[derive(Debug, Clone)]
pub(super) struct Valves {
    /// To the cluster.
    pub(super) console: Console,
    /// To the people.
    pub(super) teller: Teller,
    /// The meters' own truth.
    pub(super) ledger: Ledger,
}

impl Valves {
    /// Has the valve of a meter moved and sees it moved.
    pub(super) async fn operate(&self, meter: &str, action: Action) -> Result<()> {
        let twin = format!("hearth command submit {meter} {} --wait --at {}", action.name(), self.console.at());
        self.teller.did(&format!("{} for {meter} sent", action.name()), &twin);
        let sent = Instant::now();
        let moved = timeout(LIMIT, self.moved(meter, action)).await;
        moved.with_context(|| format!("{} for {meter} was not verified within {LIMIT:?}", action.name()))??;
        let took = sent.elapsed().as_secs_f64();
        self.teller.tell(format!(
            "{} for {meter} verified, and the meter's own ledger agrees, after {took:.1} s",
            action.name()
        ));
        Ok(())
    }

    async fn moved(&self, meter: &str, action: Action) -> Result<()> {
        let mut command = self.console.submit(meter, action).await?;
        while !has_ended(&command.state) {
            sleep(EVERY).await;
            // While a new leader is chosen nobody can say; the limit of the whole stays.
            if let Ok(newer) = self.console.command(command.id).await {
                command = newer;
            }
        }
        if command.state != "verified" {
            bail!("{} for {meter} ended as {}: {}", action.name(), command.state, command.detail);
        }
        while !self.ledger.arrived(meter, action)? {
            sleep(EVERY).await;
        }
        Ok(())
    }
}
