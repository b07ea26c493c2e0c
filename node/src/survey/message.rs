//! What is looked for, and who was seen: messages <-> domain.
//!
//! Promises: what is asked is taken whole or refused by field, value and remedy. Refuses: choosing methods.

use protocol::api::admin::{FoundMeter, ScanLineRequest, ScanReport};
use protocol::mbus::selection::Selection;
use protocol::meter::NodeId;
use protocol::profile::Catalogue;
use protocol::scan::{ANYBODY, Method, PRIMARY, Plan, Sighting, UNITS};

use super::Report;

/// The plan that is asked for, of at most `most` probes.
pub(super) fn plan(asked: &ScanLineRequest, most: u32) -> Result<Plan, String> {
    let methods = asked.methods.iter().map(|word| word.parse::<Method>().map_err(|error| error.to_string()));
    let methods: Vec<Method> = methods.collect::<Result<_, _>>()?;
    if methods.is_empty() {
        return Err("methods \"\": name at least one of primary, secondary, cjt188, modbus".to_owned());
    }
    let bound = |field: &str, value: Option<u32>, otherwise: u8| match value.map_or(Ok(otherwise), u8::try_from) {
        Ok(bound) if bound <= *PRIMARY.end() => Ok(bound),
        _ => Err(format!("{field} {}: write an address from 0 to 250", value.unwrap_or_default())),
    };
    let (from, to) = (bound("from", asked.from, *PRIMARY.start())?, bound("to", asked.to, *PRIMARY.end())?);
    if from > to {
        return Err(format!("from {from} to {to}: begin with the lower address"));
    }
    let within = if asked.mask.is_empty() { ANYBODY } else { selection(&asked.mask)? };
    let most_probes = if asked.probes == 0 { most } else { asked.probes.min(most) };
    let units = from.max(*UNITS.start())..=to.min(*UNITS.end());
    let hex_digits = asked.hex_digits;
    Ok(Plan { methods, primary: from..=to, units, within, hex_digits, most_probes })
}

fn selection(mask: &str) -> Result<Selection, String> {
    let wrong = || {
        format!(
            "mask \"{mask}\": write 8 digits of the identification, F for any, or 16 with maker, version and medium"
        )
    };
    let is_hex = mask.bytes().all(|c| c.is_ascii_hexdigit());
    let whole = match mask.len() {
        8 => format!("{mask}FFFFFFFF"),
        16 => mask.to_owned(),
        _ => return Err(wrong()),
    };
    let bits = u64::from_str_radix(&whole, 16).ok().filter(|_| is_hex).ok_or_else(wrong)?;
    let (id, manufacturer) = ((bits >> 32) as u32, (bits >> 16) as u16);
    Ok(Selection { id, manufacturer, version: (bits >> 8) as u8, medium: bits as u8 })
}

/// A report of `node`, with what `catalogue` suggests.
pub(super) fn report(report: Report, node: NodeId, catalogue: &Catalogue) -> ScanReport {
    ScanReport {
        probes: report.progress.probes,
        left: report.progress.left,
        found: report.news.iter().map(|seen| found(seen, catalogue)).collect(),
        waiting: report.waiting.unwrap_or_default(),
        over: report.over.is_some(),
        complete: report.over.unwrap_or_default(),
        node: node.0,
    }
}

fn found(seen: &Sighting, catalogue: &Catalogue) -> FoundMeter {
    let (profile, address) = catalogue.suggested(seen).unwrap_or(("", seen.address));
    FoundMeter {
        method: seen.method.name().to_owned(),
        dialect: seen.address.dialect().name().to_owned(),
        address: address.to_string(),
        secondary: seen.identity.map(|address| address.to_string()).unwrap_or_default(),
        meter_type: seen.meter_type.map_or(0, u32::from),
        profile: profile.to_owned(),
        fault: seen.fault.map(|fault| fault.name().to_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::exchange::LineFault;
    use protocol::meter::{Address, Dialect};

    use super::*;

    fn asked(change: impl FnOnce(&mut ScanLineRequest)) -> Result<Plan, String> {
        let mut request = ScanLineRequest { methods: vec!["secondary".to_owned()], ..ScanLineRequest::default() };
        change(&mut request);
        plan(&request, 500)
    }

    #[test]
    fn what_is_not_said_is_everything() {
        let plan = asked(|_| {}).expect("sound");
        assert_eq!((plan.primary, plan.units, plan.within, plan.most_probes), (1..=250, 1..=247, ANYBODY, 500));
    }

    #[test]
    fn a_mask_is_an_identification_or_a_whole_secondary_address() {
        let within = |mask: &str| asked(|request| request.mask = mask.to_owned()).map(|plan| plan.within);
        assert_eq!(within("12FFFFFF"), Ok(Selection { id: 0x12FF_FFFF, ..ANYBODY }));
        let whole = Selection { id: 0x1234_5678, manufacturer: 0x2C2D, version: 0xFF, medium: 4 };
        assert_eq!(within("123456782C2DFF04"), Ok(whole));
        for bad in ["123", "+2345678", "12345678X", "1234567X"] {
            assert!(within(bad).is_err_and(|text| text.contains(bad)), "{bad}");
        }
    }

    #[test]
    fn whoever_a_profile_knows_is_told_with_its_name() {
        let at = |address: &str, dialect| Address::parse(dialect, address).expect("an address");
        let sighting = |method, address, meter_type, fault| {
            found(&Sighting { method, address, identity: None, meter_type, fault }, &Catalogue::builtin()).profile
        };
        let maker = at("11110017312151", Dialect::Cjt188);
        assert_eq!(sighting(Method::Cjt188, maker, Some(0x25), None), "cjt188-maker-1111");
        assert_eq!(sighting(Method::Cjt188, maker, Some(0x10), None), "", "a water meter of that maker");
        assert_eq!(sighting(Method::Cjt188, maker, Some(0x25), Some(LineFault::Collision)), "");
        assert_eq!(sighting(Method::Modbus, at("1", Dialect::Modbus), None, None), "");
        assert_eq!(sighting(Method::Primary, at("1", Dialect::Mbus), None, None), "");
    }

    #[test]
    fn bounds_and_methods_that_are_none_are_named() {
        assert!(asked(|r| r.from = Some(251)).is_err_and(|text| text.contains("from 251")));
        assert!(asked(|r| (r.from, r.to) = (Some(9), Some(3))).is_err_and(|text| text.contains("from 9 to 3")));
        assert!(asked(|r| r.methods = vec!["tertiary".to_owned()]).is_err_and(|text| text.contains("tertiary")));
        assert!(asked(|r| r.methods.clear()).is_err());
        assert_eq!(
            asked(|r| (r.from, r.probes) = (Some(0), 9)).map(|p| (p.primary, p.units, p.most_probes)),
            Ok((0..=250, 1..=247, 9))
        );
    }
}
