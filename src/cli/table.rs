//! Aligned tables on standard output.

use comfy_table::{ContentArrangement, Table, presets};

/// Prints rows under a header; nothing but the header when there are none.
pub(super) fn print(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}
