//! What all results share: the data of a reply without errors, decoded.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::reply::Reply;

/// The replies to any method, such as `info`, whose metrics have other names in each version.
impl Reply {
    /// Decodes the reply's [data](Self::data).
    ///
    /// ```
    /// # mod doctest { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # let mut client = doctest::client();
    /// let reply = client.call(&cent::Command::info())?;
    /// let info: serde_json::Value = reply.parse()?;
    /// assert_eq!(info["nodes"].as_array().unwrap().len(), 1);
    /// # Ok::<(), cent::Error>(())
    /// ```
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`]: the data is not a `T`; the error has the [reply](Error::replies).
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.checked_data()?).map_err(|error| unexpected(self).with_source(error))
    }

    /// The data as raw JSON.
    pub(crate) fn raw(&self) -> Result<Box<RawValue>, Error> {
        self.parse()
    }

    /// The data of a reply without errors.
    pub(crate) fn checked_data(&self) -> Result<&str, Error> {
        self.result().map_err(|error| Error::from(error.clone()).with_replies(vec![self.clone()]))
    }

    /// The data of a reply without errors, to a command with one of these methods.
    pub(super) fn data_of(&self, methods: &[&str]) -> Result<&str, Error> {
        let data = self.checked_data()?;
        if self.is_reply_to(methods) {
            return Ok(data);
        }
        let message = format!("not a reply to {}", methods.join(" or "));
        Err(undecodable(message).with_hint("read it with the function of its method").with_replies(vec![self.clone()]))
    }

    /// Decodes the data of one of these methods, which have the same in all versions.
    pub(super) fn decode_one<T: DeserializeOwned>(&self, methods: &[&str]) -> Result<T, Error> {
        serde_json::from_str(self.data_of(methods)?).map_err(|error| unexpected(self).with_source(error))
    }

    /// Decodes the data of a method, for Centrifugo 1 and for later versions.
    pub(super) fn decode<'a, V1, V2, T>(
        &'a self,
        method: &str,
        v1: impl Fn(V1) -> T,
        v2: impl Fn(V2) -> T,
    ) -> Result<T, Error>
    where
        V1: Deserialize<'a>,
        V2: Deserialize<'a>,
    {
        let data = self.data_of(&[method])?;
        let decoded =
            if self.is_v1() { serde_json::from_str(data).map(v1) } else { serde_json::from_str(data).map(v2) };
        decoded.map_err(|error| unexpected(self).with_source(error))
    }
}

/// The error of a reply whose data is not that of its method.
pub(crate) fn unexpected(reply: &Reply) -> Error {
    undecodable("unexpected data in the reply")
        .with_hint("the command was executed, but its result cannot be read: look at the reply's text")
        .with_replies(vec![reply.clone()])
}

/// Another attempt would have the same result.
pub(super) fn undecodable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Undecodable, message).not_retryable()
}
