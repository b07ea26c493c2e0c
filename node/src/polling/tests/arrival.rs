//! What counts as having come in time: beside the deadline, the dialogue's limit, and a runtime that wakes late.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use protocol::dialin::{Pattern, Sifted};
use protocol::exchange::{Answer, Exchange, LineFault, Target, Timing};
use protocol::meter::{Address, LineId};
use protocol::profile::Catalogue;
use raft_store::state::UnixMillis;
use raft_store::state::registry::Endpoint;

use super::channels::{answers, mbus, server};
use super::field::{Field, Sim, Terminal};
use super::rig::{ME, Rig, reason, soon};
use crate::clock::wall_now;
use crate::polling::dialogue::{Ending, Talk, Terms, Turn, converse};
use crate::polling::permit::{Denied, Permit};
use crate::polling::recorded::Recorded;
use crate::polling::transport::{Link, timing};
use crate::polling::watchdog::Descriptors;
use crate::trace::Asker;

/// A deadline, and an answer time that is over only after it.
const DEADLINE_MS: u64 = 300;
const ANSWER_MS: u32 = 400;

/// A line that is held, without a task.
struct Wire {
    rig: Rig,
    line: LineId,
    link: Link,
    permit: Permit,
    timing: Timing,
    limit: Duration,
}

impl Wire {
    fn new(endpoint: Endpoint, extra_answer_ms: u32) -> Self {
        let rig = Rig::new(|_| {}).with_lease();
        let line = rig.town.add_line(endpoint, |spec| (spec.extra_answer_ms, spec.repeats) = (extra_answer_ms, 2));
        rig.town.assign(line, ME);
        let spec = Arc::new(rig.town.applied.borrow().state.registry.lines[&line].spec.clone());
        let timing = timing(&spec);
        let (config, units) = (Arc::new(rig.config.clone()), rig.units.clone());
        let link = Link::new(spec, config, rig.metrics.clone(), Descriptors::default(), units);
        let (lease, applied, epoch) = (rig.lease.clone(), rig.town.applied.subscribe(), rig.town.epoch(line));
        let permit = Permit { lease, applied, node: ME, line, epoch, margin: Duration::from_secs(1) };
        Self { rig, line, link, permit, timing, limit: Duration::from_secs(60) }
    }

    fn reading(&self) -> Recorded {
        let catalogue = Catalogue::builtin();
        let target = Target { address: Address::MbusPrimary(1), timing: self.timing, profile: None, catalogue };
        Recorded::new(Sifted::new(Exchange::read(&target), Vec::new()))
    }

    async fn carry<T: Talk>(&mut self, talk: &mut T, deadline: Option<UnixMillis>) -> Ending<T::Answer> {
        let voice = self.rig.traces.voice(self.line, Asker::Nobody);
        let terms = Terms { permit: &self.permit, timing: self.timing, deadline, limit: self.limit, voice };
        soon(converse(self.link.open().await.expect("it is served"), talk, &terms)).await
    }

    async fn read(&mut self, deadline: Option<UnixMillis>) -> Ending {
        let mut talk = self.reading();
        self.carry(&mut talk, deadline).await
    }
}

/// What was asked, question by question.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

impl Heard {
    /// The second byte of each: 40 resets, 7B and 5B ask.
    fn controls(&self) -> Vec<u8> {
        self.0.lock().unwrap().iter().map(|request| request[1]).collect()
    }
}

/// A gateway that first says `hello`, once that is said tells so, and then answers with what `answer` makes of a request.
fn gateway(
    hello: &'static [u8],
    answer: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + 'static,
) -> (Endpoint, Heard, mpsc::Receiver<TcpStream>) {
    let (heard, (said, greeted)) = (Heard::default(), mpsc::channel());
    let noted = heard.clone();
    let (host, port) = server(move |_, mut stream| {
        stream.write_all(hello).unwrap();
        said.send(stream.try_clone().unwrap()).unwrap();
        let (noted, answer) = (noted.clone(), answer.clone());
        thread::spawn(move || {
            answers(stream, |request| {
                noted.0.lock().unwrap().push(request.to_vec());
                answer(request)
            });
        });
    });
    (Endpoint::Tcp { host, port }, heard, greeted)
}

