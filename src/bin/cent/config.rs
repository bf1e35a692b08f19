//! The config file: where it is, what it says, and what a section comes to.
//!
//! What Python's `configparser.ConfigParser` of 3.11 reads is read as the same value or refused; see [`canonical`] for the
//! lines and [`Config::value`] for the values. Looser than Python in three points: a lone `%` is itself, a byte order mark
//! is passed over, a timeout may be fractional.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use cent::{Address, Endpoint};
use ini::{Ini, ParseOption};
use zeroize::{Zeroize, Zeroizing};

use crate::args;
use canonical::{DEFAULT, KEYS};

#[cfg(test)]
mod against_python;
mod canonical;

/// Of these a section needs exactly one.
const CREDENTIALS: [&str; 4] = ["secret", "secret_file", "api_key", "api_key_file"];

/// More than any config file or secret has; a device such as /dev/zero has no end.
const MAX_BYTES: u64 = 1_000_000;

const EXAMPLE: &str = "\
name another with --config, or write one such as
  [bananas]
  address = http://localhost:8000
  secret = long-secret-key-for-bananas-project
with api_key instead of secret for Centrifugo 2 and later";

/// Where the config file is; shown as the user named it.
#[derive(Debug)]
pub(crate) struct ConfigPath {
    file: PathBuf,
    shown: String,
    home: Option<PathBuf>,
}

impl fmt::Display for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Finds the config file: the option beats the variable, which beats `~/.centrc`; an empty variable is as good as none.
///
/// # Errors
/// For an option without text, and for `~` without a home folder.
pub(crate) fn locate(
    option: Option<OsString>,
    variable: Option<OsString>,
    home: Option<PathBuf>,
) -> anyhow::Result<ConfigPath> {
    let variable = variable.filter(|variable| !variable.is_empty());
    let (named, shown) = match (option, variable) {
        (Some(option), _) if option.is_empty() => bail!("--config names no file; is a variable not set?"),
        (Some(option), _) => (PathBuf::from(&option), option.display().to_string()),
        (None, Some(variable)) => (PathBuf::from(&variable), format!("{} (CENT_CONFIG)", variable.display())),
        (None, None) => ("~/.centrc".into(), "~/.centrc".to_owned()),
    };
    let file = expanded(&named, home.as_deref())
        .with_context(|| format!("{shown}: HOME is not set; name a config file by its whole path with --config"))?;
    Ok(ConfigPath { file, shown, home })
}

/// A leading `~/` is the home folder: shells leave it alone after `--config=`.
fn expanded(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => home.map(|home| home.join(rest)),
        Err(_) => Some(path.to_owned()),
    }
}

/// A config file whose lines are in order; the values are looked at when a section is asked for.
pub(crate) struct Config {
    path: ConfigPath,
    ini: Ini,
}

/// What a section comes to.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Option<Duration>,
}

/// A value as it stands in the file.
#[derive(Clone, Copy)]
struct Entry<'a> {
    key: &'static str,
    line: usize,
    text: &'a str,
}

/// Reads the config file.
///
/// # Errors
/// For a file that cannot be read, and for what [`canonical`] refuses: all that makes the whole file doubtful.
pub(crate) fn read(path: ConfigPath) -> anyhow::Result<Config> {
    match contents(&path.file, EXAMPLE).and_then(|bytes| parsed(&bytes)) {
        Ok(ini) => Ok(Config { path, ini }),
        Err(error) => Err(error.context(path.to_string())),
    }
}

fn parsed(bytes: &[u8]) -> anyhow::Result<Ini> {
    let text = canonical::canonical(utf8(bytes)?)?;
    let as_written = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    Ini::load_from_str_opt(&text, as_written).map_err(|_| anyhow!("not understood; write it as the README shows"))
}

