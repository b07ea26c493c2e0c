//! `hearth decode` tells real telegrams exactly, and what is wrong with others.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests read files and run the binary")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Itron BM plus m, a cold water meter; recorded by the authors of libmbus.
const WATER: &str = "683C3C680808727803491177040E160A0000000C7878034911041331D40000426C0000441300000000046D0B0BCD130227\
                     000009FD0E0209FD0F060F00017513D316";
/// A heat meter's answer as its maker published it.
const HEAT: &str = "FEFEFEFEFEFEFEFEFEFEFE6820FFFFF130156920812E1F900100000000056040050005000000001700000000358319000\
                    02C1419001519002800000315170503042000084D16";

fn decode(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hearth")).args(["decode", "-o", "json"]).args(args).output();
    let output = output.expect("the binary runs");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn a_water_meter_and_a_heat_meter_are_told_digit_for_digit() {
    let (code, water) = decode(&[WATER]);
    assert_eq!(code, Some(0), "{water}");
    assert!(water.contains(r#""quantity":"volume","unit":"m3","value":54.321,"raw":"041331D40000""#), "{water}");
    assert!(water.contains(r#""value":"2014-03-13T11:11""#), "{water}");
    let (code, heat) = decode(&[HEAT]);
    assert_eq!(code, Some(0), "{heat}");
    for part in [r#""energy":{"value":540.6,"unit":"kWh"}"#, r#""operating_hours":{"value":28,"#, r#""layout":"A""#] {
        assert!(heat.contains(part), "{part}: {heat}");
    }
}

#[test]
fn a_compact_frame_is_told_by_the_format_that_came_before_it_and_refused_without() {
    // Kamstrup Multical 21, id 76348799: a full frame, its format, and a compact frame of the same values.
    let full = "681A1A6808057802FF207100041308190000441308190000615B7F616713DD16";
    let format = "681111680805690DEDA802FF2004134413615B61672B16";
    let compact = "68131368080579EDA86AB6710008190000081900007F138016";
    for before in [full, format] {
        let (code, text) = decode(&[&[before, compact].concat()]);
        assert_eq!(code, Some(0), "{text}");
        let told = text.lines().last().unwrap_or_default();
        assert!(told.contains(r#""quantity":"volume","unit":"m3","value":6.408"#), "{text}");
    }
    let (code, text) = decode(&[compact]);
    assert!(code == Some(1) && text.contains("compact frame of format A8ED"), "{text}");
}

#[test]
fn a_wrong_checksum_half_a_telegram_noise_and_nothing_are_told_apart() {
    let wrong = WATER.replace("D316", "D216");
    for (hex, told, offset) in [
        (wrong.as_str(), "bad-checksum", 64),
        ("683C3C680808", "truncated", 6),
        ("0102", "no-frame", 0),
        ("", "empty", 0),
    ] {
        let (code, text) = decode(&[hex]);
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(code, Some(1), "{text}");
        assert_eq!(json.pointer("/error/code").and_then(Value::as_str), Some(told));
        assert_eq!(json.pointer("/error/offset").and_then(Value::as_u64), Some(offset), "{text}");
    }
}

#[test]
fn the_explanation_of_every_real_telegram_holds_every_byte_once() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/frames");
    let folder = std::env::var_os("HEARTH_FRAMES").map_or(beside, PathBuf::from);
    for name in ["mbus.json", "cjt188.json"] {
        let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
            println!("skipped: {name} is missing");
            continue;
        };
        let held: Value = serde_json::from_str(&text).expect("JSON");
        for telegram in held.get("telegrams").and_then(Value::as_array).into_iter().flatten() {
            let hex = telegram.get("hex").and_then(Value::as_str).expect("hex");
            let (_, told) = decode(&["--explain", hex]);
            let parts = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let again: String = parts
                .flat_map(|line| line.get("explain").and_then(Value::as_array).cloned().unwrap_or_default())
                .filter_map(|part| Some(part.get("hex")?.as_str()?.to_owned()))
                .collect();
            assert_eq!(again, hex.to_ascii_uppercase());
        }
    }
}
