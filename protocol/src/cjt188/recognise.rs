//! Which layout data have, from the data alone, and the data read by it.
//!
//! ```text
//!   A B C: units where they belong, decimal digits      none --> not read: D, or another thing
//!      |-- one, or all say the same ------------------------------------------> read
//!      |-- a clock of this century, or with 00 for it, in one ----------------> read
//!      |-- in both: only one has water temperatures --------------------------> read
//!      |            century 20 last and 00 first ------------------------------> A; the other way round an A whose
//!      |            century was never set is known, so that nothing is told
//!      +-- else --> refused: ambiguous
//! ```
//!
//! Promises: exactly one layout agrees with all the evidence, or nothing is read and the reason is told. Refuses: D,
//! which only a profile can read, and guessing.

use super::body::{self, Body};
use super::digits::BodyFault;
use super::fault::PayloadFault;
use super::layout::Layout;
use crate::meter::CivilTime;

/// The layouts that are told apart; E is known by its veil.
const TOLD_APART: [Layout; 3] = [Layout::A, Layout::B, Layout::C];

/// Reads data in a layout the profile names, or in the one they are seen to have. E is unveiled before.
pub(super) fn read<B: Body>(bytes: &[u8], named: Option<Layout>) -> Result<(B, Layout), PayloadFault> {
    if bytes.len() != body::length::<B>() {
        return Err(PayloadFault::Length(bytes.len()));
    }
    match named {
        Some(layout) => in_layout(bytes, layout)
            .map(|body| (body, layout))
            .map_err(|fault| PayloadFault::NotAsNamed(layout.name(), fault)),
        None => recognise(bytes),
    }
}

fn in_layout<B: Body>(bytes: &[u8], layout: Layout) -> Result<B, BodyFault> {
    B::decode(&layout.standardise(bytes, B::SHAPE).ok_or(BodyFault::Short)?)
}

fn recognise<B: Body>(bytes: &[u8]) -> Result<(B, Layout), PayloadFault> {
    let candidates: Vec<(B, Layout)> =
        TOLD_APART.into_iter().filter_map(|layout| Some((in_layout(bytes, layout).ok()?, layout))).collect();
    match candidates.as_slice() {
        [] => Err(in_layout::<B>(bytes, Layout::A).err().map_or(PayloadFault::Length(0), PayloadFault::NoLayout)),
        [first, rest @ ..] if rest.iter().all(|(body, _)| *body == first.0) => Ok(*first),
        several => tell_apart(several).map_err(PayloadFault::Ambiguous),
    }
}

/// The one of several readings of the same bytes that has all the evidence.
fn tell_apart<B: Body>(several: &[(B, Layout)]) -> Result<(B, Layout), &'static str> {
    let clocked = |likely: fn(&B) -> bool| -> Vec<(B, Layout)> {
        several.iter().copied().filter(|(body, _)| is_of_our_times(body) && likely(body)).collect()
    };
    let plausible = clocked(Body::is_plausible);
    let any = clocked(|_| true);
    let left = match (plausible.is_empty(), any.is_empty()) {
        (_, true) => return Err(NO_CLOCK),
        (true, false) if several.iter().any(|(body, _)| body.is_plausible()) => return Err(DISPUTED),
        (true, false) => any,
        (false, _) => plausible,
    };
    let of_this_century: Vec<&(B, Layout)> = left.iter().filter(|(body, _)| is_of_this_century(body)).collect();
    match (left.as_slice(), of_this_century.as_slice()) {
        ([only], _) => Ok(*only),
        (_, [only]) if only.1 != Layout::C => Ok(**only),
        _ => Err(TWO_CLOCKS),
    }
}

const DISPUTED: &str =
    "the clock makes sense in one layout, the temperatures in another: let a profile name the layout";
const NO_CLOCK: &str = "no clock of this century tells layout A from C: let a profile name the layout";
const TWO_CLOCKS: &str = "the clock makes sense in layout A as in C: let a profile name the layout";

