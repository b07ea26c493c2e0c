//! A recorded answer through the dialogue that would have asked for it.
//!
//! ```text
//!   Exchange::read --Send--> reset or selection?  E5 is handed back
//!                            a request?           the next recorded answer is handed back
//!                  --Done--> reading
//! ```
//!
//! Promises: one way of decoding, on a line and off it. Refuses: bytes without a sound answer of a meter.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::cjt188::frame as cjt188;
use protocol::cjt188::payload::{Current, Layout};
use protocol::exchange::{Answer, Exchange, LineFault, Step, Target, Timing};
use protocol::mbus::frame::{self as mbus, FrameFault};
use protocol::meter::{Address, Dialect, Reading};

/// What a meter hands back for a reset or a selection (EN 13757-2 clause 5.5).
const ACKNOWLEDGE: u8 = 0xE5;
/// A serial number that an answer may carry whatever the request's was.
const ANY_SERIAL: u8 = 0x12;
/// What some meters add to every byte.
const VEIL: u8 = 0x33;
/// Steps of one dialogue, at most: more than any answer has telegrams.
const STEPS: usize = 256;

/// Why a telegram says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// A stable word: empty, bad-hex, no-frame, bad-checksum, no-answer, refused, incomplete, undecodable.
    pub code: &'static str,
    /// In words.
    pub message: String,
    /// Where it shows, from 0: a digit's place in bad-hex, else a byte's.
    pub offset: Option<usize>,
}

impl Fault {
    /// A fault that shows at `offset`.
    pub const fn at(code: &'static str, message: String, offset: usize) -> Self {
        Self { code, message, offset: Some(offset) }
    }

    fn of(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), offset: None }
    }
}

/// The reading in `bytes`, in `dialect` or whichever fits.
pub fn decode(bytes: &[u8], dialect: Option<Dialect>, profile: Option<String>) -> Result<(Dialect, Reading), Fault> {
    let (known, recorded) = match dialect {
        Some(Dialect::Mbus) => (Dialect::Mbus, mbus_answers(bytes)?),
        Some(Dialect::Cjt188) => (Dialect::Cjt188, cjt188_answers(bytes)?),
        Some(Dialect::Modbus) => return Err(Fault::of("undecodable", "modbus telegrams are not read by this version")),
        None => recognise(bytes)?,
    };
    let timing = Timing { baud: 2400, extra: Duration::ZERO, repeats: 0 };
    let target = Target { address: recorded.address, timing, profile };
    let answer = replay(&target, recorded.answers);
    let reading = match answer {
        Answer::Reading(reading) => Ok(Reading { raw: bytes.to_vec(), ..reading }),
        Answer::Refused(refusal) => Err(Fault::of("refused", format!("refused: {} ({})", refusal.text, refusal.code))),
        Answer::Lost(LineFault::Silent) => Err(Fault::of("incomplete", "more telegrams are announced than given")),
        Answer::Lost(fault) => {
            Err(Fault::of("undecodable", format!("a sound frame that cannot be read: {}", fault.name())))
        }
        Answer::Accepted { .. } => Err(Fault::of("no-answer", "an acknowledgement, which carries no values")),
    };
    reading.map(|reading| (known, reading))
}

/// The answers of one meter.
#[derive(Debug)]
struct Recorded {
    address: Address,
    answers: VecDeque<Vec<u8>>,
}

/// Both dialects begin alike; only one has sound frames. Where none has, the more telling fault stands.
fn recognise(bytes: &[u8]) -> Result<(Dialect, Recorded), Fault> {
    let mbus = match mbus_answers(bytes) {
        Ok(recorded) => return Ok((Dialect::Mbus, recorded)),
        Err(fault) => fault,
    };
    match cjt188_answers(bytes) {
        Ok(recorded) => Ok((Dialect::Cjt188, recorded)),
        Err(cjt188) => Err(if cjt188.telling() > mbus.telling() { cjt188 } else { mbus }),
    }
}

