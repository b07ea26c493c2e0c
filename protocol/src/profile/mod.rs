//! The profiles there are, and which of them a meter is read by.
//!
//! ```text
//!   built in (profiles/*.toml) --+
//!                                +--> Catalogue --> named: that one
//!   files of the user -----------+              --> unnamed: those that know their model, then the generic one
//! ```
//!
//! Promises: cheap to clone; a user's profile stands in for the built-in one of its name. Refuses: two of a user's
//! profiles with one name, a text that is not understood, and reading files.

mod builtin;
mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::choice::{Choice, Shelf};
use crate::meter::{Address, Dialect, Kept};
use crate::probe::Sighting;
use crate::{cjt188, mbus, modbus};

pub use file::{About, MOST_TEXT, Model, ProfileFault};

/// The most profiles of a user.
pub const MOST_FILES: usize = 1024;

static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| {
        file::read(name, text).map(|(about, model)| {
            let entry = Entry { about, model, path: None, text: (*text).to_owned() };
            (entry.about.name.clone(), entry)
        })
    };
    let entries: Result<BTreeMap<_, _>, _> = builtin::FILES.iter().map(read).collect();
    Catalogue::of(entries.expect("a test reads every built-in profile"), Vec::new())
});

/// The profiles of a process; clones share them.
#[derive(Clone)]
pub struct Catalogue(Arc<Shelves>);

struct Shelves {
    entries: BTreeMap<String, Entry>,
    replaced: Vec<String>,
    mbus: Shelf<mbus::profile::Profile>,
    cjt188: Shelf<cjt188::profile::Profile>,
}

/// A profile, with where it is from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it says of itself.
    pub about: About,
    /// What its dialect makes of it.
    pub model: Model,
    /// The file of the user; `None`: built in.
    pub path: Option<String>,
    /// Its text.
    pub text: String,
}

impl Entry {
    /// By what an unnamed meter is known as its model, in words; `None`: by nothing.
    pub fn recognised_by(&self) -> Option<String> {
        self.model.recognised_by()
    }

    /// Whether it stands for every meter of its dialect that no other profile knows.
    pub fn is_generic(&self) -> bool {
        generic(self.about.dialect) == Some(self.about.name.as_str())
    }
}

/// The name of the profile for every meter that no other knows.
const fn generic(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::Mbus => Some("mbus-generic"),
        Dialect::Cjt188 => Some("cjt188-generic"),
        Dialect::Modbus => None,
    }
}

impl Catalogue {
    /// The built-in profiles.
    pub fn builtin() -> Self {
        BUILTIN.clone()
    }

    /// The built-in profiles and those of a user, given by path and text.
    pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ProfileFault> {
        let mut entries = BUILTIN.0.entries.clone();
        let mut replaced = Vec::new();
        for (nth, (path, text)) in files.into_iter().enumerate() {
            if nth >= MOST_FILES {
                return Err(ProfileFault::new(path, None, format!("more than {MOST_FILES} profiles: remove some")));
            }
            let (about, model) = file::read(path, text)?;
            let name = about.name.clone();
            let entry = Entry { about, model, path: Some(path.to_owned()), text: text.to_owned() };
            match entries.insert(name.clone(), entry).map(|before| before.path) {
                None => {}
                Some(None) => replaced.push(name),
                Some(Some(other)) => {
                    let text = format!("\"{name}\" stands in {other} as well: rename one of the two");
                    return Err(ProfileFault::new(path, None, text));
                }
            }
        }
        if let Some((path, text)) = entries.values().find_map(changed_dialect) {
            return Err(ProfileFault::new(path, None, text));
        }
        Ok(Self::of(entries, replaced))
    }

    fn of(entries: BTreeMap<String, Entry>, replaced: Vec<String>) -> Self {
        let mbus = shelf(&entries, Dialect::Mbus, |model| match model {
            Model::Mbus(profile) => {
                Some((Arc::clone(profile), profile.recognise.as_ref().map(mbus::profile::Recognise::strictness)))
            }
            _ => None,
        });
        let cjt188 = shelf(&entries, Dialect::Cjt188, |model| match model {
            Model::Cjt188(profile) => {
                Some((Arc::clone(profile), profile.recognise.as_ref().map(cjt188::profile::Recognise::strictness)))
            }
            _ => None,
        });
        Self(Arc::new(Shelves { entries, replaced, mbus, cjt188 }))
    }

