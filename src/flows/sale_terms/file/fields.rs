//! Walks a TOML document and collects what is wrong with it, each with its line and field.

use std::{collections::BTreeMap, fmt};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One thing that is wrong with a sale's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// Dotted, as in the file's headers: `product.sku.price`.
    pub field: String,
    /// What was expected.
    pub message: String,
}

/// Everything that was found wrong with a sale's file, by line; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileErrors(Vec<FileError>);

/// A value and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// From 1.
    pub line: usize,
}

/// A file that says nothing right must not fill the terminal.
const MAX_SHOWN: usize = 50;

impl FileError {
    /// Something wrong with `field` on `line`.
    pub(in crate::flows::sale_terms) fn new(
        line: usize,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { line, field: field.into(), message: message.into() }
    }
}

impl FileErrors {
    /// `Ok` when nothing was found.
    pub(in crate::flows::sale_terms) fn check(mut found: Vec<FileError>) -> Result<(), Self> {
        found.sort_by_key(|error| error.line);
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }

    /// What was found, by line.
    #[must_use]
    pub fn as_slice(&self) -> &[FileError] {
        &self.0
    }
}

impl From<FileError> for FileErrors {
    fn from(error: FileError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.field, self.message)
    }
}

impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.0.iter().take(MAX_SHOWN).enumerate() {
            let newline = if nth == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        match self.0.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

/// The document's text and what was found wrong with it so far.
pub(super) struct Document<'i> {
    text: &'i str,
    line_starts: Vec<usize>,
    pub(super) errors: Vec<FileError>,
}

impl<'i> Document<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, line_starts: std::iter::once(0).chain(starts).collect(), errors: Vec::new() }
    }

    /// The root table; `None` when it is not TOML.
    pub(super) fn root(&mut self) -> Option<DeTable<'i>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.error(self.line(at), self.key_at(at), error.message());
        }
        errors.is_empty().then(|| root.into_inner())
    }

    pub(super) fn error(
        &mut self,
        line: usize,
        field: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.errors.push(FileError::new(line, field, message));
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The key on the line of a syntax error, where nothing better is known.
    fn key_at(&self, offset: usize) -> &'i str {
        let line = self.text.lines().nth(self.line(offset) - 1).unwrap_or_default().trim();
        let key = line.split_once('=').map_or(line, |(key, _)| key.trim());
        let is_key = |c: char| c.is_ascii_alphanumeric() || "._-[] ".contains(c);
        if key.is_empty() || key.len() > 100 || !key.chars().all(is_key) { "(file)" } else { key }
    }
}

/// A table whose fields are taken one by one; what is left is unknown.
pub(super) struct Fields<'a, 'i> {
    path: String,
    line: usize,
    left: BTreeMap<&'a str, (usize, &'a Spanned<DeValue<'i>>)>,
}

impl<'a, 'i> Fields<'a, 'i> {
    pub(super) fn new(
        document: &Document<'_>,
        path: &str,
        line: usize,
        table: &'a DeTable<'i>,
    ) -> Self {
        let left = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), (document.line(key.span().start), value)));
        Self { path: path.to_owned(), line, left: left.collect() }
    }

    /// Where the table begins.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The value of a field that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        document: &mut Document<'_>,
        name: &str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        let (line, value) = self.left.remove(name)?;
        match read(value.get_ref()) {
            Ok(value) => Some(Placed { value, line }),
            Err(message) => {
                document.error(line, self.name_of(name), message);
                None
            }
        }
    }

    /// The value of a field that must be there.
    pub(super) fn required<T>(
        &mut self,
        document: &mut Document<'_>,
        name: &str,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<Placed<T>> {
        if !self.left.contains_key(name) {
            document.error(self.line, self.name_of(name), "is missing");
        }
        self.optional(document, name, read)
    }

    /// The table of that name.
    pub(super) fn table(
        &mut self,
        document: &mut Document<'_>,
        name: &str,
    ) -> Option<Fields<'a, 'i>> {
        let path = self.name_of(name);
        let Some((_, value)) = self.left.remove(name) else {
            document.error(self.line, &path, format!("is missing: expected a [{path}] table"));
            return None;
        };
        fields(document, &path, value)
    }

    /// The tables of that name, at least one.
    pub(super) fn tables(
        &mut self,
        document: &mut Document<'_>,
        name: &str,
    ) -> Vec<Fields<'a, 'i>> {
        let path = self.name_of(name);
        let (line, tables) = match self.left.remove(name) {
            None => (self.line, None),
            Some((line, value)) => (line, value.get_ref().as_array().filter(|a| !a.is_empty())),
        };
        let Some(tables) = tables else {
            document.error(line, &path, format!("expected one or more [[{path}]] tables"));
            return Vec::new();
        };
        tables.iter().filter_map(|value| fields(document, &path, value)).collect()
    }

    /// Everything that was not taken is unknown.
    pub(super) fn finish(self, document: &mut Document<'_>) {
        for (name, (line, _)) in &self.left {
            let short: String = name.chars().take(100).collect();
            document.error(*line, self.name_of(&short), "is not a known key");
        }
    }

    fn name_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

fn fields<'a, 'i>(
    document: &mut Document<'_>,
    path: &str,
    value: &'a Spanned<DeValue<'i>>,
) -> Option<Fields<'a, 'i>> {
    let line = document.line(value.span().start);
    let Some(table) = value.get_ref().as_table() else {
        document.error(line, path, "expected a table");
        return None;
    };
    Some(Fields::new(document, path, line, table))
}
