//! What puts a reading in doubt.
//!
//! Promises: a zone nobody knows and limits that contradict each other are refused before anything starts. Refuses: judging.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::timetable::{NoSuchZone, Zone};

/// What puts a reading in doubt. Doubts are stored with it; it is never dropped for them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sanity {
    /// A meter's clock may be this far off.
    #[serde(with = "humantime_serde")]
    pub clock_limit: Duration,
    /// Where the meters' clocks are set, by its IANA name; absent: in the plant's zone. Meters that keep winter time all the
    /// year have a fixed one: `Etc/GMT-1` is an hour ahead of UTC.
    pub meter_zone: Option<String>,
    /// The most heat or cold any connection takes, kW: more is a jump of its counter.
    pub power_max_kw: u32,
    /// The most water any connection takes, m3/h.
    pub flow_max_m3h: u32,
    /// A meter that says what it draws cannot have counted more than this many times as much within a day, ...
    pub own_factor: u32,
    /// ... unless that is less than this, kW, ...
    pub own_power_floor_kw: u32,
    /// ... or of water than this, m3/h.
    pub own_flow_floor_m3h: u32,
}

impl Default for Sanity {
    fn default() -> Self {
        Self {
            clock_limit: Duration::from_secs(10 * 60),
            meter_zone: None,
            power_max_kw: 100_000,
            flow_max_m3h: 5_000,
            own_factor: 20,
            own_power_floor_kw: 1_000,
            own_flow_floor_m3h: 50,
        }
    }
}

impl Sanity {
    pub(super) fn contradiction(&self) -> Option<(&'static str, String, String)> {
        if let Some(Err(NoSuchZone(name))) = self.meter_zone.as_deref().map(Zone::named) {
            let remedy = "is no time zone: name one such as Asia/Shanghai, Europe/Berlin or UTC".to_owned();
            return Some(("sanity.meter_zone", format!("{name:?}"), remedy));
        }
        let most = [
            ("sanity.own_power_floor_kw", self.own_power_floor_kw, "sanity.power_max_kw", self.power_max_kw),
            ("sanity.own_flow_floor_m3h", self.own_flow_floor_m3h, "sanity.flow_max_m3h", self.flow_max_m3h),
        ];
        let (key, value, of, bound) = most.into_iter().find(|(_, floor, _, most)| floor > most)?;
        Some((key, value.to_string(), format!("has to be at most {of} = {bound}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_nobody_knows_and_a_floor_above_the_bound_are_refused_by_name() {
        assert_eq!(Sanity::default().contradiction(), None);
        let wrong = |sanity: Sanity| sanity.contradiction().map(|(key, ..)| key);
        let nowhere = Sanity { meter_zone: Some("Mars/Olympus".to_owned()), ..Sanity::default() };
        assert_eq!(wrong(nowhere), Some("sanity.meter_zone"));
        let inverted = Sanity { own_flow_floor_m3h: 5_001, ..Sanity::default() };
        assert_eq!(wrong(inverted), Some("sanity.own_flow_floor_m3h"));
    }
}
