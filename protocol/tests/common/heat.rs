//! What a CJ/T 188 heat meter of the tests counts.

use protocol::cjt188::digits::Shown;
use protocol::cjt188::heat::Heat;
use protocol::cjt188::status::Status;
use protocol::cjt188::unit::UnitCode;
use protocol::meter::CivilTime;

/// Its address.
pub(crate) const NUMBER: [u8; 7] = [0x11, 0x11, 0x00, 0x12, 0x34, 0x56, 0x78];
/// Its clock.
pub(crate) const CLOCK: CivilTime = CivilTime { year: 2026, month: 11, day: 12, hour: 13, minute: 14, second: 15 };

pub(crate) const fn shown(digits: u32, unit: UnitCode) -> Shown {
    Shown { digits: Some(digits), unit }
}

pub(crate) const fn heat(status: Status) -> Heat {
    Heat {
        settled: shown(100, UnitCode::KWh),
        energy: shown(54_060, UnitCode::KWh),
        power: shown(1234, UnitCode::KW),
        flow: shown(4321, UnitCode::M3PerHour),
        volume: shown(1983, UnitCode::M3),
        supply_temp: Some(6514),
        return_temp: Some(4115),
        hours: Some(28),
        clock: Some(CLOCK),
        status,
    }
}
