//! Mail by SMTP, over connections that are kept.
//!
//! The steps are taken one by one, for the step at which a server says no tells whether it says so
//! to this letter or to all of them. (lettre's own pool is of no use here: it waits for answers
//! without end, and takes back a connection whose letter was cut off.) A connection on which anything went wrong, or whose letter was
//! cut off by the timeout, is never used again: its next answer could belong to the letter before.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use lettre::{
    Address, Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, Tls, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailParameter},
    },
};
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, timeout};
use url::Url;

use super::{MailError, without_addresses};
use crate::platform::config;

/// An idle connection is not trusted for longer: servers close theirs after some minutes.
const IDLE: Duration = Duration::from_secs(30);
/// How long a server is given to take leave.
const LEAVE: Duration = Duration::from_secs(1);
/// "Service not available, closing transmission channel".
const CLOSING: &str = "421";

pub(super) struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    login: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    kept: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    keep: usize,
}

/// A step that failed: with every letter, or with this one.
enum Step {
    Every(Error),
    This(Error),
}

impl Smtp {
    pub(super) fn new(url: &str, config: &config::Mail) -> anyhow::Result<Self> {
        let url = Url::parse(url)?;
        let host = url.host_str().context("STAMPEDE_MAIL__URL names no host")?.to_owned();
        let login = if url.username().is_empty() {
            None
        } else {
            let (name, password) = (url.username(), url.password().unwrap_or_default());
            let [name, password] =
                [name, password].map(|text| percent_decode_str(text).decode_utf8());
            Some(Credentials::new(name?.into_owned(), password?.into_owned()))
        };
        let wanted = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, how)| how);
        let (tls, usual) = match (url.scheme(), wanted.as_deref()) {
            ("smtps", _) => (Tls::Wrapper(parameters(&host, config)?), 465),
            (_, Some("required")) => (Tls::Required(parameters(&host, config)?), 587),
            (_, Some("opportunistic")) => (Tls::Opportunistic(parameters(&host, config)?), 587),
            _ => (Tls::None, 25),
        };
        if login.is_some() && matches!(tls, Tls::None) {
            tracing::warn!("the SMTP server's password travels in the clear (add ?tls=required)");
        }
        Ok(Self {
            port: url.port().unwrap_or(usual),
            host,
            tls,
            login,
            hello: ClientId::default(),
            timeout: config.timeout,
            kept: Mutex::new(Vec::new()),
            keep: config.connections,
        })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), MailError> {
        let began = Instant::now();
        let connecting = timeout(self.timeout, self.connection()).await;
        let mut connection = connecting
            .map_err(|_| MailError::Away("the SMTP server did not answer in time".to_owned()))?
            .map_err(|error| MailError::Away(said(&error)))?;
        let rest = self.timeout.saturating_sub(began.elapsed());
        match timeout(rest, transmit(&mut connection, message)).await {
            Ok(Ok(())) => {
                self.keep(connection);
                Ok(())
            }
            Ok(Err(step)) => {
                let _ = timeout(LEAVE, connection.abort()).await;
                Err(step.judged())
            }
            // it may have been taken: the same letter will come again
            Err(_) => Err(MailError::Later("the SMTP server did not take it in time".to_owned())),
        }
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some((mut connection, since)) = self.take() {
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Ok(connection);
            }
        }
        let wrapper = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let address = (self.host.trim_matches(['[', ']']), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(self.timeout),
            &self.hello,
            wrapper,
            None,
        )
        .await?;
        let upgrade = match &self.tls {
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) if connection.can_starttls() => Some(parameters),
            _ => None,
        };
        if let Some(parameters) = upgrade {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }

    fn take(&self) -> Option<(AsyncSmtpConnection, Instant)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < self.keep {
            kept.push((connection, Instant::now()));
        }
    }
}

async fn transmit(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), Step> {
    let envelope = message.envelope();
    let mut options = Vec::new();
    let foreign = |address: &Address| !AsRef::<str>::as_ref(address).is_ascii();
    if envelope.from().into_iter().chain(envelope.to()).any(foreign)
        && connection.server_info().supports_feature(Extension::SmtpUtfEight)
    {
        options.push(MailParameter::SmtpUtfEight);
    }
    // who refuses the sender refuses every letter
    let from = Mail::new(envelope.from().cloned(), options);
    connection.command(from).await.map_err(Step::Every)?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(Step::This)?;
    }
    connection.command(Data).await.map_err(Step::This)?;
    connection.message(&message.formatted()).await.map_err(Step::This)?;
    Ok(())
}

impl Step {
    fn judged(self) -> MailError {
        match self {
            Self::Every(error) => MailError::Away(said(&error)),
            Self::This(error) => match error.status() {
                Some(code) if code.to_string() == CLOSING => MailError::Away(said(&error)),
                Some(_) if error.is_permanent() => MailError::Refused(said(&error)),
                // or the connection broke: over this letter, for all that is known
                _ => MailError::Later(said(&error)),
            },
        }
    }
}

fn parameters(host: &str, config: &config::Mail) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &config.ca_file {
        let cannot = || format!("{} (STAMPEDE_MAIL__CA_FILE)", path.display());
        let pem = fs::read(path).with_context(cannot)?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).with_context(cannot)?);
    }
    Ok(builder.build()?)
}

fn said(error: &Error) -> String {
    without_addresses(&error.to_string())
}
