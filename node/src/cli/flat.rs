//! Answers as CSV (RFC 4180): the JSON of an answer, laid flat.
//!
//! ```text
//!   {"meters": [{..}, {..}]}                  one line of columns, one line for each item of the list
//!   {"zone": .., "slots": [{..}, {..}]}       the same, and what stands beside the list in each line
//!   {..} without a list, or with several      one line of columns, one line; lists in a cell, as JSON
//! ```
//!
//! A column is called as the field of the JSON; of an object within an object `outer.inner`. Values of a meter have a column
//! for each quantity, with the unit that is stored: `energy [J]`. Labels are one cell, as files of meters have them. Numbers
//! are raw, times Unix milliseconds, what is absent is empty.
//!
//! Promises: the columns of a list are the same however long it is, but for an empty list nobody knows. Refuses: knowing
//! what the data means.

use std::collections::BTreeMap;

use protocol::api::admin as api;
use protocol::meter::Quantity;
use serde_json::{Map, Value};

use super::json;

/// These columns come first, in this order; the others follow by name.
const FIRST: [&str; 14] = [
    "id", "name", "at", "slot", "begin", "meter", "meter_id", "line", "line_id", "kind", "reason", "due", "action",
    "state",
];
/// Objects whose names are data.
const PAIRS: [&str; 2] = ["labels", "requires"];

type Cells = Vec<(String, String)>;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flat {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The cells of each row, in that order.
    pub rows: Vec<Vec<String>>,
}

/// The table of an answer.
pub fn answer(value: &Value) -> Flat {
    let Value::Object(fields) = value else { return item(value) };
    // The history of a command is a part of it, and no list of answers.
    let lists = fields.iter().filter(|(name, _)| *name != "history");
    let mut lists = lists.filter_map(|(name, value)| Some((name, value.as_array()?)));
    let (list, is_only) = (lists.next_back(), lists.all(|(name, _)| name == "by"));
    let Some((name, items)) = list.filter(|(_, items)| is_only && items.iter().all(Value::is_object)) else {
        return item(value);
    };
    let (mut beside, by) = (fields.clone(), fields.get("by"));
    beside.remove(name);
    beside.remove("by");
    let beside = cells(&Value::Object(beside));
    let rows: Vec<_> = items.iter().map(|item| [named(item, by), beside.clone()].concat()).collect();
    match (rows.is_empty(), beside.is_empty()) {
        (false, _) => table(rows),
        (true, false) => table(vec![beside]),
        (true, true) => blank(name).map(|blank| Flat { rows: Vec::new(), ..item(&blank) }).unwrap_or_default(),
    }
}

/// The table of one row.
pub fn item(value: &Value) -> Flat {
    table(vec![cells(value)])
}

/// An item of a list that may be empty, so that its columns are there all the same.
fn blank(list: &str) -> Option<Value> {
    Some(match list {
        "nodes" => json::node(&api::Node { report: Some(api::NodeReport::default()), ..Default::default() }),
        "lines" => json::line(&api::Line::default()),
        "meters" => json::meter(&api::Meter::default()),
        "policies" => json::policy(&api::SchedulePolicy::default()),
        "readings" => json::reading(&api::Reading::default()),
        "commands" => json::command(&api::Command::default()),
        "rows" => json::unread_row(&api::Unread::default()),
        _ => return None,
    })
}

/// The cells of a group, its names under what it is grouped `by`.
fn named(item: &Value, by: Option<&Value>) -> Cells {
    let (Some(Value::Array(by)), Some(Value::Array(names))) = (by, item.get("names")) else { return cells(item) };
    let named = by.iter().zip(names).map(|(by, name)| (text(by), text(name)));
    let counts = cells(item).into_iter().filter(|(column, _)| column != "names");
    named.chain(counts).collect()
}

fn cells(value: &Value) -> Cells {
    let mut cells = Vec::new();
    match value {
        Value::Object(fields) => lay(fields, "", &mut cells),
        other => cells.push(("value".to_owned(), text(other))),
    }
    // A stable sort: what has no rank stays as it is.
    cells.sort_by_key(|(column, _)| FIRST.iter().position(|first| first == column).unwrap_or(FIRST.len()));
    cells
}

fn lay(fields: &Map<String, Value>, within: &str, cells: &mut Cells) {
    for (name, value) in fields {
        let column = format!("{within}{name}");
        match value {
            Value::Object(pairs) if PAIRS.contains(&name.as_str()) => cells.push((column, words(pairs))),
            Value::Object(inner) => lay(inner, &format!("{column}."), cells),
            Value::Array(values) if name == "values" => lay_values(values, cells),
            Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
                // As marks are told elsewhere.
                let between = if name == "doubts" { "+" } else { ";" };
                cells.push((column, items.iter().map(text).collect::<Vec<_>>().join(between)));
            }
            other => cells.push((column, text(other))),
        }
    }
}

