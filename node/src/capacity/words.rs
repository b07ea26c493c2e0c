//! A load in words: what is wrong, and what can be done.
//!
//! Promises: one line each, naming the line, the times and the remedy. Refuses: judging.

use super::load::{Kind, Load};

/// Spans that people choose, s.
const CHOSEN_S: [u64; 20] = [
    10, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 2_700, 3_600, 5_400, 7_200, 10_800, 14_400, 21_600, 28_800, 43_200,
    64_800, 86_400,
];
/// Lines are rarely faster.
const FASTEST: u32 = 9_600;

impl Load {
    /// `line L needs 19 min 12 s of a slot of 15 min 00 s: 96 reads of 12.0 s`
    pub fn what(&self, line: &str) -> String {
        let Self { need_ms, span_ms, left_ms, reads, .. } = *self;
        let span = match self.kind {
            Kind::Interval | Kind::Slot(_) => format!("a slot of {}", time(span_ms)),
            Kind::Together(begin) => {
                format!("the {} from {} on, when slots fall together", time(span_ms), moment(begin))
            }
        };
        let left = if need_ms > span_ms {
            span
        } else {
            format!("the {} that {span} leaves beside silent meters and commands", time(left_ms))
        };
        format!("line {line} needs {} of {left}: {reads} reads of {}", time(need_ms), time(need_ms / reads.max(1)))
    }

    /// What can be done about it.
    pub fn remedy(&self) -> String {
        let longer_s = self.span_ms.saturating_mul(u64::from(self.permille)).div_ceil(1_000_000);
        let chosen = CHOSEN_S.iter().copied().find(|chosen| *chosen >= longer_s);
        let longer = match (self.kind, chosen.map(short)) {
            (Kind::Together(_), _) => "let its schedules begin at other times or be on time for longer, ".to_owned(),
            (_, None) => String::new(),
            (Kind::Slot(slot), Some(chosen)) if slot.on_time_until < slot.end => {
                format!("let its readings be on time for longer (within {chosen}), ")
            }
            (Kind::Interval | Kind::Slot(_), Some(chosen)) => format!("lengthen the interval to {chosen}, "),
        };
        let faster = if self.baud < FASTEST { "raise the baud rate, " } else { "" };
        format!("{longer}{faster}or move meters to another line")
    }
}

fn short(seconds: u64) -> String {
    match seconds {
        s if s.is_multiple_of(3_600) => format!("{}h", s / 3_600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

fn time(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..60 => format!("{s}.{} s", ms % 1_000 / 100),
        s @ 60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        s => format!("{} h {:02} min", s / 3_600, s / 60 % 60),
    }
}

fn moment(unix_ms: u64) -> String {
    let stamp = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(String::new, |stamp| stamp.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
