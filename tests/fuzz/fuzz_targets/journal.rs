#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cent_fuzz::journal(data));
