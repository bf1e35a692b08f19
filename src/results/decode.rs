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
    /// - [`ErrorKind::OutcomeUnknown`]: the data is not a `T`. The command was executed all the same, so do not send it
    ///   again; the error has the [reply](Error::replies).
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.checked_data()?).map_err(|error| unexpected(self).with_source(error))
    }

    /// The data as raw JSON.
    pub(crate) fn raw(&self) -> Result<Box<RawValue>, Error> {
        let unchanged = |data: Box<RawValue>| data;
        self.decode(unchanged, unchanged)
    }

    /// The data of a reply without errors.
    pub(crate) fn checked_data(&self) -> Result<&str, Error> {
        self.result().map_err(|error| Error::from(error.clone()).with_replies(vec![self.clone()]))
    }

    /// Decodes the data of a method that only reads, for Centrifugo 1 and for later versions.
    pub(super) fn decode<'a, V1, V2, T>(&'a self, v1: impl Fn(V1) -> T, v2: impl Fn(V2) -> T) -> Result<T, Error>
    where
        V1: Deserialize<'a>,
        V2: Deserialize<'a>,
    {
        let data = self.checked_data()?;
        let decoded =
            if self.is_v1() { serde_json::from_str(data).map(v1) } else { serde_json::from_str(data).map(v2) };
        // A retry would get the same.
        decoded.map_err(|error| unexpected(self).with_source(error).into_read_only().not_retryable())
    }
}

/// The error of a reply whose data is not that of its method.
pub(super) fn unexpected(reply: &Reply) -> Error {
    Error::new(ErrorKind::OutcomeUnknown, "unexpected data in the reply")
        .with_hint("the command was executed, but its result cannot be read: look at the reply's text")
        .with_replies(vec![reply.clone()])
}
