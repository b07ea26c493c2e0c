//! Which registers are read together.
//!
//! ```text
//!   wanted   100 101      104 105            200      gap 2:   read 100..105, read 200
//! ```
//!
//! Promises: every wanted register is in exactly one read; no read is longer than the model or the standard allows, or
//! joins over more unwanted registers than the profile allows. Refuses: crossing tables.

use super::payload::{Request, Table};
use super::profile::Profile;

/// The reads that fetch all a profile wants, in the order of tables and addresses.
pub(super) fn reads(profile: &Profile) -> Vec<Request> {
    let mut reads: Vec<(Table, u32, u32)> = vec![];
    for (table, start, end) in wanted(profile) {
        let most = u32::from(table.most_at_once().min(profile.most));
        match reads.last_mut() {
            Some((last, first, until))
                if *last == table && start <= *until + u32::from(profile.gap) && end.max(*until) - *first <= most =>
            {
                *until = end.max(*until);
            }
            _ => reads.push((table, start, end)),
        }
    }
    let request = |(table, start, end): (Table, u32, u32)| Request::Read {
        table,
        start: start as u16,
        count: (end - start) as u16,
    };
    reads.into_iter().map(request).collect()
}

/// Table, first address and the one after the last, in order.
fn wanted(profile: &Profile) -> Vec<(Table, u32, u32)> {
    let span = |table, address, width| (table, u32::from(address), u32::from(address) + u32::from(width));
    let columns = profile.columns.iter().map(|column| span(column.table, column.address, column.kind.width()));
    let signs = profile.valve.iter().flat_map(|valve| &valve.signs).map(|sign| span(sign.table, sign.address, 1));
    let mut wanted: Vec<_> = columns.chain(signs).collect();
    wanted.sort_unstable();
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(most: u16, gap: u16, places: &[(u16, &str)]) -> Profile {
        let head = format!("name = 'p'\nmost = {most}\ngap = {gap}\n");
        let what = [("energy", "J"), ("volume", "L"), ("power", "W"), ("flow", "L/h")];
        let column = |((address, kind), (quantity, unit)): (&(u16, &str), (&str, &str))| {
            let place = format!("table = 'holding'\naddress = {address}\ntype = '{kind}'");
            format!("[[column]]\nquantity = '{quantity}'\n{place}\nunit = '{unit}'\n")
        };
        let text: String = std::iter::once(head).chain(places.iter().zip(what).map(column)).collect();
        toml::from_str(&text).expect("parses")
    }

    fn spans(profile: &Profile) -> Vec<(u16, u16)> {
        let span = |request| match request {
            Request::Read { start, count, .. } => (start, count),
            other => unreachable!("{other:?}"),
        };
        reads(profile).into_iter().map(span).collect()
    }

    #[test]
    fn neighbours_are_read_together_and_strangers_apart() {
        let places = [(200, "u16"), (100, "u32"), (104, "u32"), (102, "u16")];
        assert_eq!(spans(&profile(125, 1, &places)), [(100, 6), (200, 1)]);
        assert_eq!(spans(&profile(125, 0, &places)), [(100, 3), (104, 2), (200, 1)]);
    }

    #[test]
    fn no_read_is_longer_than_the_model_or_the_standard_allows() {
        assert_eq!(spans(&profile(3, 9, &[(0, "u32"), (2, "u32"), (4, "u16")])), [(0, 2), (2, 3)]);
        assert_eq!(spans(&profile(9999, 200, &[(0, "u16"), (124, "u16"), (125, "u16")])), [(0, 125), (125, 1)]);
    }

    #[test]
    fn the_last_register_there_is_can_be_read() {
        assert_eq!(spans(&profile(125, 0, &[(0xFFFF, "u16")])), [(0xFFFF, 1)]);
    }
}
