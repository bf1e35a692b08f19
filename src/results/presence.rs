//! The results of presence and `presence_stats`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Error;
use crate::reply::Reply;

/// A client that is subscribed to a channel, or that published to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientInfo {
    /// The user's id; empty for anonymous clients.
    pub user: String,
    /// The connection's id.
    pub client: String,
    /// What the connection's token says about it. Centrifugo 1 calls it `default_info`.
    pub conn_info: Option<Box<RawValue>>,
    /// What the subscription's token says about it. Centrifugo 1 calls it `channel_info`.
    pub chan_info: Option<Box<RawValue>>,
}

/// Compares the JSON texts.
impl PartialEq for ClientInfo {
    fn eq(&self, other: &Self) -> bool {
        let Self { user, client, conn_info, chan_info } = self;
        (user, client, text(conn_info), text(chan_info))
            == (&other.user, &other.client, text(&other.conn_info), text(&other.chan_info))
    }
}

impl Eq for ClientInfo {}

#[expect(clippy::ref_option, reason = "as the fields are")]
fn text(json: &Option<Box<RawValue>>) -> Option<&str> {
    json.as_deref().map(RawValue::get)
}

/// A client as any version writes it.
#[derive(Deserialize)]
pub(super) struct RawClientInfo {
    #[serde(default)]
    user: String,
    #[serde(default)]
    client: String,
    conn_info: Option<Box<RawValue>>,
    default_info: Option<Box<RawValue>>,
    chan_info: Option<Box<RawValue>>,
    channel_info: Option<Box<RawValue>>,
}

impl From<RawClientInfo> for ClientInfo {
    fn from(raw: RawClientInfo) -> Self {
        Self {
            user: raw.user,
            client: raw.client,
            conn_info: raw.conn_info.or(raw.default_info),
            chan_info: raw.chan_info.or(raw.channel_info),
        }
    }
}

/// How many clients and users are in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub struct PresenceStats {
    /// The number of clients.
    #[serde(default)]
    pub num_clients: u64,
    /// The number of different users.
    #[serde(default)]
    pub num_users: u64,
}

impl Reply {
    /// The result of `presence`: the clients by their ids.
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is something else, or the reply is that of
    ///   another method.
    pub fn presence(&self) -> Result<BTreeMap<String, ClientInfo>, Error> {
        #[derive(Deserialize)]
        struct Presence {
            presence: Option<BTreeMap<String, RawClientInfo>>,
        }
        let clients = |clients: Option<BTreeMap<String, RawClientInfo>>| {
            clients.unwrap_or_default().into_iter().map(|(id, client)| (id, client.into())).collect()
        };
        self.decode("presence", clients, |Presence { presence }: Presence| clients(presence))
    }

    /// The result of `presence_stats`.
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is something else, or the reply is that of
    ///   another method.
    pub fn presence_stats(&self) -> Result<PresenceStats, Error> {
        self.decode_one(&["presence_stats"])
    }
}
