//! The steps of a checkout, and what undoes them.
//!
//! `begin` freezes the cart; `prepare` makes the payment known to a provider that wants that first;
//! `authorise` sets the money aside; `settle` turns what is held into what is bought; `capture` takes
//! the money; `finish` lets the cart go. Each step says what it did and what comes next;
//! [`owner`](super::owner) writes that down before anything else happens. Every step may be repeated: a successor who finds a step on record cannot know whether
//! its effect took place, and does it again.

use super::{
    Checkout, Refusal,
    model::{Ending, Record, Saga, Step, Turn},
    owner::Stop,
};
use crate::{
    kernel::{ids::Sku, line::CartLine, version::Epoch},
    shop::{
        inventory::{BeginOutcome, SettleOutcome, UnfreezeOutcome},
        orders,
        payments::{Charge, ProviderError},
    },
};

impl Checkout {
    /// Does the step that is on record. To the left the steps, beside each what undoes it.
    #[rustfmt::skip]
    pub(super) async fn turn(&self, saga: &Saga) -> Result<Turn, Stop> {
        if let Some(back) = turned_back(saga) {
            return Ok(back);
        }
        match saga.step {
            Step::Begin     => self.begin(saga).await,      Step::Abort => self.abort(saga).await,
            Step::Prepare   => self.prepare(saga).await,    // undone by void
            Step::Authorise => self.authorise(saga).await,  Step::Void  => self.void(saga).await,
            Step::Settle    => self.settle(saga).await,     // undone by abort as well
            Step::Capture   => self.capture(saga).await,    // a refused one is undone by void
            Step::Finish    => self.finish(saga).await,     // the order is paid: only a refund undoes it
            Step::Done      => Err(Stop::Overtaken),
        }
    }

    async fn begin(&self, saga: &Saga) -> Result<Turn, Stop> {
        let (freeze, wanted) = (saga.freeze(), saga.wanted());
        let (epoch, outcome) = self
            .stock(saga, |epoch, deadline| {
                self.inventory.begin(&saga.bucket, epoch, deadline, &freeze, &wanted)
            })
            .await?;
        let refused = |refusal| Ok(Turn::within(epoch, Step::Abort, Record::Refused(refusal)));
        match outcome {
            BeginOutcome::Frozen { .. } => {
                let next = if self.prepares(saga)? { Step::Prepare } else { Step::Authorise };
                Ok(Turn::within(epoch, next, Record::StepAlone))
            }
            BeginOutcome::CartEmpty => refused(Refusal::CartEmpty),
            BeginOutcome::CartChanged => refused(Refusal::CartChanged),
            BeginOutcome::HoldExpired => refused(Refusal::HoldExpired),
            BeginOutcome::InProgress => refused(Refusal::InProgress),
            BeginOutcome::Stale => Err(Stop::Overtaken),
        }
    }

    /// Lets the cart go, with what is still held; what a settle bought goes back.
    async fn abort(&self, saga: &Saga) -> Result<Turn, Stop> {
        let freeze = saga.freeze();
        let (epoch, outcome) = self
            .stock(saga, |epoch, deadline| {
                self.inventory.abort(&saga.bucket, epoch, deadline, &freeze)
            })
            .await?;
        match outcome {
            UnfreezeOutcome::Done => Ok(Turn::within(epoch, Step::Done, Record::Undone)),
            UnfreezeOutcome::Stale => Err(Stop::Overtaken),
        }
    }

    fn prepares(&self, saga: &Saga) -> Result<bool, Stop> {
        Ok(!saga.is_free() && self.payments.of(&saga.provider)?.prepares())
    }

    /// Makes the payment known, without charging: what it is called is on record before it is
    /// charged, so that an outcome that was lost can be asked for by name.
    async fn prepare(&self, saga: &Saga) -> Result<Turn, Stop> {
        match self.payments.of(&saga.provider)?.prepare(&saga.payment()).await {
            Ok(reference) => Ok(Turn::to(Step::Authorise, Record::Prepared(reference))),
            Err(error) => self.while_there_is_time(saga, error.into()),
        }
    }

    async fn authorise(&self, saga: &Saga) -> Result<Turn, Stop> {
        if saga.is_free() {
            return Ok(Turn::to(Step::Settle, Record::StepAlone));
        }
        let charge = match self.charge(saga).await {
            Ok(charge) => charge,
            Err(error) => return self.while_there_is_time(saga, error.into()),
        };
        let declined = |reason| Ok(Turn::to(Step::Void, Record::Undo(Ending::declined(reason))));
        match charge {
            Charge::Authorised | Charge::Captured => Ok(Turn::to(Step::Settle, Record::StepAlone)),
            Charge::Declined(reason) => declined(reason),
            Charge::Voided => declined("payment_voided"),
            Charge::ActionNeeded(url) => {
                orders::store::set_payment_action(&self.pool, saga.order, &url).await?;
                self.while_there_is_time(saga, Stop::Waits("the bank wants to see the shopper"))
            }
            Charge::Pending | Charge::Unknown => {
                self.while_there_is_time(saga, Stop::Waits("the charge is not known yet"))
            }
        }
    }

    /// A successor asks before he charges. "No such charge" is no refusal: the request may never
    /// have arrived, and is made again under the same key.
    async fn charge(&self, saga: &Saga) -> Result<Charge, ProviderError> {
        let (provider, payment) = (self.payments.of(&saga.provider)?, saga.payment());
        if saga.attempt > Saga::FIRST_ATTEMPT {
            let known = provider.lookup(&payment).await?;
            if known != Charge::Unknown {
                return Ok(known);
            }
        }
        provider.authorise(&payment).await
    }

