//! What is told to others: mail, and webhooks of merchants.

use std::{fmt, path::PathBuf, time::Duration};

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize, Serializer, de};

use super::{Config, check, sections::optional_url};
use crate::platform::secret::ServiceUrl;

/// Mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The SMTP server: `smtps://`, or `smtp://`, with `?tls=required` for STARTTLS.
    #[serde(with = "optional_url")]
    pub url: Option<ServiceUrl>,
    /// A certificate, in PEM, that is trusted besides the system's.
    #[serde(with = "optional_path")]
    pub ca_file: Option<PathBuf>,
    /// Who writes.
    pub from: MailAddress,
    /// Who is told when something of the shop's own needs a look.
    #[serde(with = "optional_address")]
    pub merchant: Option<MailAddress>,
    /// Where mails go without an SMTP server.
    pub folder: PathBuf,
    /// Mails a second.
    pub rate: u32,
    /// Mails on their way at once, and connections kept.
    pub connections: usize,
    /// How long one mail may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How often mails to send are looked for.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// For how long it is remembered that a mail was sent.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

/// Webhooks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Whether endpoints may be private, and speak http.
    pub allow_private: bool,
    /// How long an endpoint may take to answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Requests under way at once to one endpoint.
    pub in_flight: u16,
    /// How often deliveries that are due are looked for.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// For how long an old secret signs beside the new one.
    #[serde(with = "humantime_serde")]
    pub rotation: Duration,
    /// After how long without a success an endpoint is disabled.
    #[serde(with = "humantime_serde")]
    pub disable_after: Duration,
    /// For how long deliveries that succeeded stay in the log.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

/// Whether the setting `key` is within its range; the error says what is expected.
pub(super) fn range(config: &Config, key: &str) -> Result<(), String> {
    let (mail, webhooks) = (&config.mail, &config.webhooks);
    let found = match key {
        "mail.url" => {
            return mail.url.as_ref().map_or(Ok(()), server);
        }
        // a second's worth at a time is taken over by one sender
        "mail.rate" => return check::within(mail.rate, 1, 1000),
        "mail.connections" => return check::within(mail.connections, 1, 100),
        "webhooks.in_flight" => return check::within(webhooks.in_flight, 1, 100),
        "mail.timeout" => mail.timeout,
        "mail.interval" => mail.interval,
        "mail.keep" => mail.keep,
        "webhooks.timeout" => webhooks.timeout,
        "webhooks.interval" => webhooks.interval,
        "webhooks.rotation" => webhooks.rotation,
        "webhooks.disable_after" => webhooks.disable_after,
        "webhooks.keep" => webhooks.keep,
        _ => return Ok(()),
    };
    check::duration(found)
}

/// Mail from nowhere is not taken by any server.
pub(super) fn together(config: &Config) -> Result<(), String> {
    let mail = &config.mail;
    if mail.url.is_some() && mail.from.0.email.domain() == "localhost" {
        return Err("mail.from must be set when mail.url is: an address such as \
                    \"Night Runners <shop@example.org>\" (STAMPEDE_MAIL__FROM)"
            .to_owned());
    }
    Ok(())
}

fn server(url: &ServiceUrl) -> Result<(), String> {
    check::scheme(url.scheme(), &["smtps", "smtp"])?;
    let query = url.expose().split_once('?').map(|(_, query)| query);
    match query {
        None | Some("tls=required" | "tls=opportunistic") => Ok(()),
        Some(_) => Err("expected nothing after ? but tls=required or tls=opportunistic".to_owned()),
    }
}

/// An address that mail is sent from or to, with the name of who is behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct MailAddress(Mailbox);

impl MailAddress {
    /// The address with its name.
    #[must_use]
    pub fn mailbox(&self) -> Mailbox {
        self.0.clone()
    }

    /// The address alone.
    #[must_use]
    pub fn address(&self) -> String {
        self.0.email.to_string()
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<'de> Deserialize<'de> for MailAddress {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let expected = "expected an address such as \"Night Runners <shop@example.org>\"";
        let parsed = String::deserialize(from)?.parse::<Mailbox>();
        let mailbox = parsed.map_err(|error| de::Error::custom(format!("{expected} ({error})")))?;
        let plain = mailbox.name.as_deref().is_none_or(|name| !name.contains(char::is_control));
        if plain { Ok(Self(mailbox)) } else { Err(de::Error::custom(expected)) }
    }
}

impl Serialize for MailAddress {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// An address that may be left empty.
mod optional_address {
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, MailAddress, de};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<MailAddress>, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        MailAddress::deserialize(de::value::StringDeserializer::new(text)).map(Some)
    }

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        address: &Option<MailAddress>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(&address.as_ref().map(|found| found.0.to_string()).unwrap_or_default())
    }
}

/// A path that may be left empty.
mod optional_path {
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        let text = String::deserialize(from)?;
        Ok((!text.is_empty()).then(|| text.into()))
    }

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let shown = path.as_ref().map(|path| path.display().to_string());
        to.serialize_str(&shown.unwrap_or_default())
    }
}
