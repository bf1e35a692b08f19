//! KEY=VALUE with `--lines`: the journal knows the params of all lines, but not their values.

use super::run;
use crate::Current;

const ARGS: [&str; 3] = ["publish", "channel=plain:a", "data@-"];

#[test]
fn fixed_params_belong_to_the_job() {
    let server = Current.server();
    let first = run(&server, &ARGS, "a\n\nb\n", None);
    first.assert(0, "cent: 2 commands accepted\n");
    let header = first.text();
    let header = header.lines().next().unwrap_or_default();
    assert!(header.contains(r#","params":{"keys":["channel","data@-"],"sha256":""#), "{header}");
    assert!(!header.contains("plain:a"), "{header}");
    run(&server, &ARGS, "a\n\nb\nc\n", Some(&first.journal))
        .assert(0, "cent: 1 command accepted; in all runs: 3 accepted\n");
    assert_eq!(server.centrifugo().messages_as_text("plain:a"), ["\"a\"", "\"b\"", "\"c\""]);
    let hint = "repeat the command as it was; another file for --journal would send all lines again";
    for (args, difference) in [
        (&["publish", "channel=plain:b", "data@-"][..], "other values of channel data@-"),
        (&["publish", "channel=plain:a", "data:@-"], "channel data@-, not channel data:@-"),
        (&["publish"], "channel data@-, not no KEY=VALUE"),
    ] {
        let message = format!("cent: state: the journal is for {difference}; {hint}\n");
        run(&server, args, "a\n\nb\n", Some(&first.journal)).assert(2, &message);
    }
}
