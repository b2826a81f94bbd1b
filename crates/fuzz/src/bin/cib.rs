//! The fuzzer of `fuzz::cib`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::cib(data));
