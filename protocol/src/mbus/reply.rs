//! What a simulated meter says: the data of an RSP_UD, built record by record (EN 13757-3 clause 6).
//!
//! ```text
//!   id 4 BCD | manufacturer 2 | version | medium | access no. | status | signature 2 | DIF VIF value | DIF VIF ...
//! ```
//!
//! Promises: what is built here, [`super::payload::Payload::parse`] reads back equal. A number that does not fit
//! eight BCD digits is sent with twelve; one that does not fit these is sent as an error pattern, as meters do.
//! Refuses: more data than one frame holds (the caller starts another telegram after [`ReplyBuilder::more_follow`]).

use super::frame::{Frame, MOST_DATA, ci, control};
use super::header::Header;
use crate::bytes::bcd_encode;
use crate::meter::CivilTime;

/// Units of energy a meter may count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnergyUnit {
    /// VIF 03.
    WattHour,
    /// VIF 06.
    KilowattHour,
    /// VIF FB 01.
    MegawattHour,
    /// VIF 08.
    Joule,
    /// VIF 0E.
    Megajoule,
    /// VIF FB 09.
    Gigajoule,
}

impl EnergyUnit {
    const fn vif(self) -> &'static [u8] {
        match self {
            Self::WattHour => &[0x03],
            Self::KilowattHour => &[0x06],
            Self::MegawattHour => &[0xFB, 0x01],
            Self::Joule => &[0x08],
            Self::Megajoule => &[0x0E],
            Self::Gigajoule => &[0xFB, 0x09],
        }
    }
}

/// What the record FD 1F (remote control) says of a valve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ValveCode {
    /// Closed.
    Closed = 0,
    /// Open.
    Open = 1,
    /// Faulty.
    Fault = 2,
    /// On its way.
    Moving = 3,
}

/// Builds the data of one RSP_UD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyBuilder {
    data: Vec<u8>,
}

impl ReplyBuilder {
    /// A reply of the meter `header` names, without records yet.
    pub fn new(header: &Header) -> Self {
        Self { data: header.encode().to_vec() }
    }

    /// Energy, a count of `unit`.
    #[must_use]
    pub fn energy(self, unit: EnergyUnit, count: i64) -> Self {
        self.bcd(unit.vif(), count)
    }

    /// Volume in litres (VIF 13).
    #[must_use]
    pub fn volume_litres(self, litres: i64) -> Self {
        self.bcd(&[0x13], litres)
    }

    /// Thermal power in watts (VIF 2B).
    #[must_use]
    pub fn power_watts(self, watts: i64) -> Self {
        self.bcd(&[0x2B], watts)
    }

    /// Flow in litres an hour (VIF 3B).
    #[must_use]
    pub fn flow_litres_per_hour(self, litres: i64) -> Self {
        self.bcd(&[0x3B], litres)
    }

    /// Flow temperature in hundredths of a degree (VIF 59).
    #[must_use]
    pub fn flow_temp_centi(self, centi: i16) -> Self {
        self.binary(&[0x59], &centi.to_le_bytes())
    }

    /// Return temperature in hundredths of a degree (VIF 5D).
    #[must_use]
    pub fn return_temp_centi(self, centi: i16) -> Self {
        self.binary(&[0x5D], &centi.to_le_bytes())
    }

    /// Hours powered (VIF 22).
    #[must_use]
    pub fn on_time_hours(self, hours: i64) -> Self {
        self.bcd(&[0x22], hours)
    }

    /// Hours in operation (VIF 26).
    #[must_use]
    pub fn operating_time_hours(self, hours: i64) -> Self {
        self.bcd(&[0x26], hours)
    }

    /// The meter's clock (VIF 6D, type F): to the minute, years 1900 to 2299.
    #[must_use]
    pub fn date_time(self, time: CivilTime) -> Self {
        let CivilTime { year, month, day, hour, minute, .. } = time;
        let (hundreds, year) = ((year.saturating_sub(1900) / 100) as u8 & 0b11, (year % 100) as u8);
        let bytes = [
            minute & 0x3F,
            hour & 0x1F | hundreds << 5,
            day & 0x1F | (year & 0b111) << 5,
            month & 0x0F | (year >> 3) << 4,
        ];
        self.binary(&[0x6D], &bytes)
    }

    /// Error flags (VIF FD 17).
    #[must_use]
    pub fn error_flags(self, flags: u16) -> Self {
        self.binary(&[0xFD, 0x17], &flags.to_le_bytes())
    }

    /// Where the valve stands (VIF FD 1F).
    #[must_use]
    pub fn valve(self, valve: ValveCode) -> Self {
        self.binary(&[0xFD, 0x1F], &[valve as u8])
    }

    /// A BCD record with any VIF (and VIFEs): eight digits, or twelve, or an error pattern; minus is the digit F.
    #[must_use]
    pub fn bcd(self, vif: &[u8], number: i64) -> Self {
        let magnitude = number.unsigned_abs();
        let fit = |len: usize| {
            let mut bytes = bcd_encode(magnitude, len)?;
            let top = bytes.last_mut().filter(|top| number >= 0 || **top < 0x10)?;
            *top |= if number < 0 { 0xF0 } else { 0 };
            Some(bytes)
        };
        match (fit(4), fit(6)) {
            (Some(bytes), _) => self.record(0x0C, vif, &bytes),
            (None, Some(bytes)) => self.record(0x0E, vif, &bytes),
            (None, None) => self.record(0x0C, vif, &[0xEE; 4]),
        }
    }

    /// A binary record with any VIF (and VIFEs); `value` is 1, 2, 3, 4, 6 or 8 bytes, least significant first.
    #[must_use]
    pub fn binary(self, vif: &[u8], value: &[u8]) -> Self {
        let dif = match value.len() {
            length @ 1..=4 => length as u8,
            6 => 0x06,
            8 => 0x07,
            _ => return self,
        };
        self.record(dif, vif, value)
    }

    /// A record of raw parts: one DIF, the VIF with its VIFEs, the value.
    #[must_use]
    pub fn record(mut self, dif: u8, vif: &[u8], value: &[u8]) -> Self {
        self.data.push(dif);
        self.data.extend(vif);
        self.data.extend(value);
        self
    }

    /// Ends the telegram with DIF 1F: more telegrams follow.
    #[must_use]
    pub fn more_follow(mut self) -> Self {
        self.data.push(0x1F);
        self
    }

    /// The data of the RSP_UD, header first.
    pub fn data(self) -> Vec<u8> {
        self.data
    }

    /// The RSP_UD of the meter at primary address `address`, if the data fit one frame.
    pub fn frame(self, address: u8) -> Option<Frame> {
        let data = self.data;
        (data.len() <= MOST_DATA).then_some(Frame::Long {
            control: control::RSP_UD,
            address,
            ci: ci::LONG_HEADER,
            data,
        })
    }
}
