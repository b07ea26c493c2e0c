//! Profiles: which record or field of a meter model is which quantity, and how its valve is moved.
//!
//! ```text
//!   profiles/*.toml --> mbus::profile | cjt188::profile --> columns of a Reading
//! ```
//!
//! Promises: the built-in profiles are data, read once; a word in them that is not in the vocabulary is an error.
//! Refuses: choosing a profile nobody named other than the generic one of the dialect.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{cjt188, mbus};

/// A profile of any dialect, as its file has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "dialect", rename_all = "lowercase")]
enum Profile {
    Mbus(mbus::profile::Profile),
    Cjt188(cjt188::profile::Profile),
}

const FILES: [&str; 2] =
    [include_str!("../profiles/mbus-generic.toml"), include_str!("../profiles/cjt188-generic.toml")];

static BUILTIN: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|text| toml::from_str(text).expect("a test holds every built-in profile to the vocabulary"))
        .collect()
});

/// The M-Bus profile of this name, or the generic one where none is named; `None` for a name nobody knows.
pub fn mbus(name: Option<&str>) -> Option<&'static mbus::profile::Profile> {
    let wanted = name.unwrap_or("mbus-generic");
    BUILTIN.iter().find_map(|profile| match profile {
        Profile::Mbus(profile) if profile.name == wanted => Some(profile),
        _ => None,
    })
}

/// The CJ/T 188 profile of this name, or the generic one where none is named; `None` for a name nobody knows.
pub fn cjt188(name: Option<&str>) -> Option<&'static cjt188::profile::Profile> {
    let wanted = name.unwrap_or("cjt188-generic");
    BUILTIN.iter().find_map(|profile| match profile {
        Profile::Cjt188(profile) if profile.name == wanted => Some(profile),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Quantity;

    #[test]
    fn every_builtin_profile_parses_and_names_no_quantity_twice() {
        for text in FILES {
            let quantities: Vec<Quantity> = match toml::from_str(text).expect("parses") {
                Profile::Mbus(profile) => profile.columns.iter().map(|c| c.quantity).collect(),
                Profile::Cjt188(profile) => profile.columns.iter().map(|c| c.quantity).collect(),
            };
            let mut unique = quantities.clone();
            unique.sort();
            unique.dedup();
            assert_eq!(unique.len(), quantities.len());
        }
    }

    #[test]
    fn each_dialect_has_its_generic_profile_and_an_unknown_name_has_none() {
        assert!(mbus(None).is_some_and(|profile| profile.valve.is_some()));
        assert!(cjt188(None).is_some());
        assert!(mbus(Some("cjt188-generic")).is_none());
    }

    #[test]
    fn a_word_outside_the_vocabulary_is_named() {
        let text =
            include_str!("../profiles/mbus-generic.toml").replacen("quantity = \"energy\"", "quantity = \"warmth\"", 1);
        let error = toml::from_str::<Profile>(&text).expect_err("refused").to_string();
        assert!(error.contains("quantity \"warmth\""), "{error}");
    }
}
