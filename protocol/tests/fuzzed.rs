//! The fuzzers' targets over their corpus and a bounded number of changed inputs: the same promises, without a fuzzer.
#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::panic, reason = "tests read files")]

#[path = "../fuzz/src/lib.rs"]
mod protocol_fuzz;

use std::path::PathBuf;

use protocol_fuzz::{TARGETS, Try};

/// Changed inputs for each target.
const CHANGED: u32 = 20_000;

/// The corpus of a target, in the order of its names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// The same numbers every time (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// An input of the corpus with a few bytes changed, inserted, dropped, or another's end behind its front.
fn changed(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() + 1);
        match dice.below(5) {
            0 if at < input.len() => input[at] ^= 1 << dice.below(8),
            1 if at < input.len() => drop(input.remove(at)),
            2 => {
                let other = &corpus[dice.below(corpus.len())];
                input.truncate(at);
                input.extend(&other[dice.below(other.len())..]);
            }
            3 if at < input.len() => input[at] = dice.below(256) as u8,
            _ => input.insert(at, [0x00, 0x10, 0x16, 0x68, 0x7B, 0xE5, 0xFE, 0xFF][dice.below(8)]),
        }
    }
    input
}

fn hold(target: &str, promise: Try) {
    let corpus = corpus(target);
    assert!(corpus.len() > 5, "the corpus of {target} is all but empty");
    corpus.iter().for_each(|input| promise(input));
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    (0..CHANGED).for_each(|_| promise(&changed(&corpus, &mut dice)));
}

#[test]
fn what_the_fuzzers_hold_is_held_over_their_corpus_and_beyond() {
    TARGETS.into_iter().for_each(|(target, promise)| hold(target, promise));
}
