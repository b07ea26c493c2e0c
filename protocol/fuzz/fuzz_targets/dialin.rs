//! See the target of this name in `protocol_fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| protocol_fuzz::dialin(bytes));
