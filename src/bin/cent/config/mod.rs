//! The config file: finds it, reads it, and makes a section an endpoint.
//!
//! What Python's `configparser.ConfigParser` of 3.11 reads is read as the same value or rejected; see [`parser`] for the
//! lines and [`ConfigValue::text`] for the values. It is looser than Python in three points: a lone `%` is itself, a byte
//! order mark is ignored, a timeout may be fractional.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use cent::{Address, ApiVersion, Endpoint};
use ini::{Ini, ParseOption};
use zeroize::{Zeroize, Zeroizing};

use crate::did_you_mean::did_you_mean;
use crate::exit::is_temporary;
use home::expand_tilde;
use parser::{DEFAULT, KNOWN_KEYS, NearMiss};
use seconds::parse_seconds;

pub(crate) mod home;
mod parser;
pub(crate) mod proxy_env;
#[cfg(test)]
mod python_compat_tests;
pub(crate) mod seconds;
pub(crate) mod tls_files;

/// A section needs exactly one of these.
const CREDENTIAL_KEYS: [&str; 4] = ["secret", "secret_file", "api_key", "api_key_file"];

/// More than any config file or secret has. A device such as /dev/zero has no end.
const MAX_FILE_BYTES: u64 = 1_000_000;

const NOT_FOUND_HINT: &str = "\
use --config FILE, or create it, for example:
  [live]
  address = http://localhost:8000
  api_key = key-of-the-server
for Centrifugo 1, use secret instead of api_key";

fn file_not_found() -> String {
    "file not found; create it or fix the path".to_owned()
}

/// Where the config file is. Displayed as the user wrote it.
#[derive(Debug)]
pub(crate) struct ConfigPath {
    file: PathBuf,
    display: String,
    /// Displayed after it, if it is from the variable.
    origin: &'static str,
    home_dir: Option<PathBuf>,
}

impl fmt::Display for ConfigPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.display, self.origin)
    }
}

impl ConfigPath {
    pub(crate) fn exists(&self) -> bool {
        self.file.exists()
    }

    /// The absolute path, and the variable that it is from.
    pub(crate) fn full(&self) -> String {
        let file = std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone());
        format!("{}{}", file.display(), self.origin)
    }
}

/// Finds the config file: the option overrides the variable, which overrides `~/.centrc`. An empty variable counts as
/// unset.
///
/// # Errors
/// For an empty option, and for `~` without a home directory.
pub(crate) fn locate(
    option: Option<OsString>,
    env_var: Option<OsString>,
    home_dir: Option<PathBuf>,
) -> anyhow::Result<ConfigPath> {
    let env_var = env_var.filter(|path| !path.is_empty());
    let origin = if option.is_none() && env_var.is_some() { " (CENT_CONFIG)" } else { "" };
    let (path, display) = match (option, env_var) {
        (Some(option), _) if option.is_empty() => bail!("--config is empty; is a variable unset?"),
        (Some(path), _) | (None, Some(path)) => (PathBuf::from(&path), path.display().to_string()),
        (None, None) => ("~/.centrc".into(), "~/.centrc".to_owned()),
    };
    let file = expand_tilde(&path, home_dir.as_deref())
        .with_context(|| format!("{display}{origin}: HOME is not set; use --config with an absolute path"))?;
    Ok(ConfigPath { file, display, origin, home_dir })
}

/// A config file with valid lines. Its values are checked when a section is used.
pub(crate) struct Config {
    path: ConfigPath,
    ini: Ini,
    near_misses: Vec<NearMiss>,
}

/// A section with valid values.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) endpoint: Endpoint,
    pub(crate) timeout: Option<Duration>,
}

/// A value as it is in the file.
#[derive(Clone, Copy)]
struct ConfigValue<'a> {
    key: &'static str,
    line: usize,
    raw: &'a str,
}

