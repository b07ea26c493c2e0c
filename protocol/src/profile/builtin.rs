//! The profiles that are part of the program.
//!
//! Promises: every file of `profiles/` is here; a test looks. Refuses: reading them.

/// Each file by its name.
pub(super) const FILES: &[(&str, &str)] = &[
    ("cjt188-generic.toml", include_str!("../../profiles/cjt188-generic.toml")),
    ("mbus-generic.toml", include_str!("../../profiles/mbus-generic.toml")),
    ("modbus-belimo-energy-valve-4.toml", include_str!("../../profiles/modbus-belimo-energy-valve-4.toml")),
    ("modbus-belimo-uk24mod.toml", include_str!("../../profiles/modbus-belimo-uk24mod.toml")),
    ("modbus-onicon-system-10.toml", include_str!("../../profiles/modbus-onicon-system-10.toml")),
    ("modbus-tuf-2000m.toml", include_str!("../../profiles/modbus-tuf-2000m.toml")),
];