fn is_of_this_century<B: Body>(body: &B) -> bool {
    body.clock().is_some_and(|clock| clock.year / 100 == 20)
}

/// Century 20; or 00, which some meters leave there.
fn is_of_our_times<B: Body>(body: &B) -> bool {
    body.clock().is_some_and(|clock: CivilTime| matches!(clock.year / 100, 0 | 20))
}

#[cfg(test)]
mod tests {
    use super::super::digits::Shown;
    use super::super::heat::Heat;
    use super::super::status::Status;
    use super::super::total::Total;
    use super::super::unit::UnitCode;
    use super::super::water::Water;
    use super::*;

    const CLOCK: CivilTime = CivilTime { year: 2026, month: 11, day: 12, hour: 13, minute: 14, second: 15 };

    const fn shown(digits: u32, unit: UnitCode) -> Shown {
        Shown { digits: Some(digits), unit }
    }

    fn heat(clock: CivilTime) -> Heat {
        Heat {
            settled: shown(0, UnitCode::KWh),
            energy: shown(54_060, UnitCode::KWh),
            power: shown(0, UnitCode::KW),
            flow: shown(0, UnitCode::M3PerHour),
            volume: shown(1983, UnitCode::M3),
            supply_temp: Some(6514),
            return_temp: Some(4115),
            hours: Some(28),
            clock: Some(clock),
            status: Status::default(),
        }
    }

    fn seen<B: Body>(body: &B, layout: Layout) -> Result<(B, Layout), PayloadFault> {
        read(&body::write(body, layout).expect("not D"), None)
    }

