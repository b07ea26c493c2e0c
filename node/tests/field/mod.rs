//! A gateway with M-Bus slaves behind it that answer to both kinds of address, overlaying each other as on the wire.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use protocol::mbus::frame::{Frame, SELECTED, Scanner, ci, control};
use protocol::mbus::header::{Header, Status, manufacturer};
use protocol::mbus::reply::{EnergyUnit, ReplyBuilder};
use protocol::mbus::selection::Selection;

/// One slave.
#[derive(Debug, Clone)]
struct Slave {
    primary: u8,
    header: Header,
    is_selected: bool,
}

/// A meter's identification in the digits of `primary`: 10000017 for 17.
pub fn id(primary: u8) -> u32 {
    u32::from_str_radix(&format!("10000{primary:03}"), 16).expect("digits")
}

impl Slave {
    fn new(primary: u8) -> Self {
        let (manufacturer, status) = (manufacturer(*b"ELS"), Status(0));
        let header = Header { id: id(primary), manufacturer, version: 1, medium: 4, access: 0, status };
        Self { primary, header, is_selected: false }
    }

    fn answer(&mut self, request: &Frame) -> Option<Vec<u8>> {
        match request {
            Frame::Long { address: SELECTED, ci: ci::SELECT, data, .. } => {
                self.is_selected = Selection::decode(data)?.matches(&self.header);
                self.is_selected.then(|| Frame::Ack.encode())
            }
            Frame::Short { control: kind, address } if kind & control::KIND == control::SND_NKE => {
                self.is_selected &= *address != SELECTED;
                (*address == self.primary).then(|| Frame::Ack.encode())
            }
            Frame::Short { address, .. } if *address == self.primary || (*address == SELECTED && self.is_selected) => {
                let energy = i64::from(self.primary) * 1_234;
                let builder = ReplyBuilder::new(&self.header).energy(EnergyUnit::KilowattHour, energy);
                Some(builder.frame(self.primary)?.encode())
            }
            _ => None,
        }
    }
}

/// Serves slaves at these primary addresses until the test ends; the port.
pub fn serve(primaries: impl IntoIterator<Item = u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let slaves: Vec<Slave> = primaries.into_iter().map(Slave::new).collect();
    let slaves = Arc::new(Mutex::new(slaves));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let slaves = Arc::clone(&slaves);
            std::thread::spawn(move || serve_one(stream, &slaves));
        }
    });
    port
}

fn serve_one(mut stream: TcpStream, slaves: &Mutex<Vec<Slave>>) {
    let (mut scanner, mut piece) = (Scanner::new(), [0; 256]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        scanner.push(piece.get(..count).expect("as much was read"));
        while let Some(frame) = scanner.next() {
            let Ok(frame) = frame else { continue };
            let mut slaves = slaves.lock().expect("no slave panics");
            let answers = slaves.iter_mut().filter_map(|slave| slave.answer(&frame));
            let line = answers.reduce(|line, answer| line.iter().zip(answer).map(|(one, other)| one & other).collect());
            if stream.write_all(&line.unwrap_or_default()).is_err() {
                return;
            }
        }
    }
}
