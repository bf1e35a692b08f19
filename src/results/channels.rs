//! The result of channels.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Error;
use crate::reply::Reply;

/// What `channels` returns about a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// How many clients are subscribed. Centrifugo 3 and later.
    pub num_clients: Option<u64>,
}

/// Names, or since Centrifugo 3 an object with the names as keys.
#[derive(Deserialize)]
#[serde(untagged)]
enum Channels {
    Names(Vec<String>),
    Infos(BTreeMap<String, ChannelInfo>),
}

impl Channels {
    fn into_map(self) -> BTreeMap<String, ChannelInfo> {
        match self {
            Self::Names(names) => names.into_iter().map(|name| (name, ChannelInfo::default())).collect(),
            Self::Infos(infos) => infos,
        }
    }
}

impl Reply {
    /// The result of `channels`: the active channels by their names.
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is something else, or the reply is that of
    ///   another method.
    pub fn channels(&self) -> Result<BTreeMap<String, ChannelInfo>, Error> {
        #[derive(Deserialize)]
        struct Result {
            channels: Option<Channels>,
        }
        let map = |channels: Option<Channels>| channels.map(Channels::into_map).unwrap_or_default();
        self.decode("channels", map, |Result { channels }: Result| map(channels))
    }
}