    #[test]
    fn the_seconds_of_a_day_are_recognised_in_every_layout() {
        // Seven seconds on each time: every second, minute and hour comes up with others beside it. The water's
        // temperatures tell the seconds 00 and 20, at which the clock makes sense from both ends.
        for second in (0..86_400_u32).step_by(7) {
            let (hour, minute, second) = ((second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8);
            let sent = heat(CivilTime { hour, minute, second, ..CLOCK });
            for layout in TOLD_APART {
                assert_eq!(seen(&sent, layout), Ok((sent, layout)));
            }
        }
    }

    #[test]
    fn without_a_clock_a_and_c_are_ambiguous_and_the_unit_in_front_is_b() {
        let sent = Heat { clock: None, ..heat(CLOCK) };
        assert_eq!(seen(&sent, Layout::A), Err(PayloadFault::Ambiguous(NO_CLOCK)));
        assert_eq!(seen(&sent, Layout::C), Err(PayloadFault::Ambiguous(NO_CLOCK)));
        assert_eq!(seen(&sent, Layout::B), Ok((sent, Layout::B)));
    }

    #[test]
    fn a_clock_of_another_century_tells_nothing_and_a_unit_of_another_dimension_is_no_layout() {
        let clock = CivilTime { year: 5026, ..CLOCK };
        assert_eq!(seen(&heat(clock), Layout::A), Err(PayloadFault::Ambiguous(NO_CLOCK)));
        let sent = heat(CLOCK);
        let swapped = Heat { energy: sent.volume, volume: sent.energy, ..sent };
        assert_eq!(seen(&swapped, Layout::A), Err(PayloadFault::NoLayout(BodyFault::Unit(0x2C))));
    }

    #[test]
    fn a_clock_that_reads_the_same_from_both_ends_is_ambiguous_unless_the_water_would_boil() {
        // 20-20-11-20 ..: 2020-11-20 11:20:20 from either end.
        let clock = CivilTime { year: 2020, month: 11, day: 20, hour: 11, minute: 20, second: 20 };
        let temperate = Heat { supply_temp: Some(10_101), return_temp: Some(1100), ..heat(clock) };
        assert_eq!(seen(&temperate, Layout::A), Err(PayloadFault::Ambiguous(TWO_CLOCKS)));
        assert_eq!(seen(&heat(clock), Layout::A), Ok((heat(clock), Layout::A)));
    }

    #[test]
    fn a_century_that_was_never_set_does_not_make_a_mirrored_clock_of_the_seconds() {
        // 0011-06-27 10:53:20: from the other end a clock of 2053. A meter with such a century is among the published.
        let clock = CivilTime { year: 11, month: 6, day: 27, hour: 10, minute: 53, second: 20 };
        assert_eq!(seen(&heat(clock), Layout::A), Ok((heat(clock), Layout::A)));
        let cold = Heat { supply_temp: None, return_temp: None, ..heat(clock) };
        assert_eq!(seen(&cold, Layout::A), Err(PayloadFault::Ambiguous(TWO_CLOCKS)));
        let (volume, settled) = (shown(1234, UnitCode::M3), shown(1000, UnitCode::M3));
        let water = |clock| Water { volume, settled, clock: Some(clock), status: Status::default() };
        assert_eq!(seen(&water(clock), Layout::A), Err(PayloadFault::Ambiguous(TWO_CLOCKS)));
        // 2026-06-27 10:53:00: from the other end a century 00.
        let whole = CivilTime { year: 2026, second: 0, ..clock };
        assert_eq!(seen(&water(whole), Layout::A), Ok((water(whole), Layout::A)));
        assert_eq!(seen(&water(whole), Layout::C), Err(PayloadFault::Ambiguous(TWO_CLOCKS)));
    }

    #[test]
    fn a_clock_that_makes_sense_where_the_temperatures_do_not_is_no_evidence() {
        // Month 00 in layout A, at the second 20 of an hour up to 12: a clock only from the other end.
        let mut bytes = heat(CLOCK).encode();
        bytes.splice(34..41, [0x20, 0x30, 0x10, 0x15, 0x00, 0x24, 0x20]);
        assert_eq!(read::<Heat>(&bytes, None), Err(PayloadFault::Ambiguous(DISPUTED)));
        let broken = Heat { supply_temp: Some(999_999), ..heat(CLOCK) };
        assert_eq!(seen(&broken, Layout::A), Ok((broken, Layout::A)));
    }

    #[test]
    fn a_water_meter_is_recognised_by_its_clock_and_refused_without() {
        let sent = Water {
            volume: shown(1234, UnitCode::M3),
            settled: shown(1000, UnitCode::M3),
            clock: Some(CLOCK),
            status: Status::default(),
        };
        for layout in TOLD_APART {
            assert_eq!(seen(&sent, layout), Ok((sent, layout)));
        }
        let sent = Water { clock: None, ..sent };
        assert_eq!(seen(&sent, Layout::A), Err(PayloadFault::Ambiguous(NO_CLOCK)));
    }

    #[test]
    fn a_total_is_read_only_where_every_order_says_the_same_or_the_layout_is_named() {
        let sent = Total(shown(1234, UnitCode::KWh));
        assert_eq!(seen(&sent, Layout::A), Err(PayloadFault::Ambiguous(NO_CLOCK)));
        assert_eq!(seen(&sent, Layout::B), Ok((sent, Layout::B)));
        for layout in TOLD_APART {
            let bytes = body::write(&sent, layout).expect("not D");
            assert_eq!(read(&bytes, Some(layout)), Ok((sent, layout)));
        }
        let nothing = Total(shown(0, UnitCode::M3));
        assert_eq!(seen(&nothing, Layout::C), Ok((nothing, Layout::A)));
    }

    #[test]
    fn data_of_another_length_or_with_hex_digits_are_in_no_layout() {
        assert_eq!(read::<Heat>(&[0; 20], None), Err(PayloadFault::Length(20)));
        assert!(matches!(read::<Heat>(&[0xAB; 43], None), Err(PayloadFault::NoLayout(_))));
    }
}
