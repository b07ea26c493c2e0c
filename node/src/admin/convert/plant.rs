//! The plant as messages: schedules, labels, the calendar, policies, slots.
//!
//! Promises: a fault names the value and the remedy. Refuses: working out moments.

mod calendar;
mod labels;
mod schedules;

pub use calendar::{calendar, calendar_message};
pub use labels::{identity, labels, labels_of, selector};
pub use schedules::{policy, policy_message, schedule, schedule_by, slot};
