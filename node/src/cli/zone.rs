//! The zone of an answer: whose clocks its local times, and dates on the command line, are of.
//!
//! Promises: the rules of zones are those of this release, as the nodes have them. Refuses: names that are none.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use protocol::api::admin as api;
use tonic::Response;

use super::client::Session;
use super::failure::Failure;
use super::when::When;

const UTC: &str = "UTC";

/// A time zone with its name.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone of an IANA name.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        if name.eq_ignore_ascii_case(UTC) || name.is_empty() {
            return Ok(Self { name: UTC.to_owned(), rules: TimeZone::UTC });
        }
        let rules = TimeZoneDatabase::bundled().get(name).map_err(|_| {
            format!("zone \"{name}\" is not known: write an IANA name such as Asia/Shanghai, Europe/Helsinki or UTC")
        })?;
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, rules })
    }

    /// The plant's.
    pub(super) async fn of_plant(session: &Session) -> Result<Self, Failure> {
        let calendar = session.plant().get_calendar(api::GetCalendarRequest {}).await;
        let calendar = calendar.map(Response::into_inner).map_err(Failure::of_look)?;
        Self::named(&calendar.zone)
            .map_err(|why| Failure::Refused(format!("of the plant: {why}, and name it with --zone")))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its clocks show what UTC is, so that no column has to say it twice.
    pub(super) fn is_utc(&self) -> bool {
        self.name == UTC
    }

    /// What its clocks show, Unix ms: `None` beyond the years there are.
    pub(super) fn civil(&self, unix_ms: u64) -> Option<DateTime> {
        let stamp = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        Some(self.rules.to_datetime(stamp))
    }

    /// The same as people read it; empty where there is none.
    pub(super) fn shown(&self, unix_ms: u64) -> String {
        self.civil(unix_ms).map_or_else(String::new, |civil| civil.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    /// The same as if they were of UTC, Unix ms: how files write a local time.
    pub(super) fn civil_ms(&self, unix_ms: u64) -> Option<i64> {
        TimeZone::UTC.to_timestamp(self.civil(unix_ms)?).ok().map(Timestamp::as_millisecond)
    }

    /// A moment of the command line, Unix ms; 0 where it names none.
    pub(super) fn millis(&self, option: &str, when: Option<When>) -> Result<u64, Failure> {
        let Some(when) = when else { return Ok(0) };
        when.millis(&self.rules).ok_or_else(|| Failure::Usage(format!("{option} is before 1970: write a later moment")))
    }
}
