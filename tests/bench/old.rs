//! The program against an older build of it, which `CENT_BENCH_OLD` specifies.

use std::fs;

use crate::form::Form;
use crate::harness::{Cores, measure_interleaved};
use crate::{Bench, CHANNEL, Target, params, print_ratio, print_skipped, publish, publish_lines};

const OLD: &str = "CENT_BENCH_OLD";

/// A run of `--lines` takes a tenth of a second.
const ROUNDS: usize = 20;

impl Bench {
    pub(crate) fn against_old(&self) {
        let Ok(path) = std::env::var(OLD) else {
            return print_skipped("an older build", &format!("no {OLD}"));
        };
        let old = self.dir.path("old");
        fs::copy(path, &old).expect("the older build is copied");
        let old = old.display().to_string();
        for form in [Form::Signed, Form::Key] {
            self.one_call_against_old(&old, form);
            for lines in [10_000, 100_000] {
                self.lines_against_old(&old, form, lines);
            }
        }
    }

    fn one_call_against_old(&self, old: &str, form: Form) {
        const ROUNDS: usize = crate::single_call::ROUNDS;
        let mut stub = self.stub(form, Cores::All, &[]);
        let params = params(CHANNEL, 0);
        let [new, old] = [&self.cent, old].map(|cent| publish(cent, form, "ip", &params));
        let times = measure_interleaved(ROUNDS, self.timed(&new), self.timed(&old));
        stub.expect(2 * ROUNDS as u64, 2 * ROUNDS as u64, 2 * ROUNDS as u64);
        print_ratio(&format!("one call{}: times that of the older build", form.suffix()), &times, Target::AtMost(1.0));
    }

    fn lines_against_old(&self, old: &str, form: Form, lines: usize) {
        let mut stub = self.stub(form, Cores::All, &[]);
        let input = self.input(CHANNEL, lines);
        let [new, old] = [&self.cent, old].map(|cent| publish_lines(cent, form, &input, lines).discard_output());
        let times = measure_interleaved(ROUNDS, self.timed(&new), self.timed(&old));
        stub.expect_commands((2 * ROUNDS * lines) as u64, 2 * ROUNDS as u64);
        let name = format!("--lines, {lines} lines{}: times that of the older build", form.suffix());
        print_ratio(&name, &times, Target::AtMost(1.0));
    }
}
