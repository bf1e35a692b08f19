//! The result of history.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::decode::undecodable;
use super::position::{MaybePosition, Position};
use super::presence::{ClientInfo, RawClientInfo};
use crate::error::Error;
use crate::reply::Reply;

/// What `history` returns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// The publications, oldest first, or newest first with [`reverse`](crate::HistoryOptions::reverse).
    pub publications: Vec<Publication>,
    /// The position of the newest publication in the channel, which need not be among these. `None` with Centrifugo 1
    /// and 2.
    pub position: Option<Position>,
}

impl History {
    /// The position of the last publication here: the next page of the history is [since](crate::HistoryOptions::since)
    /// it. `None` if there are no publications, and with Centrifugo 1 and 2, which return all at once.
    pub fn next_since(&self) -> Option<Position> {
        let offset = self.publications.last()?.offset?;
        let epoch = self.position.as_ref()?.epoch.clone();
        Some(Position { offset, epoch })
    }
}

/// A message in the history of a channel. Which fields there are depends on the server's version.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Publication {
    /// The data as the server keeps it: numbers, key order and escapes as they were published, except that servers drop
    /// whitespace and escape `<`, `>` and `&`. [`parse`](Self::parse) decodes it.
    ///
    /// `null` if the server sends none: Centrifugo 3 keeps no data of a publish with `b64data` (seen on 3.2.3).
    pub data: Box<RawValue>,
    /// Its number in the channel, from 1. Centrifugo 3 and later.
    pub offset: Option<u64>,
    /// Centrifugo 1 only.
    pub uid: Option<String>,
    /// The client that published it; `None` if it came through the HTTP API.
    pub info: Option<ClientInfo>,
    /// Tags that were published with it; empty if there are none. Centrifugo 3.2 and later.
    pub tags: BTreeMap<String, String>,
}

impl Publication {
    /// Decodes the data.
    ///
    /// # Errors
    /// [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.data.get()).map_err(|error| {
            undecodable("the publication's data has another type")
                .with_hint("parse it as serde_json::Value, or use its text")
                .with_source(error)
        })
    }
}

/// Compares the JSON texts.
impl PartialEq for Publication {
    fn eq(&self, other: &Self) -> bool {
        let Self { data, offset, uid, info, tags } = self;
        (data.get(), offset, uid, info, tags) == (other.data.get(), &other.offset, &other.uid, &other.info, &other.tags)
    }
}

impl Eq for Publication {}

impl Reply {
    /// The result of `history`.
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is something else, or the reply is that of
    ///   another method.
    pub fn history(&self) -> Result<History, Error> {
        self.decode(
            "history",
            // Newest first (libcentrifugo of 1.8.0).
            |publications: Option<Vec<RawPublication>>| History {
                publications: publications.unwrap_or_default().into_iter().rev().map(Publication::from).collect(),
                position: None,
            },
            |RawHistory { publications, offset, epoch }: RawHistory| History {
                publications: publications.unwrap_or_default().into_iter().map(Publication::from).collect(),
                position: MaybePosition { offset, epoch }.into_position(),
            },
        )
    }
}

#[derive(Deserialize)]
struct RawHistory {
    publications: Option<Vec<RawPublication>>,
    offset: Option<u64>,
    epoch: Option<String>,
}

#[derive(Deserialize)]
struct RawPublication {
    data: Option<Box<RawValue>>,
    offset: Option<u64>,
    uid: Option<String>,
    info: Option<RawClientInfo>,
    tags: Option<BTreeMap<String, String>>,
}

impl From<RawPublication> for Publication {
    fn from(RawPublication { data, offset, uid, info, tags }: RawPublication) -> Self {
        Self {
            data: data.unwrap_or_else(|| RawValue::NULL.to_owned()),
            offset,
            uid: uid.filter(|uid| !uid.is_empty()),
            info: info.map(ClientInfo::from),
            tags: tags.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::methods::Method;

    fn history(text: &str) -> History {
        let reply = Reply::new(&Arc::new(text.to_owned()), 0..text.len(), Vec::new());
        reply.with_method(Method::find("history"), None).history().unwrap()
    }

    /// Not recorded: as the structs of libcentrifugo 1.8.0 and of internal/apiproto 6.9.1 have it.
    #[test]
    fn publisher_and_tags_are_read() {
        let v1 = r#"{"method":"history","error":null,"body":{"channel":"a","data":[{"uid":"u","channel":"a","data":1,
            "client":"c","info":{"user":"42","client":"c","default_info":{"n":1.0},"channel_info":[2]}}]}}"#;
        let v2 = r#"{"result":{"publications":[{"data":1,"offset":7,"tags":{"b":"2","a":"1"},
            "info":{"user":"42","client":"c","conn_info":{"n":1.0},"chan_info":[2]}}],"epoch":"e","offset":9}}"#;
        for text in [v1, v2] {
            let publication = &history(text).publications[0];
            let info = publication.info.as_ref().unwrap();
            assert_eq!((&*info.user, &*info.client), ("42", "c"));
            let raw = |info: &Option<Box<RawValue>>| info.as_ref().unwrap().get().to_owned();
            assert_eq!((raw(&info.conn_info), raw(&info.chan_info)), (r#"{"n":1.0}"#.to_owned(), "[2]".to_owned()));
        }
        assert_eq!(history(v1).publications[0].uid.as_deref(), Some("u"));
        let v2 = history(v2);
        assert_eq!(v2.publications[0].tags, BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]));
        let position = |offset| Some(Position { offset, epoch: "e".to_owned() });
        assert_eq!((v2.position.clone(), v2.next_since()), (position(9), position(7)));
    }

    #[test]
    fn fields_may_be_missing_or_null() {
        for text in [
            r#"{"result":{}}"#,
            r#"{"result":{"publications":null,"epoch":null,"offset":null}}"#,
            r#"{"method":"history","error":null,"body":{"channel":"a","data":null}}"#,
        ] {
            let history = history(text);
            assert!(history.publications.is_empty() && history.position.is_none() && history.next_since().is_none());
        }
        let position = history(r#"{"result":{"epoch":"e"}}"#).position.unwrap();
        assert_eq!(position, Position { offset: 0, epoch: "e".to_owned() });
    }
}
