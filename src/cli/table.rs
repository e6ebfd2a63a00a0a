//! Aligned tables.

use comfy_table::{Table, presets};

/// Rows under a header, in columns as wide as they need to be.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    table.trim_fmt()
}
