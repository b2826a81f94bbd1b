//! The fuzzer of `fuzz::will`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::will(data));