/// Reads the config file.
///
/// # Errors
/// For a file that cannot be read, and for what [`parser::normalize`] rejects.
pub(crate) fn read(path: ConfigPath) -> anyhow::Result<Config> {
    // Which home directory it is, depends on the user that runs the program.
    let place = match path.file.parent().filter(|_| path.display.starts_with("~/")) {
        Some(directory) => format!(" in {}", directory.display()),
        None => String::new(),
    };
    let not_found = || format!("file not found{place}; {NOT_FOUND_HINT}");
    match read_limited(&path.file, MAX_FILE_BYTES, not_found).and_then(|bytes| parse(&bytes)) {
        Ok((ini, near_misses)) => Ok(Config { path, ini, near_misses }),
        Err(error) => Err(error.context(path.to_string())),
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<(Ini, Vec<NearMiss>)> {
    let normalized = parser::normalize(decode_utf8(bytes)?)?;
    let raw = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let ini = Ini::load_from_str_opt(&normalized.text, raw);
    let ini = ini.map_err(|_| anyhow!("invalid config file; see Files in cent --help"))?;
    Ok((ini, normalized.near_misses))
}

impl Config {
    /// The names of the sections, in the order of the file.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.ini.sections().flatten().filter_map(parser::decode_name).filter(|&name| name != DEFAULT).collect()
    }

    pub(crate) fn has_section(&self, name: &str) -> bool {
        self.names().contains(&name)
    }

    pub(crate) fn path(&self) -> &ConfigPath {
        &self.path
    }

    /// The section of this name, completed by `[DEFAULT]`.
    ///
    /// # Errors
    /// With the line or the section for
    /// - an unknown section,
    /// - no address, or not exactly one of [`CREDENTIAL_KEYS`],
    /// - a value that is empty, refers to another key, or is invalid,
    /// - a file of a secret that cannot be read.
    pub(crate) fn section(&self, name: &str) -> anyhow::Result<Section> {
        self.resolve_section(name).with_context(|| self.path.to_string())
    }

    /// The API of the section's server, by the kind of its credential.
    pub(crate) fn api_version(&self, section: &str) -> Option<ApiVersion> {
        let credential = self.credential(section).ok().filter(|_| self.has_section(section))?;
        Some(if credential.key.starts_with("secret") { ApiVersion::V1 } else { ApiVersion::V2 })
    }

    fn resolve_section(&self, name: &str) -> anyhow::Result<Section> {
        if !self.has_section(name) {
            return Err(self.unknown_section(name));
        }
        let address = self
            .get(name, "address")
            .with_context(|| {
                let hint = self.near_miss(name, &["address"]).unwrap_or("add address = http://HOST:PORT".to_owned());
                format!("section [{name}]: missing key address; {hint}")
            })?
            .parse(parse_address)?;
        let credential = self.credential(name)?;
        let endpoint = credential.parse(|text| self.endpoint(address, credential.key, text))?;
        let timeout = self.get(name, "timeout").map(|value| value.parse(parse_timeout)).transpose()?;
        Ok(Section { endpoint, timeout })
    }

    /// Where one of these keys is misspelled, in the section or in `[DEFAULT]`.
    fn near_miss(&self, section: &str, keys: &[&str]) -> Option<String> {
        let find =
            |section: &str| self.near_misses.iter().find(|near| near.section == section && keys.contains(&near.meant));
        find(section).or_else(|| find(DEFAULT)).map(ToString::to_string)
    }

    /// The misspelled keys of a section that go unnoticed, because it needs none or has one from `[DEFAULT]`.
    pub(crate) fn ignored_keys(&self, section: &str) -> impl Iterator<Item = &NearMiss> {
        let is_credential = |key: &str| CREDENTIAL_KEYS.contains(&key);
        let has_credential = CREDENTIAL_KEYS.iter().any(|key| self.get_in_section(section, key).is_some());
        self.near_misses.iter().filter(move |near| {
            let has_key = self.get_in_section(section, near.meant).is_some();
            [section, DEFAULT].contains(&near.section.as_str())
                && !has_key
                && !(has_credential && is_credential(near.meant))
        })
    }

    /// What is not an error, but probably a mistake: a file that others can read, and misspelled keys.
    pub(crate) fn warnings(&self, section: &str) -> Vec<String> {
        let path = &self.path;
        let open = [(path.to_string(), path.file.clone())].into_iter().chain(self.private_key_file(section));
        let open = open.filter(|(_, file)| is_open_to_others(file));
        let open =
            open.map(|(name, file)| format!("{name}: other users can read it: run chmod 600 {}", file.display()));
        open.chain(self.ignored_keys(section).map(|key| format!("{path}: {key}"))).collect()
    }

    fn unknown_section(&self, name: &str) -> anyhow::Error {
        let names = self.names();
        if name == DEFAULT {
            return anyhow!("[DEFAULT] only provides default values; use another section");
        }
        if names.is_empty() {
            return anyhow!("section [{name}] not found; the file has no sections: add a [{name}] header");
        }
        let list = names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
        let hint = did_you_mean(name, names.iter().copied()).map_or_else(String::new, |hint| format!("{hint} "));
        anyhow!("section [{name}] not found; {hint}sections: {list}")
    }

    /// The value of a key in a section or, if it has none, in `[DEFAULT]`.
    fn get(&self, section: &str, key: &str) -> Option<ConfigValue<'_>> {
        self.get_in_section(section, key).or_else(|| self.get_in_section(DEFAULT, key))
    }

    /// The value of a key in this section alone. Only `[DEFAULT]` may occur several times.
    fn get_in_section(&self, section: &str, key: &str) -> Option<ConfigValue<'_>> {
        let key = KNOWN_KEYS.into_iter().find(|&known| known == key)?;
        let value = self.ini.section_all(Some(parser::encode_name(section))).find_map(|section| section.get(key))?;
        let (line, raw) = parser::decode_value(value)?;
        Some(ConfigValue { key, line, raw })
    }

    /// The one credential. Any in the section overrides all in `[DEFAULT]`.
    fn credential(&self, section: &str) -> anyhow::Result<ConfigValue<'_>> {
        let find_all =
            |section| CREDENTIAL_KEYS.iter().filter_map(|key| self.get_in_section(section, key)).collect::<Vec<_>>();
        let mut found = find_all(section);
        if found.is_empty() {
            found = find_all(DEFAULT);
        }
        found.sort_by_key(|value| value.line);
        match found.as_slice() {
            [] => {
                let add = "add api_key = … (Centrifugo 2 to 6) or secret = … (Centrifugo 1)";
                let hint = self.near_miss(section, &CREDENTIAL_KEYS).unwrap_or(add.to_owned());
                bail!("section [{section}]: no credential; {hint}");
            }
            [one] => Ok(*one),
            [first, second, ..] => bail!(
                "line {}: {} conflicts with {} on line {}; keep one (api_key for Centrifugo 2 to 6, secret for Centrifugo 1)",
                second.line,
                second.key,
                first.key,
                first.line
            ),
        }
    }

    /// The path that a key sets: relative to the directory of the config file.
    fn file_path(&self, key: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = expand_tilde(Path::new(text), self.path.home_dir.as_deref())
            .with_context(|| format!("{key}: HOME is not set; use an absolute path"))?;
        Ok(self.path.file.parent().unwrap_or(Path::new("")).join(path))
    }

    /// The endpoint with the credential that this key sets: the text itself, or the content of the file that it names.
    fn endpoint(&self, address: Address, key: &str, text: &str) -> anyhow::Result<Endpoint> {
        let Some(inline_key) = key.strip_suffix("_file") else { return endpoint(address, key, text) };
        let file = self.file_path(key, text)?;
        // The value may be the credential itself, so that it is printed only if there is such a file.
        if let Err(error) = fs::symlink_metadata(&file)
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            bail!(
                "{key}: file not found; create it or fix the path, or use {inline_key} for the {} itself",
                credential_name(inline_key)
            );
        }
        let read = || {
            let bytes = read_limited(&file, MAX_FILE_BYTES, file_not_found)?;
            let text = decode_utf8(&bytes)?;
            ensure!(!text.starts_with('\u{feff}'), "starts with a byte order mark; save the file without it");
            endpoint(address, inline_key, strip_newline(text))
        };
        read().with_context(|| format!("{key}: {}", file.display()))
    }
}

