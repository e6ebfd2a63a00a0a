//! The section of the Stripe provider.

use serde::{Deserialize, Serialize};

use crate::platform::secret::{Secret, SecretList, ServiceUrl};

/// Stripe, when it moves the money.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// Authenticates us.
    pub secret_key: Secret,
    /// Names the account to the browser; no secret.
    pub publishable_key: String,
    /// What Stripe signs its notices with, newest first.
    pub webhook_secrets: SecretList,
    /// Where Stripe is.
    pub api_url: ServiceUrl,
    /// Where browsers get the script that takes a card's details.
    pub script_url: ServiceUrl,
}

impl Stripe {
    /// What is missing for it to move money.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.secret_key.expose().is_empty() {
            Some("stripe.secret_key")
        } else if self.publishable_key.is_empty() {
            Some("stripe.publishable_key")
        } else if self.webhook_secrets.is_empty() {
            Some("stripe.webhook_secrets")
        } else {
            None
        }
    }
}
