//! Mail, to an SMTP server or into a folder.
//!
//! A letter is named by an id, which its `Message-ID` is made of: sent twice, because nobody knows
//! whether the first time came through, it is the same letter to whoever receives it. An error says
//! whose fault it is, the letter's or the server's, for what is done next depends on it; it never
//! holds an address, whatever the server said.

mod folder;
mod smtp;

use std::time::SystemTime;

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use thiserror::Error;
use uuid::Uuid;

use crate::{kernel::clock::Timestamp, platform::config};

/// Of what a server says, so much is kept.
const REASON: usize = 300;

/// Something to send.
pub struct Letter {
    /// Names it.
    pub id: Uuid,
    /// What it is, such as `order-paid`.
    pub kind: &'static str,
    /// To whom.
    pub to: String,
    /// One line.
    pub subject: String,
    /// For programs that show text.
    pub text: String,
    /// For all others.
    pub html: String,
}

/// Why a letter was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MailError {
    /// It never will be.
    #[error("{0}")]
    Refused(String),
    /// This letter cannot be sent now.
    #[error("{0}")]
    Later(String),
    /// No letter can be sent now.
    #[error("{0}")]
    Away(String),
}

/// Sends letters.
pub struct Mailer {
    from: Mailbox,
    road: Road,
}

enum Road {
    Smtp(smtp::Smtp),
    Folder(folder::Folder),
}

impl Mailer {
    /// Connects to nothing yet. Fails on settings that cannot work, such as a file that is not
    /// there.
    pub fn new(config: &config::Mail) -> anyhow::Result<Self> {
        let road = match &config.url {
            Some(url) => Road::Smtp(smtp::Smtp::new(url.expose(), config)?),
            None => Road::Folder(folder::Folder::new(config.folder.clone())),
        };
        Ok(Self { from: config.from.mailbox(), road })
    }

    /// The name that letters are sent under.
    #[must_use]
    pub fn name(&self) -> &str {
        self.from.name.as_deref().unwrap_or_else(|| self.from.email.domain())
    }

    /// Sends one, at once.
    pub async fn send(&self, letter: Letter, now: Timestamp) -> Result<(), MailError> {
        let (id, kind) = (letter.id, letter.kind);
        let message = self.message(letter, now)?;
        match &self.road {
            Road::Smtp(smtp) => smtp.send(&message).await,
            Road::Folder(folder) => folder.write(id, kind, message.formatted()).await,
        }
    }

    fn message(&self, letter: Letter, now: Timestamp) -> Result<Message, MailError> {
        let unsound =
            |_| MailError::Refused("the address is not one that mail can be sent to".into());
        let to = letter.to.parse().map(|address| Mailbox::new(None, address)).map_err(unsound)?;
        // programs that answer by themselves are not to answer this
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject)
            .date(SystemTime::from(now))
            .message_id(Some(format!("<{}@{}>", letter.id, self.from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))
            .map_err(|error| MailError::Refused(format!("it makes no mail: {error}")))
    }
}

/// What a server said, without the addresses in it, for it goes to logs and tables.
fn without_addresses(said: &str) -> String {
    let words = said.split_whitespace();
    let words = words.map(|word| if word.contains('@') { "(address)" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_kept_without_addresses() {
        let said = "5.1.1 <ada@example.org>: Recipient  address rejected,\r\n see ada@example.org";
        let kept = "5.1.1 (address) Recipient address rejected, see (address)";
        assert_eq!(without_addresses(said), kept);
        assert_eq!(without_addresses(&"a ".repeat(1000)).chars().count(), REASON);
    }
}
