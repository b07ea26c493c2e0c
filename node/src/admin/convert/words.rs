//! What people may write: names, labels, endpoints, speeds, parities, keys.
//!
//! Promises: a fault is a fragment that names the value and the remedy. Refuses: control characters everywhere, so
//! that no name can dress up as another on a screen or in a log.

use raft_store::state::membership::Labels;
use raft_store::state::registry::{Endpoint, Parity};
use tonic::Status;

/// Characters of a name, at most.
const NAME_CHARACTERS: usize = 128;
/// Labels a line may require, at most.
const LABELS: usize = 32;
/// The line speeds of the standards, bit/s.
const BAUDS: [u32; 10] = [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
/// The speed that EN 13757-2 and CJ/T 188 begin with.
const DEFAULT_BAUD: u32 = 2400;

/// A name of the customer's: 1 to 128 printable characters, no white space at its ends.
pub fn name(text: String) -> Result<String, String> {
    let count = text.chars().count();
    if count == 0 {
        return Err("is empty: write 1 to 128 characters".to_owned());
    }
    if count > NAME_CHARACTERS {
        return Err(format!("\"{}..\" has {count} characters: write at most 128", start(&text)));
    }
    if text.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err(format!("{text:?} has a character that cannot be printed: remove it"));
    }
    if text.trim() != text {
        return Err(format!("\"{text}\" begins or ends with white space: remove it"));
    }
    Ok(text)
}

fn start(text: &str) -> String {
    text.chars().take(16).collect()
}

/// Direction marks, joiners and byte order marks: they show nothing and make equal-looking names differ.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// An idempotency key: empty, or as a name.
pub fn idempotency_key(key: String) -> Result<String, Status> {
    if key.is_empty() {
        return Ok(key);
    }
    name(key).map_err(|fault| Status::invalid_argument(format!("key {fault}")))
}

/// Characters of a unit's id, at most.
const UNIT_CHARACTERS: usize = 64;

/// `tcp://HOST:PORT`, `modbus-tcp://HOST:PORT`, `serial:///dev/..` or `dialin://UNIT`
pub fn endpoint(text: &str) -> Result<Endpoint, String> {
    let read = match text.split_once("://") {
        Some(("tcp", rest)) => network(rest).map(|(host, port)| Endpoint::Tcp { host, port }),
        Some(("modbus-tcp", rest)) => network(rest).map(|(host, port)| Endpoint::ModbusTcp { host, port }),
        Some(("serial", rest)) => serial(rest),
        Some(("dialin", rest)) => unit(rest),
        _ => None,
    };
    read.ok_or_else(|| {
        format!(
            "\"{text}\" is no channel: write tcp://HOST:PORT, modbus-tcp://HOST:PORT, serial:///dev/NAME or dialin://UNIT"
        )
    })
}

/// A unit's id is what it registers with; capital and small letters are the same, kept as capitals.
fn unit(id: &str) -> Option<Endpoint> {
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let sound = (1..=UNIT_CHARACTERS).contains(&id.len()) && id.chars().all(may_stand);
    sound.then(|| Endpoint::DialIn { unit: id.to_ascii_uppercase() })
}

fn network(rest: &str) -> Option<(String, u16)> {
    let (host, port) = rest.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let sound = !bare.is_empty() && bare.chars().all(may_stand);
    let sound = sound && (!bare.contains(':') || bare.parse::<std::net::Ipv6Addr>().is_ok());
    sound.then(|| (bare.to_owned(), port))
}

fn serial(path: &str) -> Option<Endpoint> {
    let device = path.strip_prefix("/dev/")?;
    let sound = !device.is_empty()
        && !device.split('/').any(|part| part.is_empty() || part == "." || part == "..")
        && !device.chars().any(|c| c.is_control() || c.is_whitespace());
    sound.then(|| Endpoint::Serial { path: path.to_owned() })
}

