//! Who was found, one row per meter, whichever way it was found.
//!
//! Promises: a meter found by both kinds of M-Bus address is one row; one that is registered on the line is told by its
//! name. Refuses: guessing that two of one primary address are one.

use protocol::api::admin as api;
use protocol::exchange::LineFault;
use protocol::meter::{Address, Dialect};
use serde_json::{Value, json};

use crate::cli::decode::words;
use crate::cli::output;

/// Somebody on the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) dialect: String,
    /// M-Bus primary address.
    pub(super) primary: Option<String>,
    /// M-Bus secondary address, with wildcards where it could not be narrowed further.
    pub(super) secondary: Option<String>,
    /// Any other address.
    pub(super) other: Option<String>,
    pub(super) meter_type: u32,
    pub(super) methods: Vec<String>,
    pub(super) profile: String,
    pub(super) fault: String,
    /// The meter it is registered as.
    pub(super) known: Option<String>,
}

/// The registered meters of the line: dialect, address, name.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(String, String, String)>);

impl Known {
    pub(super) fn new(meters: &[api::Meter], line: &str) -> Self {
        let specs = meters.iter().filter_map(|meter| meter.spec.as_ref()).filter(|spec| spec.line == line);
        Self(specs.map(|spec| (spec.dialect.clone(), spec.address.clone(), spec.name.clone())).collect())
    }

    fn name(&self, finding: &Finding) -> Option<String> {
        let is_it = |dialect: &str, address: &String| {
            dialect == finding.dialect
                && [&finding.primary, &finding.secondary, &finding.other].into_iter().flatten().any(|a| a == address)
        };
        self.0.iter().find(|(dialect, address, _)| is_it(dialect, address)).map(|(_, _, name)| name.clone())
    }
}

impl Finding {
    fn new(found: &api::FoundMeter) -> Self {
        let is_mbus = found.dialect == Dialect::Mbus.name();
        let is_primary = is_mbus && found.method == "primary";
        let identity = Some(found.secondary.clone()).filter(|identity| !identity.is_empty());
        let address = Some(found.address.clone());
        Self {
            dialect: found.dialect.clone(),
            primary: address.clone().filter(|_| is_primary),
            secondary: address.clone().filter(|_| is_mbus && !is_primary).or(identity),
            other: address.filter(|_| !is_mbus),
            meter_type: found.meter_type,
            methods: vec![found.method.clone()],
            profile: found.profile.clone(),
            fault: found.fault.clone(),
            known: None,
        }
    }

    /// Whether both are one meter found in two ways, or meters that nobody can tell apart.
    fn is_same(&self, other: &Self) -> bool {
        let is_read = self.fault.is_empty() || self.has_method_of(other);
        let ways = self.primary.is_none() || other.primary.is_none();
        is_read && other.fault.is_empty() && ways && self.secondary.is_some() && self.secondary == other.secondary
    }

    fn has_method_of(&self, other: &Self) -> bool {
        self.methods.iter().any(|method| other.methods.contains(method))
    }

    fn absorb(&mut self, other: Self) {
        // A search tells each meter once: two of one address are no meter that can be read alone.
        if self.has_method_of(&other) {
            self.fault = LineFault::Collision.name().to_owned();
        }
        self.primary = self.primary.take().or(other.primary);
        self.methods.extend(other.methods);
        self.methods.dedup();
    }

    /// The address to be registered: one that can be, and belongs to this meter alone.
    pub(super) fn address(&self) -> Option<&str> {
        let primary = self.primary.as_deref().filter(|primary| *primary != "0");
        let address = primary.or(self.secondary.as_deref()).or(self.other.as_deref());
        address.filter(|_| self.fault.is_empty())
    }

    fn shown(&self) -> &str {
        let address = self.primary.as_deref().or(self.secondary.as_deref()).or(self.other.as_deref());
        address.unwrap_or_default()
    }

