//! Mail into a folder, one `.eml` file each, for a shop without an SMTP server.

use std::{fs, io, path::PathBuf, sync::Once};

use uuid::Uuid;

use super::MailError;

pub(super) struct Folder {
    path: PathBuf,
    said: Once,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, said: Once::new() }
    }

    /// Writes a file that is whole or not there; the same letter twice is the same file.
    pub(super) async fn write(
        &self,
        id: Uuid,
        kind: &'static str,
        bytes: Vec<u8>,
    ) -> Result<(), MailError> {
        self.said.call_once(|| {
            tracing::warn!(
                folder = %self.path.display(),
                "no SMTP server is set (STAMPEDE_MAIL__URL): mails are written into a folder"
            );
        });
        let folder = self.path.clone();
        let writing = move || -> io::Result<()> {
            fs::create_dir_all(&folder)?;
            let unfinished = folder.join(format!(".{id}"));
            fs::write(&unfinished, bytes)?;
            fs::rename(unfinished, folder.join(format!("{id}-{kind}.eml")))
        };
        let written = tokio::task::spawn_blocking(writing).await;
        let failed = |error: &dyn std::fmt::Display| {
            MailError::Away(format!("{}: {error}", self.path.display()))
        };
        written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}
