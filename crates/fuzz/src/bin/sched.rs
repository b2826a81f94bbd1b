//! The fuzzer of `fuzz::sched`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sched(data));
