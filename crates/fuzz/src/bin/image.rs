//! The fuzzer of `fuzz::image`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::image(data));
