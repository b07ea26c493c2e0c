//! Spans of slots that are asked for one after the other: as the table is cut, so that a question looks into one part.
//!
//! ```text
//!   partitions  | p_old | day | day | day | p_future
//!   export          [-----------------)
//!   spans           [---|-----|-------)              with about how many rows each has
//! ```
//!
//! Promises: together they are the whole export, in its order, without a gap. Refuses: an exact count: it would read
//! everything once more.

use std::collections::VecDeque;

use mysql_async::Params;

use super::ExportQuery;
use crate::mysql::DatabaseError;
use crate::mysql::session::Session;

/// Slots from `from` up to before `to`, Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    /// `None`: without end.
    pub(super) to: Option<u64>,
    /// Rows in it, about.
    pub(super) about: u64,
}

/// A part of a table: where it ends, Unix ms (`None`: never), and about how many rows it has.
pub(super) type Partition = (Option<u64>, u64);

const ASK: &str = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', \
     CAST(NULLIF(REPLACE(partition_description, '''', ''), 'MAXVALUE') AS DATETIME)) DIV 1000, table_rows \
     FROM information_schema.partitions WHERE table_schema = DATABASE() AND table_name = ? \
     ORDER BY partition_ordinal_position";

/// The spans of `query`.
pub(super) async fn of(session: &mut Session, query: &ExportQuery) -> Result<VecDeque<Span>, DatabaseError> {
    let readings = partitions(session, "reading").await?;
    let misses = if query.missed { partitions(session, "missed").await? } else { Vec::new() };
    let mut spans = cut(&readings, query.from.unwrap_or(0), query.to);
    for span in &mut spans {
        let rows = rows_within(&readings, *span) + rows_within(&misses, *span);
        span.about = query.meters.as_ref().map_or(rows, |some| {
            let share = u128::from(rows) * some.len() as u128 / u128::from(query.registered.max(1));
            u64::try_from(share).unwrap_or(rows).min(rows)
        });
    }
    Ok(spans)
}

async fn partitions(session: &mut Session, table: &str) -> Result<Vec<Partition>, DatabaseError> {
    let rows = session.query(ASK, Params::Positional(vec![table.into()])).await?;
    let partitions = rows.into_iter().map(mysql_async::from_row_opt::<(Option<u64>, Option<u64>)>);
    let partitions = partitions.map(|row| row.map(|(end, rows)| (end, rows.unwrap_or(0))));
    partitions.collect::<Result<_, _>>().map_err(|_| session.unexpected("column", "partition_description"))
}

pub(super) fn cut(partitions: &[Partition], from: u64, to: Option<u64>) -> VecDeque<Span> {
    let ends = partitions.iter().filter_map(|(end, _)| *end).filter(|end| *end > from && to.is_none_or(|to| *end < to));
    let mut ends: Vec<_> = ends.collect();
    ends.sort_unstable();
    ends.dedup();
    let mut spans = VecDeque::new();
    let mut begin = from;
    for end in ends.into_iter().map(Some).chain([to]) {
        if end.is_none_or(|end| end > begin) {
            spans.push_back(Span { from: begin, to: end, about: 0 });
        }
        begin = end.unwrap_or(begin);
    }
    spans
}

/// Rows of each part by how much of it is in `span`; a part without a beginning or an end counts whole.
fn rows_within(partitions: &[Partition], span: Span) -> u64 {
    let mut begin = 0;
    let mut rows = 0;
    for (end, about) in partitions {
        let (low, high) = (begin.max(span.from), end.unwrap_or(u64::MAX).min(span.to.unwrap_or(u64::MAX)));
        if low < high {
            let whole = end.filter(|_| begin > 0).map(|end| end - begin);
            rows += whole.map_or(*about, |whole| share(*about, high - low, whole));
        }
        begin = end.unwrap_or(u64::MAX);
    }
    rows
}

fn share(rows: u64, part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(rows) * u128::from(part) / u128::from(whole.max(1))).unwrap_or(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITIONS: [Partition; 4] = [(Some(100), 7), (Some(200), 1000), (Some(300), 10), (None, 5)];

    fn told(from: u64, to: Option<u64>) -> Vec<(u64, Option<u64>)> {
        cut(&PARTITIONS, from, to).iter().map(|span| (span.from, span.to)).collect()
    }

    #[test]
    fn spans_cover_what_is_asked_for_without_a_gap_and_end_where_partitions_do() {
        assert_eq!(told(0, None), [(0, Some(100)), (100, Some(200)), (200, Some(300)), (300, None)]);
        assert_eq!(told(150, Some(250)), [(150, Some(200)), (200, Some(250))]);
        assert_eq!(told(100, Some(200)), [(100, Some(200))]);
        assert_eq!(told(400, Some(500)), [(400, Some(500))]);
        assert_eq!(told(120, Some(120)), []);
    }

    #[test]
    fn rows_of_a_part_count_by_how_much_of_it_is_wanted_and_open_parts_count_whole() {
        let about = |from, to| rows_within(&PARTITIONS, Span { from, to, about: 0 });
        assert_eq!(about(0, None), 1022);
        assert_eq!(about(150, Some(200)), 500);
        assert_eq!(about(50, Some(60)), 7);
        assert_eq!(about(900, Some(901)), 5);
    }
}
