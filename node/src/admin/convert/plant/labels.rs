//! Labels of lines and meters, what selects by them, and what a meter has to say it is.
//!
//! Promises: labels fit their columns in the tables, and a selector can name every one of them. Refuses: selecting.

use std::collections::HashMap;

use raft_store::state::State;
use raft_store::state::membership::Labels;
use raft_store::state::plant::policy::Selector;
use raft_store::state::registry::Meter;

use crate::admin::convert::words;

/// Labels of a line or a meter, at most.
const LABELS: usize = 32;
/// Characters of a selector, at most.
const SELECTOR_CHARACTERS: usize = 2_048;
/// Characters of the identity of a meter, at most.
const IDENTITY_CHARACTERS: usize = 64;
/// What a selector names that is no label.
const NO_LABELS: [&str; 4] = ["name", "line", "profile", "dialect"];

/// Labels of a line or a meter. What says nothing is left out.
pub fn labels(pairs: HashMap<String, String>) -> Result<Labels, String> {
    let said = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    let labels = said.map(label).collect::<Result<Labels, String>>()?;
    if labels.len() > LABELS {
        return Err(format!("{} labels: give at most {LABELS}", labels.len()));
    }
    Ok(labels)
}

fn label((key, value): (String, String)) -> Result<(String, String), String> {
    let key = words::name(key).map_err(|fault| format!("label name {fault}"))?;
    if NO_LABELS.contains(&key.as_str()) {
        return Err(format!("label {key} would stand for the meter's own {key} in a selector: call it otherwise"));
    }
    if key.contains(['=', ',', ';']) {
        return Err(format!("label name \"{key}\" has a sign that selectors need: leave out = , and ;"));
    }
    let value = words::name(value).map_err(|fault| format!("label {key}: {fault}"))?;
    if value.contains([',', ';']) || value.ends_with('*') {
        let remedy = "leave out , and ; and a * at the end";
        return Err(format!("label {key}: \"{value}\" has a sign that selectors need: {remedy}"));
    }
    Ok((key, value))
}

/// The identity a meter has to give; none for an empty one. Capital and small letters are the same, kept as capitals.
pub fn identity(text: &str) -> Result<Option<String>, String> {
    let sound = text.len() <= IDENTITY_CHARACTERS && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !sound {
        let remedy = format!("write up to {IDENTITY_CHARACTERS} letters, digits and -, as the meter gives it");
        return Err(format!("\"{text}\" is no identity: {remedy}"));
    }
    Ok(Some(text.to_ascii_uppercase()).filter(|text| !text.is_empty()))
}

/// Meters by labels; none for an empty one.
pub fn selector(text: &str) -> Result<Option<Selector>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.chars().count() > SELECTOR_CHARACTERS {
        return Err(format!("selector has more than {SELECTOR_CHARACTERS} characters: name fewer values"));
    }
    text.parse().map(Some).map_err(|error: protocol::meter::WordError| error.to_string())
}

/// A meter's own labels and its line's.
pub fn labels_of(state: &State, meter: &Meter) -> HashMap<String, String> {
    let line = state.plant.lines.get(&meter.line).map(|line| &line.labels);
    let own = state.plant.meters.get(&meter.id).map(|meter| &meter.labels);
    let all = line.into_iter().chain(own).flatten();
    all.map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_label_that_a_selector_could_not_name_is_refused() {
        assert!(labels(pairs(&[("station", "S1"), ("building", "3号楼"), ("unit", "")])).is_ok_and(|l| l.len() == 2));
        for (key, value) in [("name", "x"), ("dialect", "x"), ("a=b", "x"), ("a", "x,y"), ("a", "x;y"), ("a", "x*")] {
            assert!(labels(pairs(&[(key, value)])).is_err(), "{key}={value} was taken");
        }
        let long = "x".repeat(129);
        assert!(labels(pairs(&[("building", &long)])).is_err_and(|f| f.contains("building") && f.contains("128")));
    }

    #[test]
    fn every_label_that_is_taken_can_be_selected() {
        let taken = labels(pairs(&[("station", "S 1"), ("pump house", "a*b=c")])).expect("sound labels");
        for (key, value) in taken {
            let text = format!("{key}={value}");
            assert_eq!(selector(&text).map(|s| s.map(|s| s.to_string())), Ok(Some(text)));
        }
    }

    #[test]
    fn an_identity_is_kept_in_capitals_and_nothing_is_none() {
        assert_eq!(identity("12345678-2d2c"), Ok(Some("12345678-2D2C".to_owned())));
        assert_eq!(identity(""), Ok(None));
        assert!(identity("1 2").is_err() && identity(&"1".repeat(65)).is_err());
    }
}
