#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| pushonce::fuzzing::policy_file::check(input));