impl Config {
    /// The names of the sections, in the order of the file.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.ini.sections().flatten().filter_map(canonical::unwrapped).filter(|&name| name != DEFAULT).collect()
    }

    pub(crate) fn path(&self) -> &ConfigPath {
        &self.path
    }

    /// What a section comes to, together with `[DEFAULT]`.
    ///
    /// # Errors
    /// With the line or the section for
    /// - a section that is not there,
    /// - no address, or not exactly one of [`CREDENTIALS`],
    /// - a value that is empty, refers to another key, or is not what its key needs,
    /// - a secret's file that cannot be read.
    pub(crate) fn section(&self, name: &str) -> anyhow::Result<Section> {
        self.typed(name).with_context(|| self.path.to_string())
    }

    fn typed(&self, name: &str) -> anyhow::Result<Section> {
        if !self.names().contains(&name) {
            return Err(self.no_section(name));
        }
        let address = self
            .entry(name, "address")
            .with_context(|| format!("section [{name}] has no address; write address = http://HOST:PORT below it"))?
            .parsed(|text| Ok(Address::parse(text)?))?;
        let credential = self.credential(name)?;
        let endpoint = credential.parsed(|text| self.endpoint(address, credential.key, text))?;
        let timeout = self.entry(name, "timeout").map(|entry| entry.parsed(timeout)).transpose()?;
        Ok(Section { endpoint, timeout })
    }

    fn no_section(&self, name: &str) -> anyhow::Error {
        let names = self.names();
        if name == DEFAULT {
            return anyhow!("[DEFAULT] is no section of its own, but supplies keys to the others; name one of them");
        }
        if names.is_empty() {
            return anyhow!("no section [{name}], nor any other; write [{name}] above its keys");
        }
        let are = if names.len() == 1 { "is" } else { "are" };
        let list = names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
        let guess = cent::closest_match(name, names.iter().copied());
        let guess = guess.map_or_else(String::new, |guess| format!(": did you mean {guess}?"));
        anyhow!("no section [{name}]; there {are} {list}{guess}")
    }

    /// The value of a key in a section, or else in `[DEFAULT]`.
    fn entry(&self, section: &str, key: &str) -> Option<Entry<'_>> {
        self.own(section, key).or_else(|| self.own(DEFAULT, key))
    }

    /// The value of a key in just this section. `[DEFAULT]` may stand several times.
    fn own(&self, section: &str, key: &str) -> Option<Entry<'_>> {
        let key = KEYS.into_iter().find(|&known| known == key)?;
        let value = self.ini.section_all(Some(canonical::wrapped(section))).find_map(|section| section.get(key))?;
        let (line, text) = canonical::value(value)?;
        Some(Entry { key, line, text })
    }

    /// The one credential. What a section itself says sets aside all that `[DEFAULT]` says.
    fn credential(&self, section: &str) -> anyhow::Result<Entry<'_>> {
        let all_in = |section| CREDENTIALS.iter().filter_map(|key| self.own(section, key)).collect::<Vec<_>>();
        let mut found = all_in(section);
        if found.is_empty() {
            found = all_in(DEFAULT);
        }
        found.sort_by_key(|entry| entry.line);
        match found.as_slice() {
            [] => bail!(
                "section [{section}] has no secret and no api_key; write secret = … below it for Centrifugo 1, api_key = … for later ones"
            ),
            [one] => Ok(*one),
            [first, second, ..] => bail!(
                "line {}: {} beside {} in line {}; keep one (secret for Centrifugo 1, api_key for later ones)",
                second.line,
                second.key,
                first.key,
                first.line
            ),
        }
    }

    fn endpoint(&self, address: Address, key: &str, text: &str) -> anyhow::Result<Endpoint> {
        let Some(key) = key.strip_suffix("_file") else { return endpoint(address, key, text) };
        let named = expanded(Path::new(text), self.path.home.as_deref())
            .with_context(|| format!("{key}_file: HOME is not set; write the whole path"))?;
        let file = self.path.file.parent().unwrap_or(Path::new("")).join(named);
        let read = || {
            let bytes = contents(&file, "write it, or mend the path")?;
            let text = utf8(&bytes)?;
            ensure!(!text.starts_with('\u{feff}'), "begins with a byte order mark; save the file without it");
            endpoint(address, key, without_line_end(text))
        };
        read().with_context(|| format!("{key}_file: {}", file.display()))
    }
}

