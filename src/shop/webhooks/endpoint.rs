//! Where a merchant is sent events.

use std::fmt;

use thiserror::Error;
use url::Url;

use super::SigningKey;
use crate::{
    kernel::{clock::Timestamp, ids::EndpointId},
    platform::outgoing::{self, Forbidden, Reach},
};

/// Endpoints of a shop that are enabled: each may have requests under way at the same time as all
/// others, and their number bounds how many those are.
pub const MAX_ENDPOINTS: i64 = 32;
/// The longest address that is taken: what servers and proxies agree on.
const LONGEST_URL: usize = 2000;

/// Why an address is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidUrl {
    /// Not an address.
    #[error("expected an address such as https://example.org/hooks ({0})")]
    Unreadable(url::ParseError),
    /// Too long.
    #[error("expected an address of {LONGEST_URL} characters at most")]
    Long,
    /// Something in it that would be shown or lost.
    #[error("expected an address without {0}")]
    Odd(&'static str),
    /// None that we speak to.
    #[error("{0} (STAMPEDE_WEBHOOKS__ALLOW_PRIVATE=true allows http and private addresses)")]
    Forbidden(Forbidden),
}

/// An address that may be spoken to, as far as can be seen without asking what its name stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Reads an address.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, InvalidUrl> {
        if text.len() > LONGEST_URL {
            return Err(InvalidUrl::Long);
        }
        let url = Url::parse(text).map_err(InvalidUrl::Unreadable)?;
        outgoing::allowed(&url, reach).map_err(InvalidUrl::Forbidden)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::Odd("a name and a password: deliveries are signed"));
        }
        if url.fragment().is_some() {
            return Err(InvalidUrl::Odd("a fragment (#…)"));
        }
        Ok(Self(url))
    }

    /// Looks once more, at what its name stands for at this moment.
    pub async fn is_allowed_now(&self, reach: Reach) -> Result<(), InvalidUrl> {
        outgoing::allowed_now(&self.0, reach).await.map_err(InvalidUrl::Forbidden)
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an endpoint is made of.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Chosen by the caller.
    pub id: EndpointId,
    /// Where it is.
    pub url: EndpointUrl,
    /// Types of events; none means all of them.
    pub events: Vec<String>,
    /// Signs what it is sent.
    pub key: SigningKey,
}

/// An endpoint as it stands.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its id.
    pub id: EndpointId,
    /// Where it is.
    pub url: String,
    /// Types of events; none means all of them.
    pub events: Vec<String>,
    /// Keys that sign at this moment, newest first.
    pub keys: Vec<SigningKey>,
    /// When it was added.
    pub created_at: Timestamp,
    /// Since when every try has failed.
    pub failing_since: Option<Timestamp>,
    /// When and why it was disabled.
    pub disabled: Option<(Timestamp, Disabled)>,
    /// Deliveries waiting.
    pub waiting: i64,
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
    /// Somebody asked for it.
    Asked,
    /// It answered 410: it is gone, and says so.
    Gone,
    /// It failed for too long.
    Failing,
}

impl Disabled {
    /// Its name in the database and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Asked, Self::Gone, Self::Failing].into_iter().find(|why| why.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_would_leak_or_lead_inside_are_refused() {
        let parse = |text: &str| EndpointUrl::parse(text, Reach::Public);
        assert_eq!(
            parse("https://example.org/a?b=c").unwrap().as_str(),
            "https://example.org/a?b=c"
        );
        let long = format!("https://example.org/{}", "a".repeat(LONGEST_URL));
        for bad in [
            "",
            "example.org",
            "http://example.org/",
            "https://10.0.0.1/",
            "https://[::1]/",
            "https://me:secret@example.org/",
            "https://me@example.org/",
            "https://example.org/#a",
            &long,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(EndpointUrl::parse("http://10.0.0.1/", Reach::Anywhere).is_ok());
    }

    #[test]
    fn a_reason_reads_back_from_its_name() {
        for why in [Disabled::Asked, Disabled::Gone, Disabled::Failing] {
            assert_eq!(Disabled::parse(why.as_str()), Some(why));
        }
    }
}
