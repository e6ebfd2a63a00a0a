//! The loops. Each is shallow: look at what is to be done, call a verb, wait.
//!
//! A loop rides out what passes (a server away, a lock held elsewhere) and logs it once a change;
//! it ends only when the process leaves.

pub mod auditor;
pub mod backlog_watch;
pub mod cart_writer;
pub mod checkout_resumer;
pub mod event_consumers;
pub mod hold_expirer;
pub mod mail_sender;
pub mod outbox_relay;
pub mod payment_notices;
pub mod sale_phases;
pub mod statistics;
pub mod stock_flusher;
pub mod stock_keeper;
pub mod stream_watch;
pub mod webhook_sender;

use std::future::Future;

use futures_util::future::BoxFuture;

use crate::{app::App, platform::shutdown::Shutdown};

/// What keeps a worker waiting, said once a change and not with every look.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    said: Option<String>,
}

impl Trouble {
    /// `who` cannot go on because of `why`.
    pub(crate) fn is(&mut self, who: &str, why: &dyn std::fmt::Display) {
        let why = format!("{why:#}");
        if self.said.as_ref() != Some(&why) {
            tracing::warn!(why, "{who} waits");
            self.said = Some(why);
        }
    }

    /// `who` goes on.
    pub(crate) fn is_over(&mut self, who: &str) {
        if self.said.take().is_some() {
            tracing::info!("{who} goes on");
        }
    }
}

/// What a process can do besides serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Takes the cart stream over into Postgres
    CartWriter,
    /// Opens sales, and mends what differs
    StockKeeper,
    /// Writes counts to Postgres, and shows them as metrics
    StockFlusher,
    /// Brings back what was not paid in time
    HoldExpirer,
    /// Finishes checkouts and refunds that nobody owns any more
    CheckoutResumer,
    /// Handles what payment providers tell us by themselves
    PaymentNotices,
    /// Compares stock, orders and payments every few minutes
    Auditor,
    /// Counts what happened to orders, minute by minute
    Statistics,
    /// Sends mails
    MailSender,
    /// Sends events to merchants' endpoints
    WebhookSender,
    /// Publishes events
    OutboxRelay,
    /// Takes events over, for every consumer or those that are set
    EventConsumer,
    /// Tells when sales open, pause and end
    SalePhases,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 13] = [
        Self::CartWriter,
        Self::StockKeeper,
        Self::StockFlusher,
        Self::HoldExpirer,
        Self::CheckoutResumer,
        Self::PaymentNotices,
        Self::Auditor,
        Self::Statistics,
        Self::MailSender,
        Self::WebhookSender,
        Self::OutboxRelay,
        Self::EventConsumer,
        Self::SalePhases,
    ];

    /// The role's name, as the command line has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CartWriter => "cart-writer",
            Self::StockKeeper => "stock-keeper",
            Self::StockFlusher => "stock-flusher",
            Self::HoldExpirer => "hold-expirer",
            Self::CheckoutResumer => "checkout-resumer",
            Self::PaymentNotices => "payment-notices",
            Self::Auditor => "auditor",
            Self::Statistics => "statistics",
            Self::MailSender => "mail-sender",
            Self::WebhookSender => "webhook-sender",
            Self::OutboxRelay => "outbox-relay",
            Self::EventConsumer => "event-consumer",
            Self::SalePhases => "sale-phases",
        }
    }

    /// The role's loop.
    #[must_use]
    pub fn run(self, app: App, shutdown: Shutdown) -> BoxFuture<'static, anyhow::Result<()>> {
        fn boxed(
            work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
        ) -> BoxFuture<'static, anyhow::Result<()>> {
            Box::pin(work)
        }
        match self {
            Self::CartWriter => boxed(cart_writer::run(app, shutdown)),
            Self::StockKeeper => boxed(stock_keeper::run(app, shutdown)),
            Self::StockFlusher => boxed(stock_flusher::run(app, shutdown)),
            Self::HoldExpirer => boxed(hold_expirer::run(app, shutdown)),
            Self::CheckoutResumer => boxed(checkout_resumer::run(app, shutdown)),
            Self::PaymentNotices => boxed(payment_notices::run(app, shutdown)),
            Self::Auditor => boxed(auditor::run(app, shutdown)),
            Self::Statistics => boxed(statistics::run(app, shutdown)),
            Self::MailSender => boxed(mail_sender::run(app, shutdown)),
            Self::WebhookSender => boxed(webhook_sender::run(app, shutdown)),
            Self::OutboxRelay => boxed(outbox_relay::run(app, shutdown)),
            Self::EventConsumer => boxed(event_consumers::run(app, shutdown)),
            Self::SalePhases => boxed(sale_phases::run(app, shutdown)),
        }
    }
}