    /// All profiles, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.entries.values()
    }

    /// The profile of this name.
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.0.entries.get(name)
    }

    /// The names of the built-in profiles that a user's stand in for.
    pub fn replaced(&self) -> &[String] {
        &self.0.replaced
    }

    /// Why a meter of `dialect` cannot be read by the profile `name`, with those it could be read by.
    pub fn unknown(&self, name: &str, dialect: Dialect) -> String {
        let names: Vec<_> = self.entries().map(|entry| &entry.about).filter(|about| about.dialect == dialect).collect();
        let names: Vec<_> = names.into_iter().map(|about| about.name.as_str()).collect();
        let names = names.join(", ");
        match self.named(name) {
            None if name.is_empty() => format!("{dialect} does not say what a model is: name one of {names}"),
            Some(Entry { about: About { dialect: other, .. }, .. }) if *other != dialect => {
                format!("profile \"{name}\" is one of {other}, not of {dialect}: name one of {names}")
            }
            _ => format!("profile \"{name}\" is not known: name one of {names}"),
        }
    }

    /// What an M-Bus meter is read by; `None` for a name nobody knows.
    pub fn mbus(&self, name: Option<&str>) -> Option<Choice<mbus::profile::Profile>> {
        let Some(name) = name else { return Some(Choice::Fitting(self.0.mbus.clone())) };
        match &self.named(name)?.model {
            Model::Mbus(profile) => Some(Choice::Named(Arc::clone(profile))),
            Model::Cjt188(_) | Model::Modbus(_) => None,
        }
    }

    /// What a CJ/T 188 meter is read by; `None` for a name nobody knows.
    pub fn cjt188(&self, name: Option<&str>) -> Option<Choice<cjt188::profile::Profile>> {
        let Some(name) = name else { return Some(Choice::Fitting(self.0.cjt188.clone())) };
        match &self.named(name)?.model {
            Model::Cjt188(profile) => Some(Choice::Named(Arc::clone(profile))),
            Model::Mbus(_) | Model::Modbus(_) => None,
        }
    }

    /// The name of the profile that knows the model of whoever was seen, and the address that it is to be registered by with
    /// it; `None` where no profile but a generic one would read it, or nobody can be told apart.
    pub fn suggested(&self, seen: &Sighting) -> Option<(&str, Address)> {
        match (seen.fault, seen.identity, seen.address) {
            (Some(_), ..) => None,
            (_, None, Address::Cjt188(address)) => {
                let knows = |profile: &cjt188::profile::Profile| profile.knows_seen(address, seen.meter_type);
                let known = self.0.cjt188.models.iter().find(|profile| knows(profile))?;
                Some((&known.name, Address::Cjt188(known.turned(address))))
            }
            (_, identity, address) => {
                let said = identity.unwrap_or(address);
                let known = self.0.mbus.models.iter().find(|profile| profile.knows_address(&said))?;
                Some((&known.name, address))
            }
        }
    }

    /// What the meter at `address`, read by the profile of this name, can be asked of its past; `None`: nothing, or nobody
    /// can tell before it answers.
    pub fn keeps(&self, address: &Address, name: Option<&str>) -> Option<Kept> {
        match address.dialect() {
            Dialect::Mbus => {
                let profiles = self.mbus(name)?;
                profiles.pick(|profile| profile.knows_address(address)).history.as_ref().map(|turning| turning.keeps)
            }
            Dialect::Cjt188 => {
                let Address::Cjt188(digits) = *address else { return None };
                let profiles = self.cjt188(name)?;
                profiles.pick(|profile| profile.knows(digits, None)).months.map(|_| Kept::Months)
            }
            Dialect::Modbus => None,
        }
    }

    /// The Modbus profile of this name.
    pub fn modbus(&self, name: &str) -> Option<Arc<modbus::profile::Profile>> {
        match &self.named(name)?.model {
            Model::Modbus(profile) => Some(Arc::clone(profile)),
            Model::Mbus(_) | Model::Cjt188(_) => None,
        }
    }
}

/// A user's profile that has the name of a generic one and another dialect: nothing would be left for other meters.
fn changed_dialect(entry: &Entry) -> Option<(&str, String)> {
    let About { name, dialect, .. } = &entry.about;
    let of = [Dialect::Mbus, Dialect::Cjt188].into_iter().find(|of| generic(*of) == Some(name.as_str()))?;
    let path = entry.path.as_deref().filter(|_| of != *dialect)?;
    Some((
        path,
        format!("\"{name}\" is the profile of every other {of} meter and cannot be one of {dialect}: rename it"),
    ))
}

/// The profiles that know their model: those that ask for more first, a user's before a built-in one, then by name.
fn shelf<P>(
    entries: &BTreeMap<String, Entry>,
    dialect: Dialect,
    of: impl Fn(&Model) -> Option<(Arc<P>, Option<usize>)>,
) -> Shelf<P> {
    let of_dialect =
        entries.values().filter_map(|entry| of(&entry.model).map(|(profile, strict)| (entry, profile, strict)));
    let mut models: Vec<_> =
        of_dialect.filter_map(|(entry, profile, strict)| Some((strict?, entry.path.is_some(), profile))).collect();
    models.sort_by_key(|(strictness, is_users, _)| std::cmp::Reverse((*strictness, *is_users)));
    let generic = generic(dialect).and_then(|name| of(&entries.get(name)?.model));
    let (generic, _) =
        generic.expect("a built-in profile has this name, and one that stands in for it has its dialect");
    Shelf { models: models.into_iter().map(|(_, _, profile)| profile).collect(), generic }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Catalogue of {}", self.0.entries.len())
    }
}

#[cfg(test)]
mod tests;
