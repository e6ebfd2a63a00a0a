//! Reads a sale's file and the pictures beside it, and nothing else: no other folder, no device, no
//! more bytes than are bearable.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use thiserror::Error;

use super::{FileError, FileErrors, SaleFile};
use crate::shop::catalog::Image;

/// The largest file; it holds the largest allowed sale many times over.
const MAX_FILE_BYTES: usize = 5 * 1024 * 1024;

/// All pictures of one file: they are held in memory and stored in one transaction.
const MAX_PICTURES_BYTES: usize = 128 * 1024 * 1024;

/// Why a sale's file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something wrong.
    #[error(transparent)]
    Invalid(#[from] FileErrors),
}

/// The sale in the file at `path`, with the pictures that it names. Blocks on the disk.
pub fn read(path: &Path) -> Result<SaleFile, ReadError> {
    let io_error = |source| ReadError::Io { path: path.to_owned(), source };
    let Some(bytes) = bounded(path, MAX_FILE_BYTES).map_err(io_error)? else {
        let message = format!("is larger than {} MiB", MAX_FILE_BYTES / 1024 / 1024);
        return Err(FileErrors::from(FileError::new(1, "(file)", message)).into());
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        FileErrors::from(FileError::new(line, "(file)", "is not UTF-8 text"))
    })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut left = MAX_PICTURES_BYTES;
    Ok(SaleFile::parse(&text, &mut |name| {
        let image = picture(folder, name)?;
        left = left
            .checked_sub(image.bytes.len())
            .ok_or_else(|| format!("all pictures together exceed {MAX_PICTURES_BYTES} bytes"))?;
        Ok(image)
    })?)
}

/// The picture `name` in `folder`.
fn picture(folder: &Path, name: &str) -> Result<Image, String> {
    let is_plain = !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control);
    if !is_plain {
        return Err("expected the name of a file beside this one".into());
    }
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {name} beside this file"),
        _ => format!("{name} cannot be read: {error}"),
    };
    // a link may point anywhere; volumes of Kubernetes have links that stay inside
    let folder = folder.canonicalize().map_err(cannot)?;
    let path = folder.join(name).canonicalize().map_err(cannot)?;
    if !path.starts_with(&folder) {
        return Err("leads out of this file's folder".into());
    }
    let bytes = bounded(&path, Image::MAX_BYTES).map_err(cannot)?;
    let bytes = bytes
        .ok_or_else(|| format!("{name} is larger than {} MiB", Image::MAX_BYTES / 1024 / 1024))?;
    Image::parse(Bytes::from(bytes)).map_err(|error| format!("{name}: {error}"))
}

/// The bytes of a regular file; `None` when there are more than `max`. Its size is looked at before
/// a byte is read.
fn bounded(path: &Path, max: usize) -> io::Result<Option<Vec<u8>>> {
    let facts = path.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let max_u64 = u64::try_from(max).unwrap_or(u64::MAX);
    if facts.len() > max_u64 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max_u64.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= max).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder of its own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("stampede-folder-{}-{name}", std::process::id()));
            fs::create_dir_all(path.join("shop")).unwrap();
            Self(path)
        }

        fn put(&self, name: &str, bytes: &[u8]) {
            fs::write(self.0.join("shop").join(name), bytes).unwrap();
        }

        fn picture(&self, name: &str) -> Result<Image, String> {
            picture(&self.0.join("shop"), name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg'/>";

    #[test]
    fn a_picture_lies_beside_the_file() {
        let folder = Folder::new("beside");
        folder.put("shoe.svg", SVG);
        assert!(folder.picture("shoe.svg").is_ok());
        assert!(folder.picture("boot.svg").unwrap_err().contains("no boot.svg beside"));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = Folder::new("outside");
        fs::write(folder.0.join("secret.svg"), SVG).unwrap();
        std::os::unix::fs::symlink("../secret.svg", folder.0.join("shop/link.svg")).unwrap();
        let absolute = folder.0.join("secret.svg");
        for name in ["../secret.svg", absolute.to_str().unwrap(), "..", ".", "", "a\0", "link.svg"]
        {
            assert!(folder.picture(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_picture_of_fifty_megabytes_is_not_even_read() {
        let folder = Folder::new("huge");
        let file = File::create(folder.0.join("shop/huge.png")).unwrap();
        file.set_len(50 * 1024 * 1024).unwrap();
        assert!(folder.picture("huge.png").unwrap_err().contains("larger than 2 MiB"));
        assert!(folder.picture("../shop").is_err());
    }

    #[test]
    fn a_picture_is_checked_by_its_content() {
        let folder = Folder::new("content");
        folder.put("shoe.png", b"#!/bin/sh");
        folder.put("evil.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>");
        assert!(folder.picture("shoe.png").unwrap_err().contains("expected a PNG"));
        assert!(folder.picture("evil.svg").unwrap_err().contains("event handler"));
    }

    #[test]
    fn a_file_that_is_too_large_missing_a_folder_or_not_text_is_refused() {
        let folder = Folder::new("file");
        let shop = folder.0.join("shop");
        assert!(matches!(read(&shop.join("none.toml")), Err(ReadError::Io { .. })));
        assert!(matches!(read(&shop), Err(ReadError::Io { .. })));
        folder.put("bytes.toml", b"[sale]\nslug = \"\xff\"\n");
        let error = read(&shop.join("bytes.toml")).unwrap_err().to_string();
        assert_eq!(error, "line 2, (file): is not UTF-8 text");
        let file = File::create(shop.join("huge.toml")).unwrap();
        file.set_len(6 * 1024 * 1024).unwrap();
        let error = read(&shop.join("huge.toml")).unwrap_err().to_string();
        assert!(error.contains("larger than 5 MiB"), "{error}");
    }
}
