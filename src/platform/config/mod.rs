//! Configuration: defaults from a commented file inside the binary, the environment on top.
//!
//! Every setting has its default in `default.toml`, with the reason for it; that file is also
//! the list of what exists, so a variable that begins with `STAMPEDE_` and is not in it is an
//! error. Sections are typed, and hold nothing that a later reader would have to check again.

mod audit;
mod check;
mod events;
mod load;
mod notify;
mod sections;
mod stripe;

pub use audit::Audit;
pub use events::Events;
pub use load::ConfigError;
pub use notify::{Mail, MailAddress, Webhooks};
pub use sections::{
    Cart, Checkout, Log, LogFormat, Ops, Payments, Postgres, Provider, Rabbit, Redis, Shutdown,
    Stock, Web,
};
pub use stripe::Stripe;

use serde::{Deserialize, Serialize};

/// The whole configuration; one field a section.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The shoppers' listener.
    pub web: Web,
    /// The operators' listener.
    pub ops: Ops,
    /// What is logged, and how.
    pub log: Log,
    /// Postgres.
    pub postgres: Postgres,
    /// Redis.
    pub redis: Redis,
    /// `RabbitMQ`.
    pub rabbit: Rabbit,
    /// Taking, counting and opening.
    pub stock: Stock,
    /// The cart stream and its writer.
    pub cart: Cart,
    /// The checkout.
    pub checkout: Checkout,
    /// Events and their consumers.
    pub events: Events,
    /// Payments.
    pub payments: Payments,
    /// Stripe, when it moves the money.
    pub stripe: Stripe,
    /// The audit that runs by itself.
    pub audit: Audit,
    /// Mail.
    pub mail: Mail,
    /// Webhooks of merchants.
    pub webhooks: Webhooks,
    /// Leaving.
    pub shutdown: Shutdown,
}

impl Config {
    /// The defaults with the process' environment on top.
    pub fn from_env() -> Result<Self, ConfigError> {
        load::load(load::process_variables()?)
    }

    /// The defaults with `variables` (name, value) on top; what does not concern us is ignored.
    pub fn from_variables<N, V>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        load::load(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The effective configuration as TOML, secrets and passwords masked.
    pub fn to_masked_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}
