#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pushonce::fuzzing::request_target::check(input));
