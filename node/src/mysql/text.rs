//! Cells as bytes: in a statement, and in a file as LOAD DATA reads it.
//!
//! ```text
//!   statement   (7,'2026-11-23 09:00:00.000',1,..,x'6800',NULL)
//!   file        7 TAB 20261123090000.500 TAB 1 TAB .. TAB \N LF      \ TAB LF NUL inside a cell go after a backslash
//! ```
//!
//! Promises: every byte comes out as it went in, whatever it is; nothing is allocated for a cell. Refuses: knowing any
//! table.

use jiff::civil::DateTime;

use super::rows::Cell;

/// A cell as a statement has it.
pub(super) fn push_literal(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"NULL"),
        Cell::Int(number) => push_number(out, number),
        Cell::UInt(number) => push_number(out, number),
        Cell::Moment(time) => {
            out.push(b'\'');
            push_moment(out, time);
            out.push(b'\'');
        }
        Cell::Words(words) => {
            out.push(b'\'');
            push_escaped(out, words.as_bytes(), |byte| match byte {
                b'\'' | b'\\' => Some(byte),
                0 => Some(b'0'),
                _ => None,
            });
            out.push(b'\'');
        }
        Cell::Bytes(bytes) => push_hex(out, bytes),
    }
}

/// A cell as a file has it.
pub(super) fn push_field(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"\\N"),
        Cell::Int(number) => push_number(out, number),
        Cell::UInt(number) => push_number(out, number),
        Cell::Moment(time) => push_digits(out, time),
        Cell::Words(words) => push_inside_field(out, words.as_bytes()),
        Cell::Bytes(bytes) => push_inside_field(out, bytes),
    }
}

fn push_inside_field(out: &mut Vec<u8>, bytes: &[u8]) {
    push_escaped(out, bytes, |byte| match byte {
        b'\\' | b'\t' | b'\n' => Some(byte),
        0 => Some(b'0'),
        _ => None,
    });
}

/// What needs no escape goes as it is, many bytes at once.
fn push_escaped(out: &mut Vec<u8>, mut bytes: &[u8], escape: impl Fn(u8) -> Option<u8>) {
    while let Some(place) = bytes.iter().position(|byte| escape(*byte).is_some()) {
        let (plain, rest) = bytes.split_at(place);
        out.extend_from_slice(plain);
        let Some((special, rest)) = rest.split_first() else { break };
        out.extend(escape(*special).into_iter().flat_map(|after| [b'\\', after]));
        bytes = rest;
    }
    out.extend_from_slice(bytes);
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
    out.extend_from_slice(b"x'");
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    out.push(b'\'');
}

fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `2026-11-23 09:00:00.000`
fn push_moment(out: &mut Vec<u8>, time: DateTime) {
    let [century, year, month, day, hour, minute, second] = digits(time);
    out.extend_from_slice([century, year].as_flattened());
    for (before, number) in [(b'-', month), (b'-', day), (b' ', hour), (b':', minute), (b':', second)] {
        out.push(before);
        out.extend_from_slice(&number);
    }
    out.push(b'.');
    out.extend_from_slice(&thousandths(time));
}

/// `20261123090000`, and `.500` behind it where it is no whole second: a server takes less time over fewer bytes.
fn push_digits(out: &mut Vec<u8>, time: DateTime) {
    out.extend_from_slice(digits(time).as_flattened());
    let thousandths = thousandths(time);
    if thousandths != *b"000" {
        out.push(b'.');
        out.extend_from_slice(&thousandths);
    }
}

/// Century, year of it, month, day, hour, minute, second.
fn digits(time: DateTime) -> [[u8; 2]; 7] {
    let year = time.year().unsigned_abs();
    let rest = [time.month(), time.day(), time.hour(), time.minute(), time.second()];
    let [month, day, hour, minute, second] = rest.map(|number| two(number.unsigned_abs().into()));
    [two(year / 100), two(year % 100), month, day, hour, minute, second]
}

fn thousandths(time: DateTime) -> [u8; 3] {
    let millis = (time.subsec_nanosecond().unsigned_abs() / 1_000_000) as u16;
    let [tenths, hundredths] = two(millis / 10);
    [tenths, hundredths, b'0' + (millis % 10) as u8]
}

/// The last two digits of `number`.
fn two(number: u16) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        push_literal(&mut out, cell);
        String::from_utf8(out).expect("text")
    }

    fn field(cell: Cell<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        push_field(&mut out, cell);
        out
    }

    #[test]
    fn moments_have_all_their_digits() {
        let time = jiff::civil::date(2026, 1, 2).at(3, 4, 5, 6_000_000);
        assert_eq!(literal(Cell::Moment(time)), "'2026-01-02 03:04:05.006'");
        assert_eq!(field(Cell::Moment(time)), b"20260102030405.006");
        let long_ago = jiff::civil::date(987, 12, 31).at(23, 59, 59, 999_999_999);
        assert_eq!(field(Cell::Moment(long_ago)), b"09871231235959.999");
        assert_eq!(field(Cell::Moment(jiff::civil::date(2026, 11, 23).at(9, 0, 0, 999_999))), b"20261123090000");
    }

    #[test]
    fn what_ends_a_cell_never_stands_in_one() {
        assert_eq!(literal(Cell::Words("it's \\ 0\0")), r"'it\'s \\ 0\0'");
        assert_eq!(literal(Cell::Bytes(&[0, 0xAF, b'\''])), "x'00AF27'");
        assert_eq!(field(Cell::Bytes(b"a\tb\nc\\d\0\xff'")), b"a\\\tb\\\nc\\\\d\\0\xff'");
        assert_eq!((field(Cell::Null), field(Cell::Words("N"))), (b"\\N".to_vec(), b"N".to_vec()));
        assert_eq!(literal(Cell::Int(i64::MIN)), "-9223372036854775808");
        assert_eq!(literal(Cell::UInt(u64::MAX)), "18446744073709551615");
    }
}