fn spoilt(request: &[u8]) -> Vec<u8> {
    let mut answer = mbus(request, 4711);
    if let [.., sum, _] = &mut answer[..] {
        *sum ^= 0x5A;
    }
    answer
}

fn after(deadline: UnixMillis) {
    while wall_now() <= deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn an_answer_asked_for_in_time_is_taken_though_it_comes_after_the_deadline() {
    let deadline = wall_now().plus(DEADLINE_MS);
    let (endpoint, heard, _said) = gateway(b"", move |request| {
        if request[1] != 0x40 {
            after(deadline);
        }
        mbus(request, 4711)
    });
    let ending = Wire::new(endpoint, ANSWER_MS).read(Some(deadline)).await;
    assert!(matches!(ending, Ending::Answered(Answer::Reading(_))), "{ending:?}");
    assert_eq!(heard.controls(), [0x40, 0x7B]);
}

#[tokio::test]
async fn a_repeat_that_the_deadline_denies_is_not_asked_and_the_meter_has_not_answered() {
    let (endpoint, heard, _said) = gateway(b"", |_| Vec::new());
    let ending = Wire::new(endpoint, ANSWER_MS).read(Some(wall_now().plus(DEADLINE_MS))).await;
    assert!(matches!(ending, Ending::Answered(Answer::Lost(LineFault::Silent))), "{ending:?}");
    assert_eq!(heard.controls(), [0x40]);
}

#[tokio::test]
async fn what_was_heard_is_the_reason_where_the_deadline_denies_the_repeat() {
    let (endpoint, heard, _said) = gateway(b"", spoilt);
    let ending = Wire::new(endpoint, ANSWER_MS).read(Some(wall_now().plus(DEADLINE_MS))).await;
    assert!(matches!(ending, Ending::Answered(Answer::Lost(LineFault::BadChecksum))), "{ending:?}");
    assert_eq!(heard.controls(), [0x40, 0x7B]);
}

#[tokio::test]
async fn what_was_heard_is_the_reason_also_where_the_lease_ends_and_silence_is_not() {
    for (answer, fault) in [(spoilt as fn(&[u8]) -> Vec<u8>, Some(LineFault::BadChecksum)), (|_| Vec::new(), None)] {
        let (endpoint, _heard, _said) = gateway(b"", answer);
        let mut wire = Wire::new(endpoint, ANSWER_MS);
        // Before the first answer time is over.
        wire.permit.lease = crate::cluster::lease::Lease::default();
        wire.permit.lease.renew(crate::clock::Moment::now(), Duration::from_millis(1_000 + DEADLINE_MS));
        match (wire.read(None).await, fault) {
            (Ending::Answered(Answer::Lost(lost)), Some(fault)) => assert_eq!(lost, fault),
            (Ending::Denied(Denied::NoLease, true), None) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_next_question_that_the_deadline_denies_makes_no_silence_of_the_answer_before() {
    let deadline = wall_now().plus(DEADLINE_MS);
    let (endpoint, heard, _said) = gateway(b"", move |request| {
        after(deadline);
        mbus(request, 4711)
    });
    let ending = Wire::new(endpoint, ANSWER_MS).read(Some(deadline)).await;
    assert!(matches!(ending, Ending::Denied(Denied::TooLate, true)), "{ending:?}");
    assert_eq!(heard.controls(), [0x40]);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_asked_and_nothing_that_came_is_thrown_away() {
    let (endpoint, heard, said) = gateway(b"\xE5", |_| Vec::new());
    let mut wire = Wire::new(endpoint, ANSWER_MS);
    wire.link.open().await.expect("it is served");
    said.recv().unwrap();
    // The runtime is told of what came.
    tokio::task::yield_now().await;
    let ending = wire.read(Some(UnixMillis(wall_now().0 - 1))).await;
    assert!(matches!(ending, Ending::Denied(Denied::TooLate, false)), "{ending:?}");
    let channel = wire.link.open().await.expect("it is served");
    assert_eq!(channel.read(Duration::from_secs(5)).await.unwrap(), b"\xE5");
    assert!(heard.controls().is_empty());
}

#[tokio::test]
async fn what_came_before_the_question_is_no_answer_to_it_though_the_runtime_was_not_told_of_it() {
    let (endpoint, heard, said) = gateway(b"", |_| Vec::new());
    let mut wire = Wire::new(endpoint, 0);
    wire.link.open().await.expect("it is served");
    // The runtime has no turn between this and the question.
    said.recv().unwrap().write_all(b"\xE5").unwrap();
    let ending = wire.read(None).await;
    assert!(matches!(ending, Ending::Answered(Answer::Lost(LineFault::Silent))), "{ending:?}");
    assert_eq!(heard.controls(), [0x40; 3], "the meter was never reset, and was not asked more");
}

/// Bytes that come after the runtime looked what has come, and before it sees that a time is over.
#[derive(Clone, Default)]
struct Late(Arc<Mutex<Option<Coming>>>);

/// When, and who writes them.
type Coming = (Instant, Box<dyn FnOnce() + Send>);

impl Late {
    fn due(&self, at: Instant, bytes: impl FnOnce() + Send + 'static) {
        *self.0.lock().unwrap() = Some((at, Box::new(bytes)));
    }

    /// Called when the runtime has looked, before any task has its turn.
    fn come(&self) {
        let due = self.0.lock().unwrap().take_if(|(at, _)| Instant::now() >= *at);
        if let Some((_, bytes)) = due {
            bytes();
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let late = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().on_thread_unpark(move || late.come()).build().unwrap();
        runtime.block_on(future)
    }
}

/// A read, watched from inside.
struct Watched<F> {
    talk: Recorded,
    /// Told of every turn, with the bytes of a question or how long is waited, and with whether bytes just came.
    watch: F,
    came: bool,
}

impl<F: FnMut(&Turn<Answer>, bool)> Talk for Watched<F> {
    type Answer = Answer;

    fn poll(&mut self) -> Turn<Answer> {
        let turn = self.talk.poll();
        (self.watch)(&turn, std::mem::take(&mut self.came));
        turn
    }

    fn handle_bytes(&mut self, bytes: &[u8], waited: Duration) {
        self.came = true;
        self.talk.handle_bytes(bytes, waited);
    }

    fn handle_timeout(&mut self) {
        self.talk.handle_timeout();
    }

    fn handle_gap(&mut self) {
        self.talk.handle_gap();
    }

    fn is_listening(&self) -> bool {
        self.talk.is_listening()
    }

    fn expect(&mut self, words: Vec<Pattern>) {
        self.talk.expect(words);
    }

    fn give_up(&mut self, heard: bool) -> Answer {
        self.talk.give_up(heard)
    }

    fn cut_short(&mut self, silent: bool) -> Option<Answer> {
        self.talk.cut_short(silent)
    }
}

#[test]
fn an_answer_that_lies_in_the_channel_when_the_runtime_wakes_late_is_taken() {
    let late = Late::default();
    let ending = late.block_on(async {
        let (endpoint, heard, said) =
            gateway(b"", |request| if request[1] == 0x40 { mbus(request, 4711) } else { Vec::new() });
        let mut wire = Wire::new(endpoint, 50);
        wire.link.open().await.expect("it is served");
        let (mut stream, mut is_read) = (Some(said.recv().unwrap()), false);
        let watch = |turn: &Turn<Answer>, _| match turn {
            Turn::Send(bytes) => is_read = bytes[1] != 0x40,
            Turn::Await(wait) if is_read => {
                let Some(mut stream) = stream.take() else { return };
                late.due(Instant::now() + *wait, move || {
                    stream.write_all(&mbus(&[0x10, 0x7B, 1, 0x7C, 0x16], 4711)).unwrap();
                });
            }
            Turn::Await(_) | Turn::Done(_) => {}
        };
        let mut talk = Watched { talk: wire.reading(), watch, came: false };
        let ending = wire.carry(&mut talk, None).await;
        assert_eq!(heard.controls(), [0x40, 0x7B], "it is not asked again");
        ending
    });
    assert!(matches!(ending, Ending::Answered(Answer::Reading(_))), "{ending:?}");
}

#[test]
fn a_telegram_whose_end_lies_in_the_port_when_the_runtime_wakes_late_has_no_pause() {
    let late = Late::default();
    let ending = late.block_on(async {
        let Terminal { path, mut master, slave } = Terminal::open();
        let (first, rest) = {
            let telegram = mbus(&[0x10, 0x7B, 1, 0x7C, 0x16], 4711);
            let (first, rest) = telegram.split_at(telegram.len() / 2);
            (first.to_vec(), rest.to_vec())
        };
        let mut wire = Wire::new(Endpoint::Serial { path }, ANSWER_MS);
        let timing = wire.timing;
        let gap = wire.link.open().await.expect("a port").longest_gap(&timing).expect("a port shows gaps");
        let mut parts = vec![(rest, true), (first, false), (b"\xE5".to_vec(), false)];
        let watch = |turn: &Turn<Answer>, came: bool| {
            let at = Instant::now() + if came { gap } else { Duration::ZERO };
            if let (Turn::Await(_), Some((part, is_late))) = (turn, parts.last().cloned())
                && is_late == came
            {
                parts.pop();
                let (mut master, slave) = (master.try_clone().unwrap(), slave.try_clone().unwrap());
                late.due(at, move || {
                    master.write_all(&part).unwrap();
                    // What is written at this end is at the other once the kernel has found time for it.
                    while rustix::io::ioctl_fionread(slave.as_fd()).unwrap() == 0 {
                        thread::yield_now();
                    }
                });
            }
        };
        let mut talk = Watched { talk: wire.reading(), watch, came: false };
        let ending = wire.carry(&mut talk, None).await;
        master.flush().unwrap();
        ending
    });
    assert!(matches!(ending, Ending::Answered(Answer::Reading(_))), "{ending:?}");
}

/// Takes longer than its limit over the answer it gets.
struct Slow {
    asked: bool,
    answered: bool,
    limit: Duration,
}

impl Talk for Slow {
    type Answer = bool;

    fn poll(&mut self) -> Turn<bool> {
        match (std::mem::replace(&mut self.asked, true), self.answered) {
            (false, _) => Turn::Send(vec![0x10, 0x40, 1, 0x41, 0x16]),
            (true, false) => Turn::Await(self.limit * 2),
            (true, true) => Turn::Done(true),
        }
    }

    fn handle_bytes(&mut self, _bytes: &[u8], _waited: Duration) {
        self.answered = true;
        thread::sleep(self.limit);
    }

    fn handle_timeout(&mut self) {}

    fn handle_gap(&mut self) {}

    fn give_up(&mut self, _heard: bool) -> bool {
        false
    }
}

#[tokio::test]
async fn an_answer_that_came_before_the_dialogue_s_limit_is_taken_after_it() {
    let (endpoint, _heard, _said) = gateway(b"", |request| mbus(request, 4711));
    let mut wire = Wire::new(endpoint, 0);
    wire.limit = Duration::from_millis(300);
    let mut talk = Slow { asked: false, answered: false, limit: wire.limit };
    let ending = wire.carry(&mut talk, None).await;
    assert!(matches!(ending, Ending::Answered(true)), "{ending:?}");
}

#[tokio::test]
async fn a_slot_whose_end_denies_the_repeat_is_missed_by_the_meter_and_not_for_want_of_time() {
    let mut rig = Rig::new(|_| {}).with_lease();
    let field = Field::new([(1, Sim { mute: true, ..Sim::new(10) })]);
    // What is asked late in one slot is waited for into the next, where there is time for the next question.
    let line = rig.town.add_line(field.serve_tcp(0), |spec| (spec.extra_answer_ms, spec.repeats) = (1_200, 2));
    let meter = rig.town.add_meter(line, Address::MbusPrimary(1), 2);
    rig.town.assign(line, ME);
    rig.start();
    // The first slot may have begun long before its line.
    let records = rig.records(2, |r| r.meter == meter.0).await;
    assert_eq!((reason(&records[1]), records[1].attempts), ("no-answer", 1));
}