impl Fault {
    fn telling(&self) -> u8 {
        match self.code {
            "no-frame" => 0,
            "no-answer" => 1,
            _ => 2,
        }
    }
}

fn mbus_answers(bytes: &[u8]) -> Result<Recorded, Fault> {
    let is_reply = |frame: &mbus::Frame| matches!(frame, mbus::Frame::Long { .. }) && !frame.is_from_master();
    let replies = answers(mbus::Scanner::new(), bytes, is_reply)?;
    let sender = |frame: &mbus::Frame| match frame {
        mbus::Frame::Long { address, .. } => Some(*address),
        mbus::Frame::Ack | mbus::Frame::Short { .. } => None,
    };
    let first = replies.first().and_then(sender);
    let same = replies.iter().filter(|frame| sender(frame) == first).map(mbus::Frame::encode).collect();
    Ok(Recorded { address: Address::MbusPrimary(first.unwrap_or_default()), answers: same })
}

fn cjt188_answers(bytes: &[u8]) -> Result<Recorded, Fault> {
    let replies = answers(cjt188::Scanner::new(), bytes, cjt188::Frame::is_from_meter)?;
    let address = replies.first().map(|frame| frame.address).unwrap_or_default();
    let same = replies.into_iter().filter(|frame| frame.address == address).map(|frame| any_serial(frame).encode());
    Ok(Recorded { address: Address::Cjt188(address), answers: same.collect() })
}

/// The request's serial number is not known off the line, so the answer gets one that suits every request.
fn any_serial(mut frame: cjt188::Frame) -> cjt188::Frame {
    let place = if frame.is_refusal() { 0 } else { 2 };
    let veiled = Current::read(&frame).is_ok_and(|current| current.layout == Layout::E);
    if let Some(serial) = frame.data.get_mut(place) {
        *serial = if veiled { ANY_SERIAL.wrapping_add(VEIL) } else { ANY_SERIAL };
    }
    frame
}

/// The frames that are answers, or why there are none.
fn answers<S: Scan>(
    mut scanner: S,
    bytes: &[u8],
    is_answer: impl Fn(&S::Frame) -> bool,
) -> Result<Vec<S::Frame>, Fault> {
    let (mut found, mut others, mut unsound) = (Vec::new(), 0, None);
    for (offset, byte) in bytes.iter().map(Some).chain([None]).enumerate() {
        match byte {
            Some(byte) => scanner.push(&[*byte]),
            None => scanner.close_gap(),
        }
        while let Some(scanned) = scanner.next() {
            match scanned {
                Ok(frame) if is_answer(&frame) => found.push(frame),
                Ok(_) => others += 1,
                Err(FrameFault::BadChecksum) => unsound = unsound.or(Some(offset.min(bytes.len() - 1))),
                Err(FrameFault::Garbage(_)) => {}
            }
        }
    }
    match (found.is_empty(), unsound, others) {
        (false, ..) => Ok(found),
        (true, Some(offset), _) => {
            Err(Fault::at("bad-checksum", "the checksum is wrong: not a bit is trusted".to_owned(), offset))
        }
        (true, None, 0) => {
            Err(Fault::at("no-frame", "no frame begins and ends here: is the telegram whole?".to_owned(), 0))
        }
        (true, None, _) => Err(Fault::of("no-answer", "requests or acknowledgements only: a meter's answer is needed")),
    }
}

/// What both dialects' scanners do.
trait Scan {
    type Frame;
    fn push(&mut self, bytes: &[u8]);
    fn next(&mut self) -> Option<Result<Self::Frame, FrameFault>>;
    fn close_gap(&mut self);
}

macro_rules! scan {
    ($($tower:ident),+) => {$(
        impl Scan for $tower::Scanner {
            type Frame = $tower::Frame;
            fn push(&mut self, bytes: &[u8]) { self.push(bytes); }
            fn next(&mut self) -> Option<Result<Self::Frame, FrameFault>> { self.next() }
            fn close_gap(&mut self) { self.close_gap(); }
        }
    )+};
}
scan!(mbus, cjt188);

