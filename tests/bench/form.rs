//! The two forms of the API that are measured, and what a publish looks like in each.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(crate) const SECRET: &str = "secret-of-the-benchmark";
pub(crate) const API_KEY: &str = "api-key-of-the-benchmark";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Centrifugo 1: commands signed with a secret.
    Signed,
    /// Centrifugo 5 and later: an API key.
    Key,
}

impl Form {
    /// For the names of figures. The signed form came first and has none.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Signed => "",
            Self::Key => ", API key",
        }
    }

    /// The key of the config file.
    pub(crate) fn config_key(self) -> &'static str {
        match self {
            Self::Signed => "secret",
            Self::Key => "api_key",
        }
    }

    /// What the stub server accepts.
    pub(crate) fn credential(self) -> &'static str {
        match self {
            Self::Signed => SECRET,
            Self::Key => API_KEY,
        }
    }

    /// Where several commands go.
    pub(crate) fn batch_path(self) -> &'static str {
        match self {
            Self::Signed => "/api/",
            Self::Key => "/api/batch",
        }
    }

    /// Where one publish goes.
    pub(crate) fn publish_path(self) -> &'static str {
        match self {
            Self::Signed => "/api/",
            Self::Key => "/api/publish",
        }
    }

    pub(crate) fn header_name(self) -> &'static str {
        match self {
            Self::Signed => "X-API-Sign",
            Self::Key => "Authorization",
        }
    }

    pub(crate) fn header_value(self, credential: &str, body: &str) -> String {
        match self {
            Self::Signed => sign(credential, body.as_bytes()),
            Self::Key => format!("apikey {credential}"),
        }
    }

    /// The body of one publish.
    pub(crate) fn publish_body(self, params: &str) -> String {
        match self {
            Self::Signed => self.batch_body([params].into_iter()),
            Self::Key => params.to_owned(),
        }
    }

    /// The body of several.
    pub(crate) fn batch_body<'a>(self, params: impl Iterator<Item = &'a str>) -> String {
        let [open, before, close] = match self {
            Self::Signed => ["[", r#"{"method":"publish","params":"#, "]"],
            Self::Key => [r#"{"commands":["#, r#"{"publish":"#, "]}"],
        };
        let commands: Vec<_> = params.map(|params| format!("{before}{params}}}")).collect();
        format!("{open}{}{close}", commands.join(","))
    }

    /// The reply to a publish, as Centrifugo 1.8.0 writes it, and 6.9.1 to a channel without history.
    pub(crate) fn reply(self) -> &'static str {
        match self {
            Self::Signed => r#"{"method":"publish","error":null,"body":null}"#,
            Self::Key => r#"{"result":{}}"#,
        }
    }

    /// The response to this many publishes.
    pub(crate) fn batch_response(self, commands: usize) -> String {
        let [open, reply, close] = match self {
            Self::Signed => ["[", self.reply(), "]"],
            Self::Key => [r#"{"replies":["#, r#"{"publish":{}}"#, "]}"],
        };
        format!("{open}{}{close}", vec![reply; commands].join(","))
    }

    /// What `cent` prints for one publish.
    pub(crate) fn printed(self) -> &'static str {
        match self {
            Self::Signed => "[\n  {\n    \"method\": \"publish\",\n    \"error\": null,\n    \"body\": null\n  }\n]\n",
            Self::Key => "[\n  {\n    \"result\": {}\n  }\n]\n",
        }
    }
}

/// The signature of a body.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