/// Wipes the values: rust-ini keeps secrets in strings of its own and does not.
impl Drop for Config {
    fn drop(&mut self) {
        self.ini.iter_mut().flat_map(|(_, section)| section.iter_mut()).for_each(|(_, value)| value.zeroize());
    }
}

impl ConfigValue<'_> {
    /// Parses the value; an error has the line number.
    fn parse<T>(self, parse: impl FnOnce(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.text().and_then(|text| parse(&text)).with_context(|| format!("line {}", self.line))
    }

    /// The value as Python returns it: `%%` is `%`. References such as `%(name)s` are not supported, so they are rejected.
    fn text(self) -> anyhow::Result<Zeroizing<String>> {
        let key = self.key;
        ensure!(!self.raw.is_empty(), "{key} has no value; add it after the =");
        let references = Zeroizing::new(self.raw.replace("%%", "")).contains("%(");
        ensure!(
            !references,
            "{key} uses %(…) interpolation, which is not supported; write the value itself, or %%( for a literal %("
        );
        Ok(Zeroizing::new(self.raw.replace("%%", "%")))
    }
}

fn credential_name(key: &str) -> &'static str {
    if key == "secret" { "secret" } else { "API key" }
}

fn endpoint(address: Address, key: &str, text: &str) -> anyhow::Result<Endpoint> {
    Ok(if key == "secret" { Endpoint::with_secret(address, text) } else { Endpoint::with_api_key(address, text) }?)
}