/// The dialogue, answered from the record.
fn replay(target: &Target, mut answers: VecDeque<Vec<u8>>) -> Answer {
    let mut exchange = Exchange::read(target);
    let mut reply = None;
    for _ in 0..STEPS {
        match exchange.poll() {
            Step::Send(request) => {
                reply = if is_preparation(&request) { Some(vec![ACKNOWLEDGE]) } else { answers.pop_front() }
            }
            Step::Await(_) => match reply.take() {
                Some(bytes) => exchange.handle_bytes(&bytes),
                None => exchange.handle_timeout(),
            },
            Step::Done(answer) => return answer,
        }
    }
    Answer::Lost(LineFault::Silent)
}

/// Whether an M-Bus master resets or selects with this, rather than asks.
fn is_preparation(request: &[u8]) -> bool {
    let mut scanner = mbus::Scanner::new();
    scanner.push(request);
    match scanner.next() {
        Some(Ok(mbus::Frame::Short { control, .. })) => control & mbus::control::KIND == mbus::control::SND_NKE,
        Some(Ok(mbus::Frame::Long { .. })) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use protocol::meter::Quantity;

    use super::*;

    /// Itron BM plus m, a cold water meter; recorded by the authors of libmbus.
    const WATER: &str = "683C3C680808727803491177040E160A0000000C7878034911041331D40000426C0000441300000000046D0B0BCD1302\
                         27000009FD0E0209FD0F060F00017513D316";
    /// A heat meter's answer as its maker published it.
    const HEAT: &str = "FEFEFEFEFEFEFEFEFEFEFE6820FFFFF130156920812E1F9001000000000560400500050000000017000000003583190000\
                        2C1419001519002800000315170503042000084D16";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    }

    #[test]
    fn an_m_bus_answer_is_recognised_and_read() {
        let (dialect, reading) = decode(&bytes(WATER), None, None).expect("a sound telegram");
        assert_eq!((dialect, reading.value(Quantity::Volume)), (Dialect::Mbus, Some(54_321_000)));
        assert!(reading.identity.starts_with("11490378"), "{}", reading.identity);
        assert_eq!(reading.raw, bytes(WATER));
    }

    #[test]
    fn a_cj_t_188_answer_is_recognised_and_read_whatever_its_serial_number() {
        let (dialect, reading) = decode(&bytes(HEAT), None, None).expect("a sound telegram");
        assert_eq!((dialect, reading.value(Quantity::SupplyTemp)), (Dialect::Cjt188, Some(19_140)));
        let mut other = bytes(HEAT);
        let serial = other.iter().position(|byte| *byte == 0x90).expect("DI") + 1;
        let end = other.len() - 2;
        *other.get_mut(serial).expect("SER") += 9;
        *other.get_mut(end).expect("CS") += 9;
        let (_, again) = decode(&other, None, None).expect("a sound telegram");
        assert_eq!((again.measurements, again.identity), (reading.measurements, reading.identity));
    }

    #[test]
    fn a_wrong_checksum_is_told_with_the_place_where_it_shows() {
        for telegram in [WATER, HEAT] {
            let mut wrong = bytes(telegram);
            let last = wrong.len() - 1;
            *wrong.get_mut(last - 1).expect("CS") ^= 1;
            let fault = decode(&wrong, None, None).expect_err("a wrong checksum");
            assert_eq!((fault.code, fault.offset), ("bad-checksum", Some(last)), "{fault}");
        }
    }

    #[test]
    fn noise_half_a_telegram_and_a_request_are_told_apart() {
        let code = |hex: &str| decode(&bytes(hex), None, None).expect_err("no answer").code;
        assert_eq!(code("0102030405"), "no-frame");
        assert_eq!(code("683C3C680808"), "no-frame");
        assert_eq!(code("105B015C16"), "no-answer");
    }
}