/// rust-ini holds the secret in strings of its own, which it does not wipe.
impl Drop for Config {
    fn drop(&mut self) {
        self.ini.iter_mut().flat_map(|(_, section)| section.iter_mut()).for_each(|(_, value)| value.zeroize());
    }
}

impl Entry<'_> {
    /// Makes something of the value; an error names the line.
    fn parsed<T>(self, parse: impl FnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.value().and_then(|text| parse(&text)).with_context(|| format!("line {}", self.line))
    }

    /// The value as Python gives it: `%%` is `%`. References such as `%(name)s` are not followed, so they are refused.
    fn value(self) -> anyhow::Result<Zeroizing<String>> {
        let key = self.key;
        ensure!(!self.text.is_empty(), "{key} is empty; write its value after the =");
        let references = Zeroizing::new(self.text.replace("%%", "")).contains("%(");
        ensure!(!references, "{key} holds %(, which refers to another key; write the value itself, and %%( for %(");
        Ok(Zeroizing::new(self.text.replace("%%", "%")))
    }
}

fn endpoint(address: Address, key: &str, text: &str) -> anyhow::Result<Endpoint> {
    Ok(if key == "secret" { Endpoint::with_secret(address, text) } else { Endpoint::with_api_key(address, text) }?)
}

fn timeout(text: &str) -> anyhow::Result<Duration> {
    args::seconds(text).map_err(|problem| anyhow!("timeout is {problem}"))
}

/// Editors and `echo` end a file's last line; of several line ends only the last is theirs.
fn without_line_end(text: &str) -> &str {
    ["\r\n", "\n", "\r"].into_iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text)
}

fn utf8(bytes: &[u8]) -> anyhow::Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or_default();
        let line = canonical::lines(good).count() + usize::from(good.ends_with('\r'));
        anyhow!("line {line}: not UTF-8; save the file as UTF-8")
    })
}

