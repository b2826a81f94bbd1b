//! The fuzzer of `fuzz::patch`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::patch(data));
