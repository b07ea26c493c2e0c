//! The profiles that are part of the program.
//!
//! Promises: every file of `profiles/` is here; a test looks. Refuses: reading them.

/// Each file by its name.
pub(super) const FILES: &[(&str, &str)] = &[
    ("cjt188-generic.toml", include_str!("../../profiles/cjt188-generic.toml")),
    ("cjt188-maker-1111.toml", include_str!("../../profiles/cjt188-maker-1111.toml")),
    ("cjt188-maker-4259.toml", include_str!("../../profiles/cjt188-maker-4259.toml")),
    ("cjt188-water.toml", include_str!("../../profiles/cjt188-water.toml")),
    ("mbus-allmess-cf50.toml", include_str!("../../profiles/mbus-allmess-cf50.toml")),
    ("mbus-elster-f2.toml", include_str!("../../profiles/mbus-elster-f2.toml")),
    ("mbus-engelmann-sensostar-2c.toml", include_str!("../../profiles/mbus-engelmann-sensostar-2c.toml")),
    ("mbus-generic.toml", include_str!("../../profiles/mbus-generic.toml")),
    ("mbus-itron-cf55.toml", include_str!("../../profiles/mbus-itron-cf55.toml")),
    ("mbus-landis-gyr-ultraheat-t230.toml", include_str!("../../profiles/mbus-landis-gyr-ultraheat-t230.toml")),
    ("mbus-metrona-pollutherm.toml", include_str!("../../profiles/mbus-metrona-pollutherm.toml")),
    ("mbus-minol-minocal-c2.toml", include_str!("../../profiles/mbus-minol-minocal-c2.toml")),
    ("mbus-sensus-pollusonic-2.toml", include_str!("../../profiles/mbus-sensus-pollusonic-2.toml")),
    ("mbus-sensus-pollustat.toml", include_str!("../../profiles/mbus-sensus-pollustat.toml")),
    ("mbus-sensus-pollutherm.toml", include_str!("../../profiles/mbus-sensus-pollutherm.toml")),
    ("mbus-svm-f22.toml", include_str!("../../profiles/mbus-svm-f22.toml")),
    ("modbus-belimo-energy-valve-4.toml", include_str!("../../profiles/modbus-belimo-energy-valve-4.toml")),
    ("modbus-belimo-uk24mod.toml", include_str!("../../profiles/modbus-belimo-uk24mod.toml")),
    ("modbus-onicon-system-10.toml", include_str!("../../profiles/modbus-onicon-system-10.toml")),
    ("modbus-tuf-2000m.toml", include_str!("../../profiles/modbus-tuf-2000m.toml")),
];
