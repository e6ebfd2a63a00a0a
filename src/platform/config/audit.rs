//! The section of the audit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The audit that runs by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// How often it runs.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}