fn parse_address(text: &str) -> anyhow::Result<Address> {
    Address::parse(text).map_err(|error| {
        let comment = text.split_once([' ', '\t']).map(|(_, rest)| rest.trim_start());
        if comment.is_some_and(|rest| rest.starts_with([';', '#'])) {
            anyhow!("text after the address is part of the value; put a comment on a line of its own")
        } else if text.ends_with([';', ',']) {
            anyhow!("address ends with {}, which is part of the value; remove it", &text[text.len() - 1..])
        } else {
            error.into()
        }
    })
}

fn parse_timeout(text: &str) -> anyhow::Result<Duration> {
    parse_seconds(text).map_err(|expected| anyhow!("invalid timeout; expected {expected}"))
}

/// Whether other users than the owner can read a file. A pipe is gone after it was read.
fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o044 != 0)
}

/// The directory on the way to a file that may not be searched.
fn closed_directory(path: &Path) -> Option<&Path> {
    let is_denied =
        |path: &Path| fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    path.ancestors().take_while(|path| is_denied(path)).last()?.parent()
}

/// Removes the trailing newline that editors and `echo` add; only one, because others belong to the secret.
fn strip_newline(text: &str) -> &str {
    ["\r\n", "\n", "\r"].into_iter().find_map(|newline| text.strip_suffix(newline)).unwrap_or(text)
}

fn decode_utf8(bytes: &[u8]) -> anyhow::Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok());
        let valid = valid.unwrap_or_default();
        let line = parser::lines(valid).count() + usize::from(valid.ends_with('\r'));
        anyhow!("line {line}: invalid UTF-8; save the file as UTF-8")
    })
}

