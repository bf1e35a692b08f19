//! The file: its format, its path, what happens when it is damaged or cannot be written.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Run, call, finish, run, run_until_done};
use crate::Current;
use crate::numbers::{lines, numbers, received};
use crate::support::cli::Cent;
use crate::support::server::{API_KEY, Server};

/// The journal without what differs in every run: address, id, times and digests.
fn without_random(text: &str) -> String {
    let without = |part: &str| match part {
        part if part.starts_with("http:") => "ADDRESS".to_owned(),
        part if part.len() >= 32 => "HEX".to_owned(),
        part if part.starts_with(':') => {
            part.replace(|c: char| c.is_ascii_digit(), "9").replace(":9999999999", ":TIME")
        }
        part => part.to_owned(),
    };
    text.split('"').map(without).collect::<Vec<_>>().join("\"")
}

#[test]
fn journal_is_json_lines_with_mode_0600() {
    let server = Current.server();
    let run = run(&server, &["publish", "-q"], &lines(1..=3), None);
    run.assert(0, "");
    let text = run.text();
    let (header, records) = text.split_once('\n').unwrap();
    let quoted = |text: &str| text.replace('\'', "\"");
    assert_eq!(
        without_random(header),
        quoted("{'cent_journal':9,'section':'bananas','address':'ADDRESS','method':'publish','id':'HEX'}")
    );
    let sent = "'time':TIME,'uptime':9,'machine':'HEX','repeat':'nothing'},'sha256':'HEX'}";
    let done = "'sha256':'HEX'}";
    assert_eq!(
        without_random(records).replace("9999", "9").replace("999", "9").replace("99", "9"),
        quoted(&format!(
            "{{'sent':{{'lines':'1-2',{sent}\n{{'done':{{'line':9,'replies':9}},{done}\n\
             {{'sent':{{'lines':'3',{sent}\n{{'done':{{'line':9,'replies':9}},{done}\n"
        ))
    );
    let metadata = fs::metadata(run.output.home.path().join("state")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    // As sha256sum prints it for the input.
    let digest = hex::encode(Sha256::digest(lines(1..=3)));
    assert!(text.ends_with(&format!("{{\"done\":{{\"line\":3,\"replies\":1}},\"sha256\":\"{digest}\"}}\n")), "{text}");
    assert!(!text.contains(API_KEY));
}

#[test]
fn journal_is_no_standard_stream() {
    let server = Current.server().expect_no_connection();
    let message = "cent: state: is also standard input, output or error; use another file for --journal\n";
    let empty = |cent: &Cent| File::options().read(true).append(true).create(true).open(cent.path("state")).unwrap();
    let input = call(Current, &server, &["publish"], &lines(1..=2), Some(b""));
    let state = empty(&input);
    let input = finish(input.stdin(state));
    assert_eq!((input.exit_code(), input.stderr().as_str(), input.journal.as_slice()), (2, message, &b""[..]));
    let output = call(Current, &server, &["publish"], &lines(1..=2), Some(b""));
    let state = empty(&output);
    let output = finish(output.stdout(state));
    assert_eq!((output.exit_code(), output.stderr().as_str(), output.journal.as_slice()), (2, message, &b""[..]));
}

#[test]
fn foreign_or_damaged_file_is_left_as_it_is() {
    let server = Current.server();
    let good = run(&server, &["publish", "-q"], &lines(1..=3), None);
    let requests = server.requests().len();
    let text = good.text();
    let foreign = "not a journal of cent; use another file for --journal";
    let damaged =
        |line| format!("line {line} is damaged; check which lines were sent, and use another file for --journal");
    for (content, problem) in [
        (b"hello".to_vec(), foreign.to_owned()),
        (b"channel,data\na,1\n".to_vec(), foreign.to_owned()),
        (b"\xff\xfe\n".to_vec(), foreign.to_owned()),
        (
            b"cent journal 1\nsection \"bananas\"\n".to_vec(),
            "a journal of format 1, and this cent reads and writes format 2; finish the job with the cent that wrote it, or \
             check which lines were sent, and use another file for --journal"
                .to_owned(),
        ),
        (
            text.replace("journal\":2", "journal\":3").into_bytes(),
            "a journal of format 3, and this cent reads and writes format 2; use the cent that wrote it".to_owned(),
        ),
        (
            text.replace("\"id\":\"", "\"id\":\"x").into_bytes(),
            "the header is damaged; check which lines were sent, and use another file for --journal".to_owned(),
        ),
        (text.replace("\"1-2\"", "\"1-x\"").into_bytes(), damaged(2)),
        (text.replace("\"1-2\"", "\"2-18446744073709551616\"").into_bytes(), damaged(2)),
        (text.replace("\"1-2\"", "\"1-18446744073709551615\"").into_bytes(), damaged(3)),
        (text.replace("\"line\":2", "\"line\":3").into_bytes(), damaged(3)),
        (text.replace("\"lines\":\"3\"", "\"lines\":\"2\"").into_bytes(), damaged(4)),
        ([text.as_bytes(), b"\n"].concat(), damaged(6)),
        ([text.as_bytes(), b"\xff\n"].concat(), damaged(6)),
    ] {
        let run = run(&server, &["publish"], &lines(1..=3), Some(&content));
        run.assert(2, &format!("cent: state: {problem}\n"));
        assert_eq!((&run.journal, server.requests().len()), (&content, requests));
    }
}

#[test]
fn unusable_paths_are_errors_before_sending() {
    let server = Current.server().expect_no_connection();
    let run = |path: &str| {
        let cent = Current.cent(&server).args(&["bananas", "publish", "--lines", "--journal", path]);
        fs::create_dir(cent.path("dir")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(cent.path("fifo")).status().unwrap();
        assert!(fifo.success());
        cent.stdin_bytes(lines(1..=3)).run()
    };
    let another = "is not a regular file; use another file for --journal";
    for (path, problem) in [
        ("dir", "is a directory; add the name of a file for --journal"),
        ("fifo", another),
        ("/dev/null", another),
        ("/dev/full", another),
        ("missing/state", "cannot open the journal for writing: no such file or directory"),
        (".centrc/state", "cannot open the journal: not a directory"),
    ] {
        run(path).assert_output(2, "", &format!("cent: {path}: {problem}\n"));
    }
    run("").assert_output(2, "", "cent: --journal: missing file name\n");
}

#[test]
fn dry_run_neither_reads_nor_makes_journal() {
    let server = Current.server().expect_no_connection();
    for journal in [None, Some(&b"not a journal"[..])] {
        let run = run(&server, &["publish", "-n", "--idempotent"], &lines(1..=2), journal);
        let summary = "cent: dry run: 2 commands in 1 request, nothing sent; the idempotency keys are examples; the journal \
                       was not read: these are all lines\n";
        run.assert(0, summary);
        assert_eq!(run.output.stdout().matches("POST ").count(), 1);
        assert_eq!(run.output.home.path().join("state").exists(), journal.is_some());
        assert_eq!(run.journal, journal.unwrap_or_default());
    }
}

#[test]
fn journal_in_use_is_an_error() {
    let server = Current.server().expect_no_connection();
    let cent = call(Current, &server, &["publish"], &lines(1..=3), Some(b""));
    let other = File::open(cent.path("state")).unwrap();
    other.lock().unwrap();
    let run = finish(cent);
    run.assert(2, "cent: state: another run uses this journal; wait until it ends\n");
    assert_eq!(run.journal, b"");
}

#[test]
fn tilde_is_the_home_directory() {
    let server = Current.server();
    let args = ["bananas", "publish", "--lines", "--journal=~/state", "-q"];
    finish(Current.cent(&server).args(&args).stdin_bytes(lines(1..=1))).assert(0, "");
    let run = finish(Current.cent(&server).args(&args).stdin_bytes(lines(1..=1)));
    assert!(run.text().starts_with("{\"cent_journal\":2,"));
}

/// A call whose files can have so many blocks of 512 bytes.
fn limited(blocks: usize, server: &Server, args: &[&str]) -> Run {
    let script = format!("ulimit -f {blocks}; exec \"$@\"");
    let cent = call(Current, server, args, &lines(1..=20), None).run_under(&["sh", "-c", &script, "sh"]);
    let input = File::open(cent.path("input")).unwrap();
    finish(cent.stdin(input))
}

#[test]
fn full_disk_is_an_error_before_sending() {
    let server = Current.server().expect_no_connection();
    limited(0, &server, &["publish"]).assert(2, "cent: state: cannot write the journal: file too large\n");
}

#[test]
fn disk_that_fills_up_ends_run_after_request() {
    // The record of the seventh request does not fit.
    let server = Current.server();
    let first = limited(4, &server, &["publish", "--idempotent"]);
    first.assert(
        5,
        "cent: state: cannot write the journal: file too large\n\
         cent: lines 1-12 done; line 13 onwards not accepted: run the same command again\n",
    );
    assert_eq!((received(&server), first.output.stdout().lines().count()), (numbers(1..=12), 12));
    assert!(first.text().ends_with('\n'));
    assert_eq!(run_until_done(Current, &server, &["publish"], &lines(1..=20), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=20));

    // That the third request was answered does not fit.
    let server = Current.server();
    let first = limited(2, &server, &["publish", "--idempotent"]);
    first.assert(
        4,
        "cent: state: cannot write the journal: file too large\n\
         cent: lines 1-4 done; lines 5-6 may have been executed: run the same command again within 3 minutes; line 7 \
         onwards not accepted\n",
    );
    assert_eq!((received(&server), first.output.stdout().lines().count()), (numbers(1..=6), 4));
    assert_eq!(run_until_done(Current, &server, &["publish", "--idempotent"], &lines(1..=20), Some(first.journal)), 1);
    assert_eq!(received(&server), numbers(1..=20));
}

/// Does this to the journal while a run waits for input, after its first two lines.
fn disturbed(disturb: impl Fn(&Path)) -> (i32, String, Vec<usize>) {
    let server = Current.server();
    let cent = call(Current, &server, &["publish", "--idempotent"], "", None);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (mut child, home) = cent.spawn_with(reader, std::process::Stdio::piped(), std::process::Stdio::piped());
    writer.write_all(lines(1..=2).as_bytes()).unwrap();
    // The reply is printed after the record.
    let mut reply = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut reply).unwrap();
    disturb(&home.path().join("state"));
    writer.write_all(lines(3..=4).as_bytes()).unwrap();
    drop(writer);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (child.wait().unwrap().code().unwrap(), stderr, received(&server))
}

type Disturb = fn(&Path);

#[test]
fn journal_that_is_not_the_same_file_any_more_ends_run() {
    let copy = |path: &Path| {
        fs::copy(path, path.with_extension("copy")).unwrap();
        fs::rename(path.with_extension("copy"), path).unwrap();
    };
    let cases: [(&str, Disturb); 5] = [
        ("removed or renamed", |path| fs::remove_file(path).unwrap()),
        ("removed or renamed", |path| fs::rename(path, path.with_extension("old")).unwrap()),
        ("replaced by another file", copy),
        ("shortened", |path| fs::write(path, "").unwrap()),
        ("written by another program", |path| {
            File::options().append(true).open(path).unwrap().write_all(b"\n").unwrap();
        }),
    ];
    for (change, disturb) in cases {
        let (exit, stderr, received) = disturbed(disturb);
        let error = "during the run; check which lines were sent before you use another file";
        let summary =
            "lines 1-2 done; line 3 onwards not accepted: resume with tail -n +3 and another file for --journal";
        assert_eq!(stderr, format!("cent: state: the journal was {change} {error}\ncent: {summary}\n"));
        assert_eq!((exit, received), (5, numbers(1..=2)));
    }
}

#[test]
fn journal_is_no_standard_input() {
    let server = Current.server().expect_no_connection();
    let args = ["bananas", "publish", "--lines", "--journal=-"];
    let output = Current.cent(&server).args(&args).stdin_bytes(lines(1..=1)).run();
    output.assert_output(2, "", "cent: --journal: - is not a file; use the name of one, such as ./state\n");
}