/// Reads a file, a pipe or a device to its end; the remedy is for one that is not there.
fn contents(path: &Path, remedy: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    match read.map_err(|error| (error.kind(), error)) {
        Ok(length) if length as u64 > MAX_BYTES => bail!("longer than 1 MB; name another file"),
        Ok(_) => Ok(bytes),
        Err((io::ErrorKind::NotFound, _)) => match fs::read_link(path) {
            Ok(target) => bail!("a link to {}, which is not there; mend the link", target.display()),
            Err(_) => bail!("no such file; {remedy}"),
        },
        Err((io::ErrorKind::PermissionDenied, _)) => bail!("not readable for this user; change its mode or its owner"),
        Err((io::ErrorKind::IsADirectory, _)) => bail!("a directory; name a file"),
        Err((_, error)) => Err(error).context("cannot be read; name another file"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> anyhow::Result<Config> {
        let path = locate(Some("x".into()), None, None)?;
        Ok(Config { ini: parsed(text.as_bytes())?, path })
    }

    fn section(text: &str) -> anyhow::Result<Section> {
        config(text)?.section("a")
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        assert_eq!(format!("{:#}", section(text).unwrap_err()), message);
    }

    fn with_secret(secret: &str) -> Endpoint {
        Endpoint::with_secret(Address::parse("http://h").unwrap(), secret).unwrap()
    }

    #[test]
    fn the_option_beats_the_variable_which_beats_the_home_folder() {
        let found = |option: Option<&str>, variable: Option<&str>| {
            let path =
                locate(option.map(OsString::from), variable.map(OsString::from), Some("/home/u".into())).unwrap();
            format!("{} is {}", path, path.file.display())
        };
        assert_eq!(found(Some("x"), Some("y")), "x is x");
        assert_eq!(found(None, Some("y")), "y (CENT_CONFIG) is y");
        assert_eq!(found(None, Some("")), "~/.centrc is /home/u/.centrc");
        assert_eq!(found(None, None), "~/.centrc is /home/u/.centrc");
    }

    #[test]
    fn only_a_leading_tilde_and_slash_are_the_home_folder() {
        let home = Some(Path::new("/home/u"));
        assert_eq!(expanded(Path::new("~/x"), home), Some("/home/u/x".into()));
        for other in ["x/~/y", "~user/x", "./~/x", "/~/x"] {
            assert_eq!(expanded(Path::new(other), home), Some(other.into()));
        }
        assert_eq!(expanded(Path::new("~/x"), None), None);
    }

    #[test]
    fn every_printable_character_stands_first_in_the_middle_and_last() {
        for c in '!'..='~' {
            let secret = format!("{c}x{c}y{c}");
            let written = secret.replace('%', "%%");
            for text in [&secret, &written] {
                let section = section(&format!("[a]\naddress = http://h\nsecret = {text}\n")).unwrap();
                assert_eq!(section.endpoint, with_secret(&secret), "{text}");
            }
        }
    }

    #[test]
    fn a_secret_of_the_section_sets_aside_that_of_default() {
        let text = "[DEFAULT]\naddress = http://h\nsecret = x\ntimeout = 0.5\n[a]\nsecret = y\n[b]\napi_key = k\n[c]\n";
        let config = config(text).unwrap();
        let endpoint = |name| config.section(name).unwrap().endpoint;
        assert_eq!(endpoint("a"), with_secret("y"));
        assert_eq!(endpoint("b"), Endpoint::with_api_key(Address::parse("http://h").unwrap(), "k").unwrap());
        assert_eq!(endpoint("c"), with_secret("x"));
        assert_eq!(config.section("c").unwrap().timeout, Some(Duration::from_millis(500)));
    }

    #[test]
    fn faults_of_a_section_that_is_not_asked_for_do_not_matter() {
        let other = "[b]\naddress = %(host)s\nsecret =\ntimeout = soon\n";
        assert!(section(&format!("[a]\naddress = http://h\nsecret = x\n{other}")).is_ok());
        assert!(section(&format!("[a]\naddress = http://h\nsecret = x\n{other}[b]\n")).is_err());
    }

    #[test]
    fn names_are_in_the_order_of_the_file_without_default() {
        let text = "[DEFAULT]\n[ b ]\n[a]\nsecret = x\n[DEFAULT]\n[|c|]\n";
        assert_eq!(config(text).unwrap().names(), [" b ", "a", "|c|"]);
    }

    #[test]
    fn the_line_of_a_value_is_told_wherever_it_comes_from() {
        refused("[a]\naddress = h\nsecret = x\n", "x: line 2: address has no scheme; add http:// or https://");
        refused(
            "\u{feff}[DEFAULT]\r\ntimeout = 0\r\n\r\n# note\r\n[a]\r\naddress = http://h\r\nsecret = x\r\n",
            "x: line 2: timeout is not a number of seconds above 0, such as 5 or 0.5",
        );
        refused("[a]\raddress = http://h\r\rsecret =\r", "x: line 4: secret is empty; write its value after the =");
    }

    #[test]
    fn just_one_line_end_is_the_files_own() {
        for (text, secret) in
            [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\r", "x"), ("x\n\n", "x\n"), (" x ", " x "), ("", "")]
        {
            assert_eq!(without_line_end(text), secret, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_by_their_line() {
        for (bytes, line) in
            [(&b"\xff"[..], 1), (b"a\nb\xff\n", 2), (b"a\r\n\r\n\xff", 3), (b"a\r\xff", 2), (b"a\n\r\xff", 3)]
        {
            let error = utf8(bytes).unwrap_err().to_string();
            assert_eq!(error, format!("line {line}: not UTF-8; save the file as UTF-8"));
        }
    }
}