/// A cell for each quantity there is.
fn lay_values(values: &[Value], cells: &mut Cells) {
    for quantity in Quantity::ALL {
        let is_it = |value: &&Value| value.get("quantity").and_then(Value::as_str) == Some(quantity.name());
        let value = values.iter().find(is_it).and_then(|value| value.get("value"));
        let unit = quantity.unit();
        let column = if unit.is_empty() { quantity.name().to_owned() } else { format!("{} [{unit}]", quantity.name()) };
        cells.push((column, value.map(text).unwrap_or_default()));
    }
}

/// `a=b;c=d`
fn words(pairs: &Map<String, Value>) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", text(value))).collect::<Vec<_>>().join(";")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Under the columns of all rows: a row has what it does not know empty.
fn table(rows: Vec<Cells>) -> Flat {
    let mut columns: Vec<String> = Vec::new();
    for (column, _) in rows.iter().flatten() {
        if !columns.contains(column) {
            columns.push(column.clone());
        }
    }
    let rows = rows.into_iter().map(|row| under(&columns, row)).collect();
    Flat { columns, rows }
}

/// Of two cells of one column the first counts.
fn under(columns: &[String], row: Cells) -> Vec<String> {
    let mut cells: BTreeMap<_, _> = row.into_iter().rev().collect();
    columns.iter().map(|column| cells.remove(column).unwrap_or_default()).collect()
}

impl Flat {
    /// The same rows under `columns`, which were said before.
    pub fn under(self, columns: &[String]) -> Self {
        let rows = self.rows.into_iter().map(|row| under(columns, self.columns.iter().cloned().zip(row).collect()));
        Self { rows: rows.collect(), columns: columns.to_vec() }
    }

    /// Lines that end as RFC 4180 wants them, with or without that of the columns.
    pub fn lines(&self, with_columns: bool) -> String {
        let mut lines = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let columns = Some(&self.columns).filter(|columns| with_columns && !columns.is_empty());
        for row in columns.into_iter().chain(&self.rows) {
            lines.write_record(row).expect("memory takes every row, and all are as long as their columns");
        }
        let bytes = lines.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(value: &Value) -> Vec<String> {
        answer(value).lines(true).split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_list_is_one_line_of_columns_and_one_for_each_item_quoted_where_it_has_to_be() {
        let list = json!({"units": [{"unit": "a, \"b\"", "node": 1}, {"unit": "c\nd", "node": null, "calls": 2}]});
        assert_eq!(lines(&list), ["node,unit,calls", "1,\"a, \"\"b\"\"\",", ",\"c\nd\",2"]);
    }

    #[test]
    fn what_stands_beside_a_list_is_in_each_line_and_alone_where_the_list_is_empty() {
        let zone = |slots: Value| json!({"zone": "UTC", "slots": slots});
        assert_eq!(lines(&zone(json!([{"begin": 5}, {"begin": 6}]))), ["begin,zone", "5,UTC", "6,UTC"]);
        assert_eq!(lines(&zone(json!([]))), ["zone", "UTC"]);
    }

    #[test]
    fn groups_have_their_names_under_what_they_are_grouped_by() {
        let group = json!({"names": ["north", "2026-11-23 09:00"], "due": 4});
        let reply = json!({"by": ["region", "hour"], "groups": [group], "total": {"due": 4}});
        assert_eq!(lines(&reply), ["region,hour,due,total.due", "north,2026-11-23 09:00,4,4"]);
    }

    #[test]
    fn a_reading_has_a_column_for_each_quantity_whatever_it_says_and_so_has_an_empty_list() {
        let value = |quantity: &str, value| api::Value { quantity: quantity.to_owned(), value, unit: String::new() };
        let values = vec![value("volume", -7), value("energy", i64::MAX)];
        let reading = api::Reading { values, doubts: vec!["jump".into(), "rounded".into()], ..Default::default() };
        let flat = answer(&json::readings(&[reading]));
        let cell = |name: &str| {
            let at = flat.columns.iter().position(|column| column == name).expect("the column");
            flat.rows.first().and_then(|row| row.get(at)).cloned().expect("a row")
        };
        assert_eq!(cell("energy [J]"), "9223372036854775807");
        assert_eq!([cell("volume [mL]"), cell("power [mW]"), cell("doubts")], ["-7", "", "jump+rounded"]);
        let empty = answer(&json::readings(&[]));
        assert_eq!((empty.columns, empty.rows.len()), (flat.columns, 0));
    }

    #[test]
    fn labels_are_one_cell_and_inner_objects_have_their_path() {
        let value = json!({"labels": {"a": "1", "b": "2"}, "report": {"exchanges": 3}, "history": [{"at": 1}, {"at": 2}], "open": []});
        assert_eq!(
            item(&value).lines(true),
            "history,labels,open,report.exchanges\r\n\"[{\"\"at\"\":1},{\"\"at\"\":2}]\",a=1;b=2,,3\r\n"
        );
    }

    #[test]
    fn later_items_of_a_stream_stand_under_the_columns_of_the_first() {
        let first = item(&json!({"a": 1, "b": 2}));
        let next = item(&json!({"b": 3, "c": 4})).under(&first.columns);
        assert_eq!(next.lines(false), ",3\r\n");
    }
}
