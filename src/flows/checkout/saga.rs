//! The steps of a checkout, and what undoes them.
//!
//! `begin` freezes the cart; `authorise` sets the money aside; `settle` turns what is held into
//! what is bought; `capture` takes the money; `finish` lets the cart go. Each step says what it
//! did and what comes next; [`owner`](super::owner) writes that down before anything else
//! happens. Every step may be repeated: a successor who finds a step on record cannot know whether
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
        payments::{Charge, NoAnswer},
    },
};

impl Checkout {
    /// Does the step that is on record. To the left the steps, beside each what undoes it.
    #[rustfmt::skip]
    pub(super) async fn turn(&self, saga: &Saga) -> Result<Turn, Stop> {
        match saga.step {
            Step::Begin     => self.begin(saga).await,      Step::Abort => self.abort(saga).await,
            Step::Authorise => self.authorise(saga).await,  Step::Void  => self.void(saga).await,
            Step::Settle    => self.settle(saga).await,     // undone by abort as well
            Step::Capture   => self.capture(saga).await,    // a refused one leaves nothing to undo
            Step::Finish    => self.finish(saga).await,     // the order is paid: no way back
            Step::Done      => Err(Stop::Overtaken),
        }
    }

    async fn begin(&self, saga: &Saga) -> Result<Turn, Stop> {
        let freeze = saga.freeze();
        let (epoch, outcome) = self
            .stock(saga, |epoch, deadline| {
                self.inventory.begin(&saga.bucket, epoch, deadline, &freeze, &saga.wanted)
            })
            .await?;
        let refused = |refusal| Ok(Turn::within(epoch, Step::Abort, Record::Refused(refusal)));
        match outcome {
            BeginOutcome::Frozen { .. } => {
                Ok(Turn::within(epoch, Step::Authorise, Record::StepAlone))
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

    async fn authorise(&self, saga: &Saga) -> Result<Turn, Stop> {
        if saga.is_free() {
            return Ok(Turn::to(Step::Settle, Record::StepAlone));
        }
        // A successor asks before he charges. "No such charge" is no refusal: the request may
        // never have arrived, and is made again under the same key.
        let known = if saga.attempt > Saga::FIRST_ATTEMPT {
            self.payments.lookup(saga.order).await?
        } else {
            Charge::Unknown
        };
        let charge = match known {
            Charge::Unknown => self.payments.authorise(saga.order, saga.total, saga.method).await?,
            known => known,
        };
        match charge {
            Charge::Authorised | Charge::Captured => Ok(Turn::to(Step::Settle, Record::StepAlone)),
            Charge::Declined(reason) => {
                Ok(Turn::to(Step::Abort, Record::Undo(Ending::declined(reason))))
            }
            Charge::Voided => {
                Ok(Turn::to(Step::Abort, Record::Undo(Ending::declined("payment_voided"))))
            }
            Charge::Pending | Charge::Unknown => Err(Stop::Later("the charge is not known yet")),
        }
    }

    /// Cancels the payment's key, so that an authorisation still under way fails when it arrives.
    async fn void(&self, saga: &Saga) -> Result<Turn, Stop> {
        if saga.is_free() {
            return Ok(Turn::to(Step::Abort, Record::StepAlone));
        }
        match self.payments.void(saga.order).await? {
            Charge::Voided | Charge::Declined(_) => Ok(Turn::to(Step::Abort, Record::StepAlone)),
            charge => Err(Stop::Broken(anyhow::anyhow!("{charge:?} after a void"))),
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
        let freeze = saga.freeze();
        let (epoch, outcome) = self
            .stock(saga, |epoch, deadline| {
                self.inventory.settle(&saga.bucket, epoch, deadline, &freeze, &saga.wanted)
            })
            .await?;
        match outcome {
            SettleOutcome::Settled(zero) => {
                // The lines on paper end with the very transaction that says "paid", or else an
                // opening would count these units as sold and as held.
                let covers = |sku: &Sku| zero.iter().any(|line| line.sku == *sku);
                if saga.wanted.iter().all(|(sku, _)| covers(sku)) {
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
        match self.payments.capture(saga.order).await? {
            Charge::Captured => Ok(Turn::to(Step::Finish, Record::Paid(zero))),
            Charge::Voided | Charge::Declined(_) => {
                Ok(Turn::to(Step::Void, Record::Undo(Ending::declined("capture_refused"))))
            }
            Charge::Unknown | Charge::Pending | Charge::Authorised => {
                Err(Stop::Later("the capture is not known yet"))
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

impl From<NoAnswer> for Stop {
    fn from(_: NoAnswer) -> Self {
        // Whatever was asked carries the order's key: it may arrive late and do no harm.
        Self::Later("the payment provider does not answer")
    }
}
