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
fn modbus_requests_replies_and_exceptions_are_told_by_themselves_and_with_every_byte_explained() {
    // The manual of the TUF-2000F: registers 1 to 10; the standard's example of a reply (V1.1b3 clause 6.3).
    let (code, request) = decode(&["--explain", "01030000000AC5CD"]);
    assert_eq!(code, Some(0), "{request}");
    assert!(
        request.contains(r#""direction":"request","function":3,"table":"holding","address":0,"count":10"#),
        "{request}"
    );
    let (code, reply) = decode(&["--protocol", "modbus", "--explain", "11 03 06 02 2B 00 00 00 64 C8 BA"]);
    assert_eq!(code, Some(0), "{reply}");
    assert!(reply.contains(r#""unit":17,"direction":"reply","function":3"#), "{reply}");
    assert!(reply.contains(r#""registers":[555,0,100],"raw":"022B00000064""#), "{reply}");
    assert!(reply.contains(r#""hex":"022B","what":"register 0 of these""#), "{reply}");
    for (hex, told) in
        [("0183020F10", "bad-checksum"), ("018302C0F1", "refused"), ("0103", "truncated"), ("FF", "no-frame")]
    {
        let (code, text) = decode(&["--protocol", "modbus", hex]);
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((code, json.pointer("/error/code").and_then(Value::as_str)), (Some(1), Some(told)), "{hex}: {text}");
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

/// A telegram with its checksum.
fn summed(hex: &str) -> String {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    format!("{hex}{sum:02X}16")
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The telegrams of real meters in a file, or `None` where there is none; a machine that checks everything has it.
fn telegrams(name: &str) -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/frames");
    let path = std::env::var_os("HEARTH_FRAMES").map_or(beside, PathBuf::from).join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert!(std::env::var("CI").is_err(), "{}: the telegrams of real meters are missing", path.display());
        println!("skipped: {} is missing", path.display());
        return None;
    };
    let held: Value = serde_json::from_str(&text).expect("JSON");
    held.get("telegrams").and_then(Value::as_array).cloned()
}

/// What the makers give for a telegram stands in what was told.
fn agrees(told: &Value, telegram: &Value) {
    let expect = telegram.get("expect").and_then(Value::as_object);
    for (key, value) in expect.into_iter().flatten().filter(|(key, _)| !key.ends_with("_unit")) {
        let unit = expect.and_then(|expect| expect.get(&format!("{key}_unit"))).and_then(Value::as_str);
        match key.as_str() {
            "meter_time" => assert_eq!(text(told, "/meter_time").replace('T', " "), value.as_str().expect("text")),
            "status" => assert_eq!(told.get("status"), Some(value)),
            key => {
                let shown = told.pointer(&format!("/quantities/{key}/value")).and_then(Value::as_f64);
                assert_eq!(shown, value.as_f64(), "{key}: {told}");
                let shown = text(told, &format!("/quantities/{key}/unit"));
                assert!(unit.is_none_or(|unit| unit == shown), "{key}: {told}");
            }
        }
    }
}

/// Digits in the form of `format!("{:.6}")`, as the established decoder prints them.
fn six_places(value: &Value) -> Option<String> {
    value.as_f64().map(|number| format!("{number:.6}"))
}

#[test]
fn every_record_of_every_real_mbus_telegram_is_told_and_its_maker_s_data_as_hex() {
    let Some(telegrams) = telegrams("mbus.json") else { return };
    let (mut numbers, mut blocks) = (0, 0);
    for telegram in &telegrams {
        let (code, told) = decode(&["--protocol", "mbus", text(telegram, "/hex")]);
        let told: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(code, Some(0), "{told}");
        let list = |held: &Value| held.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
        let (ours, theirs) = (list(&told), list(telegram));
        assert_eq!(ours.len(), theirs.len(), "{}", text(telegram, "/name"));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let value = text(theirs, "/value");
            if matches!(text(theirs, "/function"), "Manufacturer specific" | "More records follow") {
                assert_eq!(text(ours, "/quantity"), "manufacturer_specific");
                assert_eq!(text(ours, "/value"), value.replace(' ', ""));
                blocks += 1;
            } else if six_places(ours.get("value").unwrap_or(&Value::Null)).as_deref() == Some(value) {
                numbers += 1;
            }
            let is_null = ours.get("value") == Some(&Value::Null);
            assert!(!is_null || ours.get("error") != Some(&Value::Null), "{ours}");
        }
    }
    // The others are times, texts and where the standard decides otherwise: compared one by one below the command line.
    assert_eq!((numbers, blocks), (350, 24));
}

#[test]
fn every_real_cjt188_telegram_is_told_as_its_maker_tells_it() {
    let Some(telegrams) = telegrams("cjt188.json") else { return };
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    let lines: Vec<&str> = telegrams.iter().map(|telegram| text(telegram, "/hex")).collect();
    std::fs::write(file.path(), lines.join("\n")).expect("written");
    for protocol in ["cjt188", "auto"] {
        let path = file.path().to_str().expect("text");
        let (code, told) = decode(&["--protocol", protocol, "--file", path]);
        assert_eq!(code, Some(1), "some of them are bad");
        let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(told.len(), telegrams.len());
        for (told, telegram) in told.iter().zip(&telegrams) {
            if telegram.get("checksum_ok") == Some(&Value::Bool(false)) {
                assert_eq!(text(told, "/error/code"), "bad-checksum", "{told}");
            } else if text(telegram, "/layout") == "D" {
                assert_eq!(text(told, "/error/code"), "undecodable");
                assert!(text(told, "/error/message").contains("(D)"), "{told}");
            } else {
                for key in ["type", "control"] {
                    assert_eq!(told.get(key), telegram.get(key));
                }
                assert_eq!(text(told, "/protocol"), "cjt188");
                assert_eq!(text(told, "/layout"), text(telegram, "/layout"));
                assert!(!text(told, "/what").is_empty(), "{told}");
                agrees(told, telegram);
            }
        }
    }
}

#[test]
fn cjt188_requests_settings_months_water_and_refusals_are_told_by_name() {
    let meter = "682078563412001111";
    for (args, parts) in [
        (vec![summed(&format!("{meter}0404A0170155"))], vec![r#""di":"A017""#, r#""order":"open""#]),
        (vec![summed(&format!("{meter}0404A0170199"))], vec![r#""order":"close""#]),
        (vec![summed(&format!("{meter}8405A017010100"))], vec![r#""valve":"closed","battery_low":false"#]),
        (vec![summed(&format!("{meter}0303810A01"))], vec![r#""what":"request, read address: address""#]),
        (vec![summed(&format!("{meter}8303810A01"))], vec![r#""address":"11110012345678","control":"83","di":"810A""#]),
        (vec![summed(&format!("{meter}0103D12501"))], vec![r#""di":"D125""#, r#""month":6"#]),
        (
            vec!["--layout".to_owned(), "a".to_owned(), summed(&format!("{meter}8108D120013412000005"))],
            vec![r#""layout":"A""#, r#""month":1,"quantities":{"energy":{"value":12.34,"unit":"kWh"}}"#],
        ),
        (vec![summed(&format!("{meter}8104038101 25").replace(' ', ""))], vec![r#""di":"8103""#, r#""day":25"#]),
        (vec![summed(&format!("{meter}890481060107"))], vec![r#""key_version":7"#]),
        (
            // The bytes a maker of cold water meters publishes, with the checksum they should have.
            vec![summed("68104433221100337881161F9000007766552C007766552C31012211051520 2184").replace(' ', "")],
            vec![
                r#""type":"10","address":"78330011223344""#,
                r#""quantities":{"volume":{"value":556677,"unit":"m3"},"settlement_volume":{"value":556677,"unit":"m3"}}"#,
                r#""meter_time":"2015-05-11T22:01:31","valve":"closed","battery_low":false,"status":"2184""#,
            ],
        ),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (code, told) = decode(&args);
        assert_eq!(code, Some(0), "{told}");
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn what_cjt188_data_do_not_say_clearly_is_refused_with_the_reason() {
    let meter = "682078563412001111";
    for (hex, code, words) in [
        (format!("{meter}C103010301"), "refused", "read data: SER 01, status 0301"),
        (format!("{meter}8108D120013412000005"), "ambiguous", "layout A from C"),
        (format!("{meter}8104911F0100"), "unsupported", "911F"),
        (format!("{meter}8104D3010100"), "unsupported", "D301"),
        (format!("{meter}8107901F0112345678"), "undecodable", "secured (2018)"),
        (format!("{meter}8116901F01{}", "AB".repeat(19)), "undecodable", "(D)"),
    ] {
        let (exit, told) = decode(&[&summed(&hex)]);
        let json: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!((exit, text(&json, "/error/code")), (Some(1), code), "{told}");
        assert!(text(&json, "/error/message").contains(words), "{told}");
        assert!(json.pointer("/error/offset").is_some_and(Value::is_u64));
    }
}

#[test]
fn the_explanation_of_every_real_telegram_holds_every_byte_once() {
    for name in ["mbus.json", "cjt188.json"] {
        for telegram in telegrams(name).into_iter().flatten() {
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
