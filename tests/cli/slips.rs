//! Typing errors in every option, method, param and key of the config file: none sends a request that was not meant, none
//! exits with 0, and a hint that shows what to type works when it is typed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cent::{ApiVersion, Method, Param, ParamType};

use crate::support::cli::{Cent, CentOutput, cent};
use crate::support::server::{API_KEY, Server};

/// A command line with an error, and what was meant.
#[derive(Clone)]
struct Slip {
    typed: Vec<String>,
    meant: Vec<String>,
    /// The index of the word with the error, if it is one word.
    index: Option<usize>,
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Replaces the word at this index by other ones.
fn slip(meant: &[String], index: usize, typed: &[&str]) -> Slip {
    let mut words = meant.to_vec();
    words.splice(index..=index, typed.iter().map(|word| (*word).to_owned()));
    Slip { typed: words, meant: meant.to_vec(), index: Some(index) }
}

/// The name with a letter dropped, doubled, and swapped with its neighbor; near the beginning and near the end.
fn misspellings(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut found = Vec::new();
    for index in [1, letters.len().saturating_sub(2)] {
        let (mut dropped, mut doubled, mut swapped) = (letters.clone(), letters.clone(), letters.clone());
        dropped.remove(index);
        doubled.insert(index, letters[index]);
        swapped.swap(index, index + usize::from(index + 1 < letters.len()));
        found.extend([dropped, doubled, swapped].map(String::from_iter));
    }
    found.retain(|typed| typed != name);
    found.sort_unstable();
    found.dedup();
    found
}

/// The options, and a value of those that take one.
const OPTIONS: [(&str, Option<&str>); 20] = [
    ("params", Some("{}")),
    ("config", Some(".centrc")),
    ("timeout", Some("5")),
    ("retry", Some("1")),
    ("idempotent", None),
    ("lines", None),
    ("batch", Some("5")),
    ("unordered", None),
    ("journal", Some("state")),
    ("unknown", Some("send")),
    ("check", None),
    ("compact", None),
    ("quiet", None),
    ("verbose", None),
    ("dry-run", None),
    ("color", Some("never")),
    ("sections", None),
    ("completions", Some("bash")),
    ("help", None),
    ("version", None),
];

fn option_slips() -> Vec<Slip> {
    let mut slips = Vec::new();
    for (name, value) in OPTIONS {
        let attached = value.map(|value| format!("={value}")).unwrap_or_default();
        let mut meant = words("live publish channel=news data=hello");
        meant.push(format!("--{name}{attached}"));
        let mut typed: Vec<String> = misspellings(name).iter().map(|typed| format!("--{typed}{attached}")).collect();
        typed.extend(["-", "—", "–", "---", ""].map(|dashes| format!("{dashes}{name}{attached}")));
        if name.contains('-') {
            typed.push(format!("--{}{attached}", name.replace('-', "_")));
        }
        if let Some(value) = value {
            typed.push(format!("--{name}:{value}"));
            typed.push(format!("--{name}="));
        } else {
            typed.push(format!("--{name}=yes"));
        }
        slips.extend(typed.iter().map(|typed| slip(&meant, 4, &[typed])));
    }
    slips
}

/// A valid value, and how it is typed after the key.
fn value(param: &Param) -> (&'static str, &'static str) {
    match param.param_type {
        ParamType::String | ParamType::NonEmptyString => ("=", "abc"),
        ParamType::Boolean => (":=", "true"),
        ParamType::Strings | ParamType::NonEmptyStrings => (":=", r#"["a","b"]"#),
        ParamType::Any => ("=", "hello"),
        ParamType::StringMap => (":=", r#"{"a":"b"}"#),
        ParamType::Position => (":=", r#"{"offset":5,"epoch":"x"}"#),
        ParamType::Object(example) => (":=", example),
        _ => (":=", "10"),
    }
}

/// A call with the required params and this one, which is the last word.
fn call_with(method: &Method, param: &Param) -> Vec<String> {
    let argument = |param: &Param| {
        let (operator, value) = value(param);
        format!("{}{operator}{value}", param.name)
    };
    let others = method.params.iter().filter(|other| other.is_required(ApiVersion::V2) && other.name != param.name);
    let names = ["live", method.name].map(str::to_owned).into_iter();
    names.chain(others.map(argument)).chain([argument(param)]).collect()
}

fn param_slips() -> Vec<Slip> {
    let mut slips = Vec::new();
    for method in Method::all().iter().filter(|method| !method.is_pro && method.versions(ApiVersion::V2).is_some()) {
        for param in method.params_in(ApiVersion::V2) {
            let meant = call_with(method, param);
            let (index, name, (operator, value)) = (meant.len() - 1, param.name, value(param));
            let mut typed: Vec<Vec<String>> = Vec::new();
            let is_other = |typed: &String| method.params.iter().any(|other| other.name == *typed);
            // "dlta" is as near to data as to delta.
            let misspelled = misspellings(name).into_iter().filter(|typed| !is_other(typed) && typed != "dlta");
            typed.extend(misspelled.map(|misspelled| vec![format!("{misspelled}{operator}{value}")]));
            if name.contains('_') {
                typed.extend(["-", ""].map(|between| vec![format!("{}{operator}{value}", name.replace('_', between))]));
            }
            typed.push(vec![format!("--{name}={value}")]);
            if name != "params" {
                // That is rather the option.
                typed.push(vec![format!("-{name}={value}")]);
            }
            typed.push(vec![format!("--{name}"), value.to_owned()]);
            typed.push(vec![format!("{name}:{value}")]);
            typed.push(vec![name.to_owned(), operator.to_owned(), value.to_owned()]);
            typed.push(vec![name.to_owned(), value.to_owned()]);
            typed.push(vec![format!("{name}{operator}"), value.to_owned()]);
            typed.push(vec![format!("{name}:=")]);
            typed.push(vec![format!("{name}{operator}{value}\r")]);
            match param.param_type {
                ParamType::String | ParamType::NonEmptyString => {
                    typed.push(vec![format!("{name}=={value}")]);
                    typed.push(vec![format!("{name}=\"{value}\"")]);
                    typed.push(vec![format!("{name}:={value}")]);
                    typed.push(vec![format!("{name}[]={value}")]);
                }
                ParamType::Any => {
                    let mut meant = meant.clone();
                    meant[index] = format!("{name}[a]={value}");
                    slips.push(slip(&meant, index, &[&format!("{name}.a={value}")]));
                }
                _ => typed.push(vec![format!("{name}={value}")]),
            }
            slips.extend(
                typed.iter().map(|typed| slip(&meant, index, &typed.iter().map(|word| &**word).collect::<Vec<_>>())),
            );
        }
        // Variables that are unset.
        for param in method.params_in(ApiVersion::V2) {
            if ["channel", "user", "client", "session", "idempotency_key"].contains(&param.name) {
                let meant = call_with(method, param);
                slips.push(slip(&meant, meant.len() - 1, &[&format!("{}=", param.name)]));
            }
        }
    }
    slips
}

/// Words in a wrong place, empty, or of other programs.
fn word_slips() -> Vec<Slip> {
    let meant = words("live publish channel=news data=hello");
    let whole = |typed: &str| Slip { typed: words(typed), meant: meant.clone(), index: None };
    let mut slips: Vec<Slip> = [
        "publish live channel=news data=hello",
        "publish channel=news data=hello",
        "live channel=news data=hello publish",
        "live channel=news publish data=hello",
        "channel=news live publish data=hello",
        "channel=news data=hello live publish",
        "live publish news hello",
        "live publish",
        "live",
        "publish",
        "lvie publish channel=news data=hello",
        "Live publish channel=news data=hello",
        "live\r publish channel=news data=hello",
        "live publish\r",
        "live  channel=news data=hello",
        " publish channel=news data=hello",
        "live help",
        "live version",
        "live check",
        "live list",
        "live sections",
        "live completions",
        "help",
        "help publish",
        "http://localhost:8000 publish channel=news data=hello",
        "live publish channel=news data[0]=a data[1]=b",
        "live publish channel=news data:=@file.json",
        "live publish channel=news data.title=hello",
        "live publish channel=news data:={title:hello}",
        "live publish channel=news data=hello world",
        "live publish {\"channel\":\"news\",\"data\":1}",
        "live publish @news.json",
        "live publish --params=channel=news",
        "live publish --params=",
        "live publish --params={\"channel\":\"\",\"data\":1}",
        "live disconnect --params={\"user\":null}",
        "live broadcast channels=a,b data=hello",
        "live broadcast channels[]= data=hello",
        "live publish -d hello",
        "live publish -t news -m hello",
        "live publish -k channel=news data=hello",
        "live publish -H X-A:b channel=news data=hello",
        "live publish -o json channel=news data=hello",
        "live publish -hc channel=news data=hello",
        "live publish -ql=x channel=news data=hello",
        "live publish -pfile.json",
        "-h localhost -t news -m hello",
        "--context live publish channel=news data=hello",
        "--profile=live publish channel=news data=hello",
        "--url http://localhost live publish",
        "live publish channel=news data=hello --timeout=5x",
        "live publish channel=news data=hello --timeout=0",
        "live publish channel=news data=hello --retry=-1",
        "live publish channel=news data=hello --color=yes",
        "live publish --lines news.jsonl",
        "live publish -- channel=news data=hello --quiet",
    ]
    .into_iter()
    .map(whole)
    .collect();
    slips.push(Slip { typed: vec!["live".into(), "publish".into(), "channel=news data=hello".into()], ..whole("x") });
    slips.push(Slip { typed: vec!["live".into(), "history".into(), "channel=news limit:=10".into()], ..whole("x") });
    slips
}

fn config(server: &Server) -> String {
    format!("[live]\naddress = {}\napi_key = {API_KEY}\ntimeout = 5\n", server.address())
}

fn run(server: &Server, args: &[String]) -> CentOutput {
    let mut cent: Cent = cent().config(config(server));
    for arg in args {
        cent = cent.arg(arg);
    }
    cent.run()
}

/// What a shell makes of words, as far as hints quote them.
fn split_as_shell(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(chars.next()),
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

/// The command line with what the message says to type, if it shows that.
fn follow(slip: &Slip, message: &str) -> Option<Vec<String>> {
    let message = message.lines().next()?;
    let after = |mark: &str| message.rsplit_once(mark).map(|(_, rest)| rest);
    let shown = after("params have no dashes: ")
        .or_else(|| after("params are KEY=VALUE: "))
        .or_else(|| after("such as ").filter(|_| message.contains("without spaces around")))
        .or_else(|| after("; use ").or_else(|| after(": use ")))
        .or_else(|| after("did you mean ")?.strip_suffix('?'))?;
    if shown.contains('…') {
        return None;
    }
    if let Some(command) = shown.strip_prefix("cent ") {
        let has_place = |word: &String| ["METHOD", "SECTION"].iter().any(|place| word.contains(place));
        return Some(split_as_shell(command)).filter(|words| !words.iter().any(has_place));
    }
    let (index, typed) = (slip.index?, slip.typed.get(slip.index?)?);
    // How many words are replaced.
    let count = (slip.typed.len() + 1).saturating_sub(slip.meant.len());
    let replace = |new: Vec<String>| {
        let mut words = slip.typed.clone();
        words.splice(index..index + count, new);
        words
    };
    if shown.starts_with("--") && !shown.contains(' ') {
        let value = typed.split_once(['=', ':']).map(|(_, value)| format!("={value}")).unwrap_or_default();
        let value = if shown.contains('=') { String::new() } else { value };
        return Some(replace(vec![format!("{shown}{value}")]));
    }
    let words = split_as_shell(shown);
    if words.iter().all(|word| word.contains(['=', '@'])) {
        return Some(replace(words));
    }
    // Only the name, which the message quotes if it is typed in JSON.
    let is_name = shown.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let (_, value) = typed.split_at(typed.find([':', '=', '@'])?);
    is_name.then(|| replace(vec![format!("{shown}{value}")]))
}

/// Checks each on a few threads, because most of the time goes into starting programs. Reports all that fail.
fn assert_each(slips: &[Slip], check: impl Fn(&Slip) -> Result<(), String> + Sync) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(slip) = slips.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = check(slip) {
                        failures.lock().unwrap().push(format!("{:?}: {failure}", slip.typed));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} slips:\n{}", failures.len(), slips.len(), failures.join("\n"));
}

#[test]
fn slips_send_nothing_and_hints_work() {
    let server = Server::version(6).allow_no_connection();
    let slips = [option_slips(), param_slips(), word_slips()].concat();
    assert!(slips.len() >= 300, "{}", slips.len());
    let followed = AtomicUsize::new(0);
    assert_each(&slips, |slip| {
        let output = run(&server, &slip.typed);
        let message = output.stderr();
        if output.exit_code() != Some(2) || !message.starts_with("cent: ") || !output.stdout().is_empty() {
            return Err(format!("exit {:?}: {message}{}", output.exit_code(), output.stdout()));
        }
        let Some(shown) = follow(slip, &message) else { return Ok(()) };
        followed.fetch_add(1, Ordering::Relaxed);
        if shown == slip.meant {
            return Ok(());
        }
        if let [option] | [_, option] = &shown[..] {
            // It shows that something else can be asked for.
            let is_fine = option == "--check" || run(&server, &shown).exit_code() == Some(0);
            return if is_fine { Ok(()) } else { Err(format!("{message}  {shown:?} fails")) };
        }
        let dry_run = |words: &[String]| run(&server, &[words, &["--dry-run".to_owned()]].concat());
        let (meant, found) = (dry_run(&slip.meant), dry_run(&shown));
        if found.exit_code() == Some(0) && found.stdout() == meant.stdout() {
            return Ok(());
        }
        Err(format!("{message}  {shown:?} gets {:?}: {}{}", found.exit_code(), found.stdout(), found.stderr()))
    });
    assert!(server.requests().is_empty(), "nothing was sent");
    let (followed, all) = (followed.into_inner(), slips.len());
    assert!(followed * 2 >= all, "{followed} of {all} show what to type");
}

#[test]
fn misspelled_methods_are_rejected_with_a_suggestion() {
    let server = Server::version(6);
    let mut slips = Vec::new();
    for method in Method::all() {
        if method.is_pro || method.versions(ApiVersion::V2).is_none_or(|versions| versions.last.is_some()) {
            continue;
        }
        let meant = vec!["live".to_owned(), method.name.to_owned()];
        let typed = misspellings(method.name).into_iter().chain([method.name.replace('_', "-")]);
        slips.extend(typed.filter(|typed| Method::find(typed).is_none()).map(|typed| slip(&meant, 1, &[&typed])));
    }
    assert!(slips.len() >= 100, "{}", slips.len());
    assert_each(&slips, |slip| {
        let output = run(&server, &slip.typed);
        let hint = output.stderr().rsplit_once("did you mean ").map(|(_, hint)| hint.to_owned());
        // As near as the one that was meant.
        let is_near = hint.is_some_and(|hint| hint.trim_end().trim_end_matches('?').contains(&slip.meant[1][2..]));
        if output.exit_code() == Some(1) && is_near { Ok(()) } else { Err(output.stderr()) }
    });
    assert!(server.centrifugo().executed().is_empty());
}

#[test]
fn misspelled_config_keys_send_nothing() {
    let server = Server::version(6).allow_no_connection();
    let valid = config(&server);
    let mut configs: Vec<String> = Vec::new();
    for key in ["address", "api_key"] {
        configs.extend(misspellings(key).iter().map(|typed| valid.replace(key, typed)));
        configs.push(valid.replace(key, &key.replace('_', "-").replace("address", "address-")));
        let line = valid.lines().find(|line| line.starts_with(key)).expect("the key is set");
        let (_, value) = line.split_once(" = ").expect("it has a value");
        configs.push(valid.replace(line, &format!("{key} {value}")));
        configs.push(valid.replace(line, &format!("{key} =")));
        configs.push(valid.replace(line, &format!("{line}\n{line}")));
        configs.push(format!("{line}\n{}", valid.replace(line, "")));
    }
    let address = server.address();
    configs.extend(
        ["\"ADDRESS\"", "ADDRESS;", "ADDRESS ; local", "localhost", "“ADDRESS”"]
            .map(|typed| valid.replace(&address, &typed.replace("ADDRESS", &address))),
    );
    configs.push(valid.replace("[live]", "[live"));
    configs.push(valid.replace("[live]", "live"));
    configs.push(valid.replace("timeout = 5", "timeout = 5s"));
    configs.push(valid.replace("api_key = ", "api_key_file = "));
    for text in configs {
        let output = cent().config(&text).args(&["live", "publish", "channel=news", "data=hello"]).run();
        assert_eq!(output.exit_code(), Some(2), "{text}");
        assert!(!output.stderr().contains(API_KEY), "{}", output.stderr());
    }
    assert!(server.requests().is_empty());
}
