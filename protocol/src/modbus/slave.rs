//! What a simulated slave says: registers and coils in memory, answering as the standard's state diagrams do.
//!
//! Promises: what is not there is exception 02; a write is seen by the next read. Refuses: timing, and moving a valve.

use std::collections::BTreeMap;

use super::payload::{Reply, Request, Table, pack};

const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;

/// The tables of a slave; bits are 0 and 1.
#[derive(Debug, Clone, Default)]
pub struct Bank {
    held: BTreeMap<(Table, u16), u16>,
}

impl Bank {
    /// Puts `values` from `start` on.
    pub fn put(&mut self, table: Table, start: u16, values: &[u16]) {
        self.held.extend((start..=u16::MAX).zip(values).map(|(address, value)| ((table, address), *value)));
    }

    /// What is held there.
    pub fn get(&self, table: Table, address: u16) -> Option<u16> {
        self.held.get(&(table, address)).copied()
    }

    /// Function and data that answer function and data.
    pub fn answer(&mut self, pdu: &[u8]) -> Vec<u8> {
        let function = pdu.first().copied().unwrap_or(0) & 0x7F;
        let reply = Request::decode(pdu).map(|request| {
            let illegal = Reply::Exception(function, ILLEGAL_ADDRESS);
            self.perform(&request).unwrap_or(illegal)
        });
        reply.unwrap_or(Reply::Exception(function, ILLEGAL_FUNCTION)).encode()
    }

    fn perform(&mut self, request: &Request) -> Option<Reply> {
        match request {
            Request::Read { table, start, count } => {
                let addresses = (0..*count).map(|offset| start.checked_add(offset));
                let values = addresses.map(|address| self.get(*table, address?)).collect::<Option<Vec<u16>>>()?;
                Some(match table.is_bits() {
                    true => Reply::Bits(*table, pack(&values.iter().map(|value| *value != 0).collect::<Vec<_>>())),
                    false => Reply::Registers(*table, values),
                })
            }
            Request::WriteCoil { address, on } => self.write(request, Table::Coils, *address, &[u16::from(*on)]),
            Request::WriteRegister { address, value } => self.write(request, Table::Holding, *address, &[*value]),
            Request::WriteCoils { start, bits } => {
                let values: Vec<u16> = bits.iter().map(|bit| u16::from(*bit)).collect();
                self.write(request, Table::Coils, *start, &values)
            }
            Request::WriteRegisters { start, values } => self.write(request, Table::Holding, *start, values),
        }
    }

    fn write(&mut self, request: &Request, table: Table, start: u16, values: &[u16]) -> Option<Reply> {
        let last = u16::try_from(values.len()).ok()?.checked_sub(1)?;
        (start..=start.checked_add(last)?).all(|address| self.get(table, address).is_some()).then_some(())?;
        self.put(table, start, values);
        Some(request.done())
    }
}