    /// Identification, manufacturer, version and medium of an M-Bus meter.
    pub(super) fn identity(&self) -> Option<(String, String, u8, String)> {
        let text = self.secondary.as_deref().filter(|_| self.fault.is_empty())?;
        match Address::parse(Dialect::Mbus, text).ok()? {
            Address::MbusSecondary { id, manufacturer, version, medium }
            | Address::MbusEnhanced { id, manufacturer, version, medium, .. } => {
                Some((format!("{id:08X}"), words::manufacturer(manufacturer), version, words::medium(medium)))
            }
            _ => None,
        }
    }

    fn medium(&self) -> String {
        match (self.identity(), self.meter_type) {
            (Some((_, _, _, medium)), _) => medium,
            (None, 0x10..=0x19) => "water".to_owned(),
            (None, 0x20) => "heat".to_owned(),
            (None, 0x21) => "cooling".to_owned(),
            (None, 0x22..=0x29) => "heat_cooling".to_owned(),
            (None, 0x30..=0x39) => "gas".to_owned(),
            (None, 0) => String::new(),
            (None, other) => format!("code_{other:02x}"),
        }
    }

    /// Whether it has a secondary address without wildcards.
    fn is_whole(&self) -> bool {
        self.secondary.as_deref().is_some_and(|text| Address::parse(Dialect::Mbus, text).is_ok())
    }

    /// What a person wants to know beside the address.
    fn remark(&self) -> String {
        match (&self.known, self.fault.as_str()) {
            (Some(name), "") => format!("known as {name}"),
            (_, "collision") if self.dialect == Dialect::Modbus.name() => "several answer, or noise".to_owned(),
            (_, "collision") if self.is_whole() => "several have this address".to_owned(),
            (_, "collision") => "several meters answer at once, or noise".to_owned(),
            (_, "no-answer") => "acknowledges, and gives no data".to_owned(),
            (None, "") if self.primary.as_deref() == Some("0") => "has no primary address yet".to_owned(),
            (_, fault) => fault.to_owned(),
        }
    }
}

/// One row per meter, in the order they were found.
pub(super) fn merged(found: &[api::FoundMeter], known: &Known) -> Vec<Finding> {
    let mut rows: Vec<Finding> = Vec::new();
    for finding in found.iter().map(Finding::new) {
        match rows.iter_mut().find(|row| row.is_same(&finding)) {
            Some(row) => row.absorb(finding),
            None => rows.push(finding),
        }
    }
    rows.iter_mut().for_each(|row| row.known = known.name(row));
    rows
}

pub(super) fn table(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let (id, maker, version, _) = finding.identity().unwrap_or_default();
        let version = if id.is_empty() { String::new() } else { version.to_string() };
        let profile = match (finding.profile.as_str(), finding.dialect.as_str()) {
            ("", "modbus") => "to be named",
            ("", _) => "by its answer",
            (profile, _) => profile,
        };
        let (medium, remark) = (finding.medium(), finding.remark());
        [finding.dialect.clone(), finding.shown().to_owned(), id, maker, version, medium, profile.to_owned(), remark]
    };
    let header = ["DIALECT", "ADDRESS", "ID", "MAKER", "VERSION", "MEDIUM", "PROFILE", "REMARK"];
    output::table(header, &["VERSION"], findings.iter().map(row))
}

pub(super) fn json(line: &str, findings: &[Finding], probes: u32, is_complete: bool) -> Value {
    let meter = |finding: &Finding| {
        let identity = finding.identity();
        let identity = identity.map(|(id, manufacturer, version, medium)| {
            json!({ "id": id, "manufacturer": manufacturer, "version": version, "medium": medium })
        });
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        json!({
            "dialect": finding.dialect,
            "address": finding.shown(),
            "primary": finding.primary,
            "secondary": finding.secondary,
            "identity": identity,
            "medium": text(&finding.medium()),
            "methods": finding.methods,
            "profile": text(&finding.profile),
            "fault": text(&finding.fault),
            "known": finding.known,
        })
    };
    let meters: Vec<Value> = findings.iter().map(meter).collect();
    json!({ "line": line, "probes": probes, "complete": is_complete, "meters": meters })
}
