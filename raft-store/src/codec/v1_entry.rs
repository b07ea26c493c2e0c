//! Version 1 of entries, replies and what they are made of. Frozen: variants may be appended, nothing else changes.

use bincode::{Decode, Encode};

use super::mirror::{mirror_enum, mirror_struct};
use super::seq::Seq;
use super::v3_plant::{Calendar, LineDetail, MeterDetail, Policy};
use crate::state::{self, assignment, command, membership, registry};

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Entry = state::Entry {
    Found { at: u64, cluster_id: String, cluster_name: String, first: Newcomer },
    Admit { at: u64, newcomer: Newcomer, key: String },
    Announce { node: u64, address: String },
    SetDraining { node: u64, draining: bool },
    RemoveNode { node: u64 },
    ImportLines { at: u64, lines: Seq<LineSpec> },
    ImportMeters { meters: Seq<MeterSpec> },
    RemoveLine { name: String },
    RemoveMeter { name: String },
    SetMeterEnabled { name: String, enabled: bool },
    Assign { at: u64, term: u64, moves: Seq<Move>, cause: String },
    Revoke { at: u64, lines: Seq<Revocation>, cause: String },
    Release { at: u64, node: u64, lines: Seq<(u64, u64)> },
    Submit { at: u64, request: Request },
    Start { at: u64, command: u64, node: u64, epoch: u64 },
    Finish { at: u64, command: u64, epoch: u64, outcome: Outcome },
    Cancel { at: u64, command: u64 },
    Expire { at: u64 },
    Retire { at: u64, commands: Seq<u64> },
    UnitsSeen { at: u64, node: u64, life: u64, came: Seq<(u64, u64)>, gone: Seq<(u64, u64)> },
    RegisterLines { at: u64, lines: Seq<(LineSpec, LineDetail)> },
    RegisterMeters { at: u64, meters: Seq<(MeterSpec, MeterDetail)> },
    SwitchMeter { at: u64, name: String, enabled: bool },
    ForgetMeter { at: u64, name: String },
    SetCalendar { at: u64, calendar: Calendar },
    SetPolicy { at: u64, policy: Policy },
    RemovePolicy { at: u64, name: String },
    SettleDuties { upto: u64 },
});

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Reply = state::Reply {
    Done,
    Admitted(node: u64),
    Imported { created: u32, updated: u32, unchanged: u32 },
    Rows(faults: Seq<RowFault>),
    Queued(command: u64),
    Applied(count: u32),
    Refused(why: Refused),
});

mirror_struct!(RowFault = registry::RowFault { row: u32, column: String, message: String });

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Refused = state::Refused {
    Missing { thing: String, value: String },
    Conflict(text: String),
    Stale(text: String),
});

mirror_struct!(Newcomer = membership::Newcomer { name: String, address: String, labels: Seq<(String, String)> });

mirror_struct!(LineSpec = registry::LineSpec {
    name: String,
    endpoint: Endpoint,
    baud: u32,
    parity: Parity,
    extra_answer_ms: u32,
    repeats: u8,
    requires: Seq<(String, String)>,
});

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Endpoint = registry::Endpoint {
    Tcp { host: String, port: u16 },
    Serial { path: String },
    ModbusTcp { host: String, port: u16 },
    DialIn { unit: String },
});

mirror_enum!(
    #[derive(Debug, Clone, PartialEq, Encode, Decode)]
    Parity = registry::Parity { None, Even, Odd }
);

mirror_struct!(MeterSpec = registry::MeterSpec {
    name: String,
    line: String,
    address: Address,
    profile: Option<String>,
    schedule: Schedule,
    enabled: bool,
});

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Address = protocol::meter::Address {
    MbusPrimary(address: u8),
    MbusSecondary { id: u32, manufacturer: u16, version: u8, medium: u8 },
    Cjt188(digits: [u8; 7]),
    ModbusUnit(unit: u8),
    MbusEnhanced { id: u32, manufacturer: u16, version: u8, medium: u8, fabrication: u32 },
});

mirror_struct!(Schedule = registry::Schedule { interval_s: u32, offset_s: u32 });

mirror_struct!(Move = assignment::Move { line: u64, from: u64, to: u64 });

mirror_struct!(Revocation = assignment::Revocation { line: u64, epoch: u64, to: Option<u64> });

mirror_struct!(Request = command::Request { meter: u64, action: Action, deadline: u64, key: String });

mirror_enum!(
    #[derive(Debug, Clone, PartialEq, Encode, Decode)]
    Action = protocol::meter::Action { ReadNow, ValveOpen, ValveClose }
);

mirror_enum!(#[derive(Debug, Clone, PartialEq, Encode, Decode)] Outcome = command::Outcome {
    Verified(seen: String),
    Acknowledged,
    Refused { code: u16, text: String },
    Failed(why: String),
    Expired,
    Cancelled,
    Unknown(why: String),
});