    /// Waits on, or, when a checkout has had its time, gives up: the void makes sure that whatever
    /// the provider was asked comes to nothing.
    fn while_there_is_time(&self, saga: &Saga, stop: Stop) -> Result<Turn, Stop> {
        if self.clock.now() < saga.created_at + self.settings.grace {
            return Err(stop);
        }
        Ok(Turn::to(Step::Void, Record::Undo(Ending::declined(Ending::TIMEOUT))))
    }

    /// Cancels the payment's key, so that an authorisation still under way fails when it arrives.
    async fn void(&self, saga: &Saga) -> Result<Turn, Stop> {
        if saga.is_free() {
            return Ok(Turn::to(Step::Abort, Record::StepAlone));
        }
        match self.payments.of(&saga.provider)?.void(&saga.payment()).await? {
            Charge::Voided | Charge::Declined(_) => Ok(Turn::to(Step::Abort, Record::StepAlone)),
            Charge::Pending | Charge::ActionNeeded(_) | Charge::Unknown => {
                Err(Stop::Waits("the void is not known yet"))
            }
            charge @ (Charge::Authorised | Charge::Captured) => {
                Err(Stop::Broken(anyhow::anyhow!("{charge:?} after a void")))
            }
        }
    }

    async fn settle(&self, saga: &Saga) -> Result<Turn, Stop> {
        Ok(match self.settled(saga).await? {
            (epoch, Some(zero)) => Turn::within(epoch, Step::Capture, Record::Settled(zero)),
            // The hold and its grace were over first: the units may be somebody else's by now.
            (epoch, None) => Turn::within(
                epoch,
                Step::Void,
                Record::Undo(Ending::cancelled(Refusal::HoldExpired)),
            ),
        })
    }

    /// Turns held into bought. Gives the lines that are zero by it, `None` when the hold is over.
    async fn settled(&self, saga: &Saga) -> Result<(Epoch, Option<Vec<CartLine>>), Stop> {
        let (freeze, wanted) = (saga.freeze(), saga.wanted());
        let (epoch, outcome) = self
            .stock(saga, |epoch, deadline| {
                self.inventory.settle(&saga.bucket, epoch, deadline, &freeze, &wanted)
            })
            .await?;
        match outcome {
            SettleOutcome::Settled(zero) => {
                // The lines on paper end with the very transaction that says "paid", or else an
                // opening would count these units as sold and as held.
                let covers = |sku: &Sku| zero.iter().any(|line| line.sku == *sku);
                if saga.lines.iter().all(|line| covers(&line.sku)) {
                    Ok((epoch, Some(zero)))
                } else {
                    Err(Stop::Broken(anyhow::anyhow!("settle left out a line of the order")))
                }
            }
            SettleOutcome::Gone => Ok((epoch, None)),
            SettleOutcome::Stale => Err(Stop::Overtaken),
        }
    }

    async fn capture(&self, saga: &Saga) -> Result<Turn, Stop> {
        let zero = match &saga.settled {
            Some(zero) => zero.clone(),
            // A successor does not have settle's versions, and may not make them up: the zero
            // lines must be newer than any held line of this cart on paper. Settle repeats itself
            // with new versions. It cannot fail: with `capture` on record, an opening brings the
            // claim back as settled, and a settled claim never runs out.
            None => match self.settled(saga).await? {
                (_, Some(zero)) => zero,
                (_, None) => {
                    return Err(Stop::Broken(anyhow::anyhow!("a claim at capture is not settled")));
                }
            },
        };
        if saga.is_free() {
            return Ok(Turn::to(Step::Finish, Record::Paid(zero)));
        }
        match self.payments.of(&saga.provider)?.capture(&saga.payment()).await? {
            Charge::Captured => Ok(Turn::to(Step::Finish, Record::Paid(zero))),
            Charge::Voided | Charge::Declined(_) => {
                Ok(Turn::to(Step::Void, Record::Undo(Ending::declined("capture_refused"))))
            }
            Charge::Unknown | Charge::Pending | Charge::Authorised | Charge::ActionNeeded(_) => {
                Err(Stop::Waits("the capture is not known yet"))
            }
        }
    }

    async fn finish(&self, saga: &Saga) -> Result<Turn, Stop> {
        let freeze = saga.freeze();
        let (epoch, outcome) = self
            .stock(saga, |epoch, deadline| {
                self.inventory.finish(&saga.bucket, epoch, deadline, &freeze)
            })
            .await?;
        match outcome {
            UnfreezeOutcome::Done => Ok(Turn::within(epoch, Step::Done, Record::StepAlone)),
            UnfreezeOutcome::Stale => Err(Stop::Overtaken),
        }
    }
}

/// The way back of a checkout that the merchant wants to come to nothing, as long as no money was
/// taken. What its step may have done already is undone all the same.
fn turned_back(saga: &Saga) -> Option<Turn> {
    let back = match saga.step {
        Step::Begin => Step::Abort,
        Step::Prepare | Step::Authorise | Step::Settle => Step::Void,
        _ => return None,
    };
    saga.cancelled.then(|| Turn::to(back, Record::Undo(Ending::by_merchant())))
}

impl From<ProviderError> for Stop {
    fn from(error: ProviderError) -> Self {
        match error {
            // Whatever was asked carries the payment's key: it may arrive late and do no harm.
            ProviderError::NoAnswer(cause) => {
                tracing::info!(cause = format!("{cause:#}"), "the payment provider did not answer");
                Self::Waits("the payment provider does not answer")
            }
            ProviderError::Wrong(cause) => Self::Broken(cause),
        }
    }
}
