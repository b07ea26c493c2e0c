//! Registers to a reading, as a profile says.
//!
//! Promises: a number marked absent or that is none leaves its doubt. Refuses: reading what the profile does not name.

use std::collections::BTreeMap;

use super::payload::Table;
use super::profile::{Column, Profile, Valve};
use super::register::{Held, amount};
use crate::gather::Gathering;
use crate::meter::{Quality, Reading, ValveState};

/// What was read, by table and address; bits are 0 and 1.
pub(super) type Registers = BTreeMap<(Table, u16), u16>;

pub(super) fn assemble(registers: &Registers, profile: &Profile, identity: String, raw: Vec<u8>) -> Reading {
    let mut gathering = Gathering::default();
    for column in &profile.columns {
        match held(registers, column) {
            Some(Held::Amount(amount)) => gathering.put(column.quantity, Some(amount)),
            Some(Held::TooLarge) => gathering.doubt(Quality::OUT_OF_RANGE),
            Some(Held::Invalid) | None => gathering.put(column.quantity, None),
        }
    }
    let valve = profile.valve.as_ref().and_then(|valve| state(registers, valve));
    let shape = gathering.shape(&profile.name);
    let (measurements, quality) = gathering.finish();
    let profile = profile.name.clone();
    Reading { identity, profile, measurements, meter_time: None, valve, quality, shape, history: Vec::new(), raw }
}

fn held(registers: &Registers, column: &Column) -> Option<Held> {
    let one = |offset| registers.get(&(column.table, column.address.checked_add(offset)?)).copied();
    let numbers = (0..column.kind.width()).map(one).collect::<Option<Vec<u16>>>()?;
    let raw = column.order.bytes(&numbers).iter().fold(0_u64, |raw, byte| raw << 8 | u64::from(*byte));
    let is_absent = column.absent == Some(raw);
    (!is_absent).then(|| amount(&numbers, column.kind, column.order, column.scale, column.unit))
}

fn state(registers: &Registers, valve: &Valve) -> Option<ValveState> {
    let applies = |sign: &&super::profile::Sign| {
        let number = registers.get(&(sign.table, sign.address)).map(|number| number & sign.mask);
        number.is_some_and(|number| (sign.least..=sign.most).contains(&number))
    };
    valve.signs.iter().find(applies).map(|sign| sign.state)
}
