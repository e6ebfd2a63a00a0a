//! Where a command's output goes: standard output, or a file that appears when it is whole.

use std::{
    fs,
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tempfile::NamedTempFile;

use super::failure::Failure;

/// Written at once: fewer system calls than rows, and nothing beside the rows of a large sale.
const BUFFER: usize = 64 * 1024;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// It holds personal data.
    Owner,
    /// It holds none.
    Everybody,
}

/// An open output. What was written to a file beside its name goes away unless [`Output::finish`]
/// puts it in place, so nobody reads half a file, and what stood there before stays until then.
pub(super) enum Output {
    Stdout(BufWriter<io::Stdout>),
    /// A device or a pipe, which cannot be replaced.
    Special(BufWriter<fs::File>, PathBuf),
    Beside(BufWriter<NamedTempFile>, PathBuf),
}

impl Output {
    /// Standard output, or a file.
    pub(super) fn open(path: Option<&Path>, readers: Readers) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, io::stdout())));
        };
        Self::open_file(path, readers)
            .with_context(|| format!("{} cannot be written", path.display()))
            .map_err(Failure::Failed)
    }

    fn open_file(path: &Path, readers: Readers) -> io::Result<Self> {
        // through a link, so that the link stays one
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if let Ok(there) = fs::metadata(&path) {
            if there.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if !there.is_file() {
                let file = fs::OpenOptions::new().write(true).open(&path)?;
                return Ok(Self::Special(BufWriter::with_capacity(BUFFER, file), path));
            }
        }
        let mode = if readers == Readers::Owner { 0o600 } else { 0o644 };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let beside = tempfile::Builder::new()
            .prefix(".stampede-")
            .suffix(".part")
            .permissions(fs::Permissions::from_mode(mode))
            .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
        Ok(Self::Beside(BufWriter::with_capacity(BUFFER, beside), path))
    }

    /// Writes the rest out, and puts a file in its place.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let name = self.name();
        self.flush().map_err(|error| name.failure(error))?;
        let Self::Beside(written, path) = self else { return Ok(()) };
        let persist = || {
            let file = written.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok::<(), io::Error>(())
        };
        persist().map_err(|error| name.failure(error))
    }

    /// What it is, for errors.
    pub(super) fn name(&self) -> OutputName {
        OutputName(match self {
            Self::Stdout(_) => "standard output".to_owned(),
            Self::Special(_, path) | Self::Beside(_, path) => path.display().to_string(),
        })
    }

    fn inner(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(to) => to,
            Self::Special(to, _) => to,
            Self::Beside(to, _) => to,
        }
    }
}

/// What an output is.
pub(super) struct OutputName(String);

impl OutputName {
    /// What it means that a write failed.
    pub(super) fn failure(&self, error: io::Error) -> Failure {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::ReaderLeft;
        }
        let what = format!("{} cannot be written", self.0);
        Failure::Failed(anyhow::Error::new(error).context(what))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.csv");
        fs::write(&path, "old").unwrap();
        let mut output = Output::open(Some(&path), Readers::Owner).unwrap();
        output.write_all(b"half").unwrap();
        output.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        drop(output);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");

        let mut output = Output::open(Some(&path), Readers::Owner).unwrap();
        output.write_all(b"whole").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "addresses are the owner's to read");
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let mut output = Output::open(Some(Path::new("/dev/null")), Readers::Owner).unwrap();
        output.write_all(b"away").unwrap();
        output.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
