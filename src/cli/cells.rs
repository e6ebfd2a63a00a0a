//! Rows as CSV or as JSON Lines.

use std::io::{self, Write};

use serde::{Serialize, Serializer, ser::SerializeMap};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values (RFC 4180, UTF-8) with a header
    Csv,
    /// A JSON object on each line
    Jsonl,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    /// What somebody typed, or may have: a spreadsheet must not take it for a formula.
    Text(String),
    /// What we have made ourselves: ids, times, amounts.
    Ours(String),
    /// A count.
    Count(i64),
    /// Nothing.
    Missing,
}

impl Cell {
    /// A text that may be missing.
    pub(super) fn text(text: Option<String>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }

    fn csv(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with(FORMULA) => format!("'{text}"),
            Self::Text(text) | Self::Ours(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Missing => String::new(),
        }
    }
}

/// With what a spreadsheet lets a formula begin, its full-width forms and control characters too.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) | Self::Ours(text) => to.serialize_str(text),
            Self::Count(count) => to.serialize_i64(*count),
            Self::Missing => to.serialize_none(),
        }
    }
}

/// Writes rows of the same columns.
pub(super) struct Rows<W: Write> {
    columns: &'static [&'static str],
    to: Writer<W>,
}

enum Writer<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> Rows<W> {
    /// Begins with the header, if the format has one.
    pub(super) fn begin(
        format: Format,
        columns: &'static [&'static str],
        to: W,
    ) -> io::Result<Self> {
        let to = match format {
            Format::Jsonl => Writer::Jsonl(to),
            Format::Csv => {
                let mut writer =
                    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(to);
                writer.write_record(columns).map_err(io_error)?;
                Writer::Csv(Box::new(writer))
            }
        };
        Ok(Self { columns, to })
    }

    /// Writes a row of as many cells as there are columns.
    pub(super) fn push(&mut self, cells: &[Cell]) -> io::Result<()> {
        match &mut self.to {
            Writer::Csv(writer) => {
                writer.write_record(cells.iter().map(Cell::csv)).map_err(io_error)
            }
            Writer::Jsonl(to) => {
                serde_json::to_writer(&mut *to, &Row { columns: self.columns, cells })?;
                to.write_all(b"\n")
            }
        }
    }

    /// Gives back what it wrote to, with everything written.
    pub(super) fn into_inner(self) -> io::Result<W> {
        match self.to {
            Writer::Csv(writer) => writer.into_inner().map_err(csv::IntoInnerError::into_error),
            Writer::Jsonl(to) => Ok(to),
        }
    }
}

/// As it was: the conversion that the library has forgets what kind of error it is.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

struct Row<'a> {
    columns: &'a [&'a str],
    cells: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.cells.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(column, cell)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(format: Format, cells: &[Cell]) -> String {
        let mut rows = Rows::begin(format, &["a", "b", "c", "d"], Vec::new()).unwrap();
        rows.push(cells).unwrap();
        String::from_utf8(rows.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn what_somebody_typed_is_no_formula() {
        for bad in ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"] {
            let cells = [Cell::Text(bad.into()), Cell::Missing, Cell::Missing, Cell::Missing];
            let read = csv::ReaderBuilder::new();
            let written = written(Format::Csv, &cells);
            let row = read.from_reader(written.as_bytes()).records().next().unwrap().unwrap();
            assert_eq!(&row[0], format!("'{bad}"), "{bad:?}");
        }
        let cells =
            [Cell::Ours("-1.50".into()), Cell::Count(-1), Cell::Missing, Cell::Text("1-1".into())];
        assert_eq!(written(Format::Csv, &cells), "a,b,c,d\r\n-1.50,-1,,1-1\r\n");
        let jsonl = "{\"a\":\"-1.50\",\"b\":-1,\"c\":null,\"d\":\"1-1\"}\n";
        assert_eq!(written(Format::Jsonl, &cells), jsonl);
    }

    proptest! {
        #[test]
        fn whatever_was_typed_reads_back(typed in prop::collection::vec(".*", 4)) {
            let cells: Vec<Cell> = typed.iter().cloned().map(Cell::Text).collect();
            let csv = written(Format::Csv, &cells);
            let mut reader = csv::Reader::from_reader(csv.as_bytes());
            let rows: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), 1);
            for (read, typed) in rows[0].iter().zip(&typed) {
                let plain = read.strip_prefix('\'').filter(|_| typed.starts_with(FORMULA));
                prop_assert_eq!(plain.unwrap_or(read), typed);
                prop_assert!(!read.starts_with(FORMULA));
            }
            let jsonl = written(Format::Jsonl, &cells);
            let read: serde_json::Value = serde_json::from_str(&jsonl).unwrap();
            prop_assert_eq!(jsonl.lines().count(), 1);
            for (column, typed) in ["a", "b", "c", "d"].iter().zip(&typed) {
                prop_assert_eq!(read[column].as_str(), Some(typed.as_str()));
            }
        }
    }
}