/// Reads a file, a pipe or a device to its end. `not_found` is the message about a file that does not exist.
fn read_limited(path: &Path, max_bytes: u64, not_found: impl FnOnce() -> String) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes));
    match read.map_err(|error| (error.kind(), error)) {
        Ok(length) if length as u64 > max_bytes => bail!("larger than {} MB; use another file", max_bytes / 1_000_000),
        Ok(_) => Ok(bytes),
        Err((io::ErrorKind::NotFound, _)) => match fs::read_link(path) {
            Ok(target) => bail!("broken symlink to {}; fix the link", target.display()),
            Err(_) => bail!(not_found()),
        },
        Err((io::ErrorKind::PermissionDenied, _)) => match closed_directory(path) {
            Some(directory) => bail!(
                "permission denied for directory {}; change its mode or owner (in a systemd service, see ProtectHome)",
                directory.display()
            ),
            None => bail!("permission denied; change the file's mode or owner"),
        },
        Err((io::ErrorKind::IsADirectory, _)) => bail!("is a directory; expected a file"),
        Err((_, error)) if is_temporary(&error) => Err(error).context("cannot be read for now; try again later"),
        Err((_, error)) => Err(error).context("cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> anyhow::Result<Config> {
        let path = locate(Some("x".into()), None, None)?;
        let (ini, near_misses) = parse(text.as_bytes())?;
        Ok(Config { path, ini, near_misses })
    }

    fn section(text: &str) -> anyhow::Result<Section> {
        config(text)?.section("a")
    }

    #[track_caller]
    fn assert_error(text: &str, message: &str) {
        assert_eq!(format!("{:#}", section(text).unwrap_err()), message);
    }

    fn with_secret(secret: &str) -> Endpoint {
        Endpoint::with_secret(Address::parse("http://h").unwrap(), secret).unwrap()
    }

    #[test]
    fn option_overrides_variable_overrides_home() {
        let found = |option: Option<&str>, env_var: Option<&str>| {
            let path = locate(option.map(OsString::from), env_var.map(OsString::from), Some("/home/u".into())).unwrap();
            format!("{} is {}", path, path.file.display())
        };
        assert_eq!(found(Some("x"), Some("y")), "x is x");
        assert_eq!(found(None, Some("y")), "y (CENT_CONFIG) is y");
        assert_eq!(found(None, Some("")), "~/.centrc is /home/u/.centrc");
        assert_eq!(found(None, None), "~/.centrc is /home/u/.centrc");
    }

    #[test]
    fn secret_accepts_all_printable_ascii() {
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
    fn section_credential_overrides_default() {
        let text = "[DEFAULT]\naddress = http://h\nsecret = x\ntimeout = 0.5\n[a]\nsecret = y\n[b]\napi_key = k\n[c]\n";
        let config = config(text).unwrap();
        let endpoint = |name| config.section(name).unwrap().endpoint;
        assert_eq!(endpoint("a"), with_secret("y"));
        assert_eq!(endpoint("b"), Endpoint::with_api_key(Address::parse("http://h").unwrap(), "k").unwrap());
        assert_eq!(endpoint("c"), with_secret("x"));
        assert_eq!(config.section("c").unwrap().timeout, Some(Duration::from_millis(500)));
    }

    #[test]
    fn errors_in_other_sections_are_ignored() {
        let other = "[b]\naddress = %(host)s\nsecret =\ntimeout = soon\n";
        assert!(section(&format!("[a]\naddress = http://h\nsecret = x\n{other}")).is_ok());
        assert!(section(&format!("[a]\naddress = http://h\nsecret = x\n{other}[b]\n")).is_err());
    }

    #[test]
    fn documented_keys_are_the_known_keys() {
        let mut known = KNOWN_KEYS;
        known.sort_unstable();
        let sorted = |mut keys: Vec<&'static str>| {
            keys.sort_unstable();
            keys
        };
        let page = include_str!("../../../../man/sections.roff");
        let (_, page) = page.split_once("\n.SH \"CONFIGURATION FILE\"\n").unwrap();
        let page = page.split("\n.SH ").next().unwrap();
        let headings = page.split("\n.TP\n.B").skip(1).filter_map(|entry| entry.lines().next());
        let keys = headings.flat_map(|line| line.trim_start_matches('R').split([' ', ',', '"']));
        assert_eq!(sorted(keys.filter(|key| !key.is_empty()).collect()), known, "man/sections.roff");
        let readme = include_str!("../../../../README.md");
        let (_, readme) = readme.split_once("\n## Configure\n").unwrap();
        let readme = readme.split("\n## ").next().unwrap();
        let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split("` | ").next());
        assert_eq!(sorted(rows.flat_map(|keys| keys.split("`, `")).collect()), known, "README.md");
    }

    #[test]
    fn names_keep_file_order_without_default() {
        let text = "[DEFAULT]\n[ b ]\n[a]\nsecret = x\n[DEFAULT]\n[|c|]\n";
        assert_eq!(config(text).unwrap().names(), [" b ", "a", "|c|"]);
    }

    #[test]
    fn value_errors_report_line() {
        assert_error("[a]\naddress = h\nsecret = x\n", "x: line 2: address has no scheme; add http:// or https://");
        assert_error(
            "\u{feff}[DEFAULT]\r\ntimeout = 0\r\n\r\n# note\r\n[a]\r\naddress = http://h\r\nsecret = x\r\n",
            "x: line 2: invalid timeout; expected a number of seconds above 0, such as 5 or 0.5",
        );
        assert_error("[a]\raddress = http://h\r\rsecret =\r", "x: line 4: secret has no value; add it after the =");
    }

    #[test]
    fn near_misses_are_reported_where_a_key_is_missing() {
        assert_error(
            "[a]\nadress = http://h\nsecret = x\n",
            "x: section [a]: missing key address; line 2 has adress: did you mean address?",
        );
        assert_error(
            "[DEFAULT]\nToken: k\n[b]\nkey = k\n[a]\naddress = http://h\n",
            "x: section [a]: no credential; line 2 has token: did you mean api_key?",
        );
    }

    #[test]
    fn ignored_keys_are_those_that_the_section_lacks() {
        let text = "[DEFAULT]\nurl = x\n[a]\naddress = http://h\nsecret = x\napikey = k\ntime_out = 5\nname = x\n[b]\nadress = \
                    x\ntimeout = 5\ntime_out = 5\n";
        let ignored = |name| config(text).unwrap().ignored_keys(name).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ignored("a"), ["line 7 has time_out: did you mean timeout?"]);
        assert_eq!(
            ignored("b"),
            ["line 2 has url: did you mean address?", "line 10 has adress: did you mean address?"]
        );
    }

    #[test]
    fn full_path_is_absolute() {
        let full = |env_var: &str| locate(None, Some(env_var.into()), None).unwrap().full();
        assert_eq!(full("/x"), "/x (CENT_CONFIG)");
        let path = locate(Some("x".into()), None, None).unwrap().full();
        assert!(path.starts_with('/') && path.ends_with("/x"), "{path}");
    }

    #[test]
    fn strips_one_trailing_newline() {
        for (text, secret) in
            [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\r", "x"), ("x\n\n", "x\n"), (" x ", " x "), ("", "")]
        {
            assert_eq!(strip_newline(text), secret, "{text:?}");
        }
    }

    #[test]
    fn invalid_utf8_reports_line() {
        for (bytes, line) in
            [(&b"\xff"[..], 1), (b"a\nb\xff\n", 2), (b"a\r\n\r\n\xff", 3), (b"a\r\xff", 2), (b"a\n\r\xff", 3)]
        {
            let error = decode_utf8(bytes).unwrap_err().to_string();
            assert_eq!(error, format!("line {line}: invalid UTF-8; save the file as UTF-8"));
        }
    }
}
