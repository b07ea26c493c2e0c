//! An import as its caller sees it: the file it comes from, and what became of it.
//!
//! Promises: every fault is shown, whoever found it, as a row of one table; warnings go to stderr. Refuses: applying a part.

use std::path::Path;

use protocol::api::admin as api;

use super::failure::Failure;
use super::json;
use super::output::{Out, table};
use super::rows::RowsError;

/// Reads a file of rows; faults of cells are shown as the cluster's own would be.
pub fn read<T>(
    file: &Path,
    take: impl Fn(&str, Box<dyn std::io::Read>) -> Result<Vec<T>, RowsError>,
    out: Out,
) -> Result<Vec<T>, Failure> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let input: Box<dyn std::io::Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(file);
        Box::new(opened.map_err(|error| Failure::Refused(format!("{name}: {error}")))?)
    };
    match take(&name, input) {
        Ok(rows) => Ok(rows),
        Err(RowsError::File(text)) => Err(Failure::Refused(text)),
        Err(RowsError::Cells(errors)) => {
            eprintln!("hearth: {name} is malformed");
            show_import(&api::ImportReply { errors, ..api::ImportReply::default() }, out)?;
            Err(Failure::Told)
        }
    }
}

/// Shows what an import did; faults of rows are a failure.
pub fn show_import(reply: &api::ImportReply, out: Out) -> Result<(), Failure> {
    for api::RowWarning { row, message } in &reply.warnings {
        match row {
            0 => eprintln!("hearth: warning: {message}"),
            row => eprintln!("hearth: warning: row {row}: {message}"),
        }
    }
    out.show(|| json::imported(reply), || import_text(reply))?;
    if reply.errors.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused(format!("nothing was applied: {} faults", reply.errors.len())))
}

fn import_text(reply: &api::ImportReply) -> String {
    if reply.errors.is_empty() {
        let api::ImportReply { created, updated, unchanged, .. } = reply;
        return format!("{created} created, {updated} updated, {unchanged} unchanged");
    }
    let row = |error: &api::RowError| [error.row.to_string(), error.column.clone(), error.message.clone()];
    table(["ROW", "COLUMN", "FAULT"], &["ROW"], reply.errors.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;

    #[test]
    fn the_faults_of_an_import_are_a_table_and_a_failure() {
        let errors = vec![api::RowError { row: 2, column: "baud".to_owned(), message: "7 bit/s".to_owned() }];
        let reply = api::ImportReply { errors, ..api::ImportReply::default() };
        assert_eq!(import_text(&reply), " ROW  COLUMN  FAULT\n   2  baud    7 bit/s");
        let failure = show_import(&reply, Out::new(Format::Json)).expect_err("a fault");
        assert_eq!((failure.code(), failure.to_string().as_str()), (1, "nothing was applied: 1 faults"));
    }
}
