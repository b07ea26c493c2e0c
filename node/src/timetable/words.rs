//! A plant's calendar as people write it.
//!
//! ```text
//!   zone     Asia/Shanghai
//!   season   11-15..03-15                       of every year, both days heated; empty: all year
//!   2026     2026-11-01..2027-04-05             the season that begins in 2026, where it is another
//! ```
//!
//! Promises: what is not understood is named, with what would be. Refuses: zones this release does not know.

use std::collections::BTreeMap;
use std::str::FromStr;

use protocol::meter::WordError;
use raft_store::state::plant::calendar::{Calendar, Date, MonthDay};

use super::Zone;

/// Seasons that are another than the yearly one, at most.
const SEASONS: usize = 64;
/// Years that may have a season of their own.
const YEARS: std::ops::RangeInclusive<u16> = 1970..=9_000;

/// The calendar of these words with its zone; a fragment that names what is wrong.
pub fn calendar<'a>(
    zone: &str,
    season: &str,
    seasons: impl IntoIterator<Item = (u32, &'a str)>,
) -> Result<(Calendar, Zone), String> {
    let known = Zone::named(zone).map_err(|error| error.to_string())?;
    let yearly = if season.is_empty() { None } else { Some(days::<MonthDay>(season, "11-15..03-15")?) };
    let mut own = BTreeMap::new();
    for (year, text) in seasons {
        let (year, days) = season_of(year, text)?;
        if own.insert(year, days).is_some() {
            return Err(format!("season of {year} stands twice: keep one"));
        }
    }
    if own.len() > SEASONS {
        return Err(format!("{} seasons of their own: keep at most {SEASONS}", own.len()));
    }
    Ok((Calendar { zone: zone.to_owned(), yearly, seasons: own }, known))
}

fn season_of(year: u32, text: &str) -> Result<(u16, (Date, Date)), String> {
    let known = u16::try_from(year).ok().filter(|year| YEARS.contains(year));
    let year = known.ok_or_else(|| format!("season of {year}: write a year such as 2026"))?;
    let days @ (first, last) = days::<Date>(text, "2026-11-01..2027-04-05")?;
    let begins = year - 1..=year + 1;
    if first > last || !begins.contains(&first.year) || last.year > first.year + 1 {
        let remedy = format!("it begins in {year}, give or take a year, and ends in the year after at the latest");
        return Err(format!("season of {year}: \"{text}\" is no season: {remedy}"));
    }
    Ok((year, days))
}

fn days<T: FromStr<Err = WordError>>(text: &str, form: &str) -> Result<(T, T), String> {
    let (first, last) = text.split_once("..").ok_or_else(|| format!("season \"{text}\": write {form}"))?;
    let day = |text: &str| text.parse::<T>().map_err(|error| error.to_string());
    Ok((day(first)?, day(last)?))
}