/// As [`endpoint`] reads it.
pub fn endpoint_text(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp { host, port } if host.contains(':') => format!("tcp://[{host}]:{port}"),
        Endpoint::ModbusTcp { host, port } if host.contains(':') => format!("modbus-tcp://[{host}]:{port}"),
        other => other.to_string(),
    }
}

/// A speed in bit/s; 0 is the default.
pub fn baud(asked: u32) -> Result<u32, String> {
    match asked {
        0 => Ok(DEFAULT_BAUD),
        _ if BAUDS.contains(&asked) => Ok(asked),
        _ => Err(format!("{asked} bit/s is no usual speed: write one of {BAUDS:?}")),
    }
}

/// A parity; empty is the default.
pub fn parity(word: &str) -> Result<Parity, String> {
    match word {
        "" | "even" => Ok(Parity::Even),
        "none" => Ok(Parity::None),
        "odd" => Ok(Parity::Odd),
        _ => Err(format!("\"{word}\" is no parity: write none, even or odd")),
    }
}

/// Labels by name; both words follow the rule of names.
pub fn labels(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Labels, String> {
    let words = pairs.into_iter().map(|(key, value)| {
        let key = name(key).map_err(|fault| format!("label name {fault}"))?;
        let value = name(value).map_err(|fault| format!("label {key}: {fault}"))?;
        Ok((key, value))
    });
    let labels: Labels = words.collect::<Result<_, String>>()?;
    if labels.len() > LABELS {
        return Err(format!("{} labels: require at most {LABELS}", labels.len()));
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_of_any_script_and_not_of_invisible_signs() {
        for good in ["line 1", "热表-3号楼", "a", &"x".repeat(128)] {
            assert_eq!(name(good.to_owned()).as_deref(), Ok(good));
        }
        for bad in ["", " a", "a ", "a\tb", "a\n", "a\u{200b}", "a\u{202e}b", &"x".repeat(129)] {
            assert!(name(bad.to_owned()).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_fault_names_the_value_and_the_remedy() {
        assert!(baud(2401).is_err_and(|f| f.contains("2401") && f.contains("2400")));
        assert!(parity("mark").is_err_and(|f| f.contains("mark") && f.contains("none, even or odd")));
        assert!(endpoint("udp://h:1").is_err_and(|f| f.contains("udp://h:1") && f.contains("tcp://HOST:PORT")));
    }

    #[test]
    fn a_channel_is_a_host_with_a_port_or_a_device() {
        let good = [
            "tcp://gw-1.example:4001",
            "tcp://10.0.0.7:1",
            "tcp://[fe80::1]:4001",
            "serial:///dev/ttyS0",
            "modbus-tcp://plc:502",
            "modbus-tcp://[fe80::1]:502",
            "dialin://00012345",
            "dialin://AA01-7.B:C_D",
        ];
        for good in good {
            assert_eq!(endpoint(good).map(|e| endpoint_text(&e)).as_deref(), Ok(good));
        }
        let bad = [
            "tcp://:4001",
            "tcp://gw",
            "tcp://gw:0",
            "tcp://gw:65536",
            "tcp://g w:1",
            "tcp://a:b:1",
            "serial://ttyS0",
            "serial:///dev/",
            "serial:///dev/../etc/passwd",
            "serial:///etc/passwd",
            "gw:4001",
            "modbus-tcp://gw",
            "dialin://",
            "dialin://a b",
            "dialin://热",
            "dialin:///x",
            "",
        ];
        for bad in bad {
            assert!(endpoint(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_units_id_is_kept_in_capitals() {
        assert_eq!(endpoint("dialin://aa01Ff"), Ok(Endpoint::DialIn { unit: "AA01FF".to_owned() }));
    }

    #[test]
    fn defaults_are_those_of_the_standards() {
        assert_eq!(baud(0), Ok(2400));
        assert_eq!(parity(""), Ok(Parity::Even));
    }

    #[test]
    fn a_label_without_a_value_is_refused() {
        assert!(labels([("site".to_owned(), String::new())]).is_err());
        assert!(labels([("site".to_owned(), "north".to_owned())]).is_ok());
    }
}
