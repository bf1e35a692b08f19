//! The results of publish and broadcast.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::decode::unexpected;
use super::position::{MaybePosition, Position};
use crate::error::Error;
use crate::json;
use crate::reply::{Reply, ReplyError};

/// What `publish` returns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Published {
    /// Where the publication is in the channel's history. `None` if the channel keeps none, and with Centrifugo 1 and 2.
    pub position: Option<Position>,
    /// Why `map_publish` or `map_remove` changed nothing, such as `key_exists`, `key_not_found` or `idempotency`; `None` if
    /// it did.
    pub suppressed: Option<String>,
}

impl Published {
    /// It was published whatever the result holds, so a result that is not understood is no error.
    fn decode(data: &str) -> Self {
        #[derive(Default, Deserialize)]
        struct Suppression {
            #[serde(default)]
            suppressed: bool,
            suppress_reason: Option<String>,
        }
        let position: MaybePosition = serde_json::from_str(data).unwrap_or_default();
        let Suppression { suppressed, suppress_reason } = serde_json::from_str(data).unwrap_or_default();
        let suppressed = suppressed.then(|| suppress_reason.unwrap_or_default());
        Self { position: position.into_position(), suppressed }
    }
}

impl Reply {
    /// The result of `publish`, and of `map_publish` and `map_remove`.
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the reply is that of another method. A result that is
    ///   not understood is no error: it was published all the same.
    pub fn published(&self) -> Result<Published, Error> {
        self.data_of(&["publish", "map_publish", "map_remove"]).map(Published::decode)
    }

    /// The result of `broadcast`: one for each channel.
    ///
    /// # Errors
    /// - The reply's [error](Self::result), where it is not that of a channel;
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is something else, or the reply is that of
    ///   another method.
    pub fn broadcast(&self) -> Result<Broadcast, Error> {
        #[derive(Deserialize)]
        struct Responses<'a> {
            #[serde(borrow)]
            responses: Option<Vec<&'a RawValue>>,
        }
        let has_channels = self.errors().iter().all(ReplyError::has_channel) && self.is_reply_to(&["broadcast"]);
        let data = if has_channels { self.data() } else { self.data_of(&["broadcast"])? };
        let result: Option<Responses<'_>> =
            serde_json::from_str(data).map_err(|error| unexpected(self).with_source(error))?;
        let Some(responses) = result.and_then(|result| result.responses) else {
            // Centrifugo 1 and 2 return no more than that all channels were fine.
            let channels = self.channel_count().ok_or_else(|| unexpected(self))?;
            return Ok(Broadcast { channels: vec![Ok(Published::default()); channels] });
        };
        if self.channel_count().is_some_and(|channels| channels != responses.len()) {
            return Err(unexpected(self));
        }
        let mut errors = self.errors().iter();
        let channels: Option<Vec<_>> =
            responses.into_iter().map(|response| channel_result(response.get(), &mut errors)).collect();
        Ok(Broadcast { channels: channels.ok_or_else(|| unexpected(self))? })
    }
}

/// The result of one channel; its error, if it has one, is the next. `None` where the response is not understood.
fn channel_result<'a>(
    response: &str,
    errors: &mut impl Iterator<Item = &'a ReplyError>,
) -> Option<Result<Published, ReplyError>> {
    let response = json::as_object(response)?;
    if response.get_last("error").is_some_and(|error| error != "null") {
        return errors.next().cloned().map(Err);
    }
    Some(Ok(Published::decode(response.get_last("result").unwrap_or("null"))))
}

/// What `broadcast` returns: a result for each channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use = "some of the channels may have failed"]
#[non_exhaustive]
pub struct Broadcast {
    /// The results in the order of the channels. An error [names its channel](ReplyError::channel).
    ///
    /// Centrifugo 1 and 2 stop at the first invalid channel and do not name it: then the whole broadcast is an error, though
    /// the channels before it have the message (seen on 1.8.0 and 2.8.6).
    pub channels: Vec<Result<Published, ReplyError>>,
}

impl Broadcast {
    /// The errors of the channels that failed.
    pub fn errors(&self) -> impl Iterator<Item = &ReplyError> {
        self.channels.iter().filter_map(|result| result.as_ref().err())
    }

    /// The results if no channel failed.
    ///
    /// # Errors
    /// The worst error: one of the kind [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), or else the first. The other channels may have
    /// the message: [`errors`](Self::errors) lists the ones that do not.
    pub fn into_result(self) -> Result<Vec<Published>, Error> {
        match ReplyError::worst(self.errors()) {
            Some(error) => Err(error.clone().into()),
            None => Ok(self.channels.into_iter().flatten().collect()),
        }
    }
}
