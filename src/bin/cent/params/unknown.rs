//! Params that a method does not have: the server ignores them without a word.

use std::collections::{BTreeMap, HashSet};

use cent::{ApiVersion, Command, Endpoint};
use serde_json::value::RawValue;

use crate::did_you_mean::did_you_mean;

/// Finds params that are probably mistakes, each once. One that is near none of the method may be of a later version.
#[derive(Debug, Default)]
pub(crate) struct UnknownParams {
    checked: HashSet<String>,
}

impl UnknownParams {
    /// What is wrong with the params of this command that were not found before.
    pub(crate) fn find(&mut self, command: &Command, endpoint: &Endpoint) -> Vec<String> {
        let unknown = command.unknown_params(endpoint);
        if unknown.is_empty() {
            return Vec::new();
        }
        let new = unknown.into_iter().filter(|name| self.checked.insert(format!("{} {name}", command.method())));
        new.filter_map(|name| problem(command, endpoint, &name)).collect()
    }
}

fn problem(command: &Command, endpoint: &Endpoint, name: &str) -> Option<String> {
    let method = command.known_method()?;
    let names = || method.params_in(endpoint.version()).map(|param| param.name);
    // Rather one that is not there.
    let present = serde_json::from_str::<BTreeMap<String, &RawValue>>(command.params()).unwrap_or_default();
    let is_absent = |name: &&str| !present.contains_key(*name);
    let suggestion = did_you_mean(name, names().filter(is_absent)).or_else(|| did_you_mean(name, names()));
    let is_later = || method.params_in(ApiVersion::V2).any(|param| param.name.eq_ignore_ascii_case(name));
    match suggestion {
        Some(suggestion) => Some(format!("{}: unknown param {name:?}; {suggestion}", method.name)),
        None if endpoint.is_signed() && is_later() => {
            Some(format!("{}: Centrifugo 1 has no param {name:?}; remove it", method.name))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use cent::Address;

    use super::*;

    fn problems(method: &str, params: &str, is_signed: bool) -> Vec<String> {
        let address = Address::parse("http://h").unwrap();
        let endpoint =
            if is_signed { Endpoint::with_secret(address, "x") } else { Endpoint::with_api_key(address, "x") }.unwrap();
        let (mut unknown, command) = (UnknownParams::default(), Command::new(method, params).unwrap());
        let found = unknown.find(&command, &endpoint);
        assert!(unknown.find(&command, &endpoint).is_empty(), "each is found once");
        found
    }

    #[test]
    fn near_misses_are_found() {
        for (method, params, message) in [
            (
                "disconnect",
                r#"{"user":"42","clinet":"x"}"#,
                r#"disconnect: unknown param "clinet"; did you mean client?"#,
            ),
            (
                "publish",
                r#"{"skiphistory":true}"#,
                r#"publish: unknown param "skiphistory"; did you mean skip_history?"#,
            ),
            ("publish", r#"{"data":1,"dlta":true}"#, r#"publish: unknown param "dlta"; did you mean delta?"#),
            (
                "disconnect",
                r#"{"client":"x","clients":1}"#,
                r#"disconnect: unknown param "clients"; did you mean client?"#,
            ),
            ("HISTORY", r#"{"limt":1}"#, r#"history: unknown param "limt"; did you mean limit?"#),
            (
                "publish",
                r#"{"idempotency-key":"1"}"#,
                r#"publish: unknown param "idempotency-key"; did you mean idempotency_key?"#,
            ),
        ] {
            assert_eq!(problems(method, params, false), [message]);
        }
        for (method, params) in [
            ("publish", r#"{"channel":"a","data":{"clinet":1},"Skip_History":true,"expiry":5,"uid":"old"}"#),
            ("frobnicate", r#"{"chanel":"a"}"#),
            ("block_user", r#"{"user":"a","users":1}"#),
        ] {
            assert!(problems(method, params, false).is_empty(), "{params}");
        }
    }

    #[test]
    fn params_that_centrifugo_1_lacks_are_found() {
        let params = r#"{"channel":"a","data":1,"skip_history":true,"expiry":5,"client":"x"}"#;
        let message = r#"publish: Centrifugo 1 has no param "skip_history"; remove it"#;
        assert_eq!(problems("publish", params, true), [message]);
        assert!(problems("info", r#"{"chanel":"a"}"#, true).is_empty());
    }
}
