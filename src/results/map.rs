//! The results of the methods for map channels. Centrifugo 6.8 and later.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::decode::undecodable;
use super::position::{MaybePosition, Position};
use crate::error::Error;
use crate::reply::Reply;

/// What `map_read_state` and `map_read_stream` return.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapEntries {
    /// The entries: each key once in the state, each change of one in the stream.
    pub entries: Vec<MapEntry>,
    /// The position of the newest change in the channel. `None` if the channel keeps no stream.
    pub position: Option<Position>,
    /// Where the next page of the state begins: see [`MapStateOptions::cursor`](crate::MapStateOptions::cursor). `None`
    /// after the last page, and for a stream.
    pub cursor: Option<String>,
}

/// A key of a map channel with its value, or a change of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MapEntry {
    /// The key.
    pub key: String,
    /// The value as the server keeps it; `null` for a key that was removed. [`parse`](Self::parse) decodes it.
    pub data: Box<RawValue>,
    /// The number of the change in the channel, from 1. `None` if the channel keeps no stream.
    pub offset: Option<u64>,
    /// Whether the key was removed; only in a stream.
    pub is_removed: bool,
    /// When the server got it, by its clock and in milliseconds.
    pub time: Option<SystemTime>,
    /// Tags that were published with it; empty if there are none.
    pub tags: BTreeMap<String, String>,
}

impl MapEntry {
    /// Decodes the data.
    ///
    /// # Errors
    /// [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is not a `T`.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.data.get()).map_err(|error| {
            undecodable("the entry's data has another type")
                .with_hint("parse it as serde_json::Value, or use its text")
                .with_source(error)
        })
    }
}

/// Compares the JSON texts.
impl PartialEq for MapEntry {
    fn eq(&self, other: &Self) -> bool {
        let Self { key, data, offset, is_removed, time, tags } = self;
        (key, data.get(), offset, is_removed, time, tags)
            == (&other.key, other.data.get(), &other.offset, &other.is_removed, &other.time, &other.tags)
    }
}

impl Eq for MapEntry {}

/// What `map_stats` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[non_exhaustive]
pub struct MapStats {
    /// The number of keys.
    #[serde(default)]
    pub num_keys: u64,
}

impl Reply {
    /// The result of `map_read_state` or `map_read_stream`.
    ///
    /// # Errors
    /// - The reply's [error](Self::result);
    /// - [`ErrorKind::Undecodable`](crate::ErrorKind::Undecodable): the data is something else, or the reply is that of
    ///   another method.
    pub fn map_entries(&self) -> Result<MapEntries, Error> {
        let RawEntries { entries, offset, epoch, cursor } = self.decode_one(&["map_read_state", "map_read_stream"])?;
        let entries = entries.unwrap_or_default().into_iter().map(MapEntry::from).collect();
        let position = MaybePosition { offset, epoch }.into_position();
        Ok(MapEntries { entries, position, cursor: cursor.filter(|cursor| !cursor.is_empty()) })
    }

    /// The result of `map_stats`.
    ///
    /// # Errors
    /// As [`map_entries`](Self::map_entries).
    pub fn map_stats(&self) -> Result<MapStats, Error> {
        self.decode_one(&["map_stats"])
    }

    /// The result of `rpc`: what the procedure returned, `null` if nothing.
    ///
    /// # Errors
    /// As [`map_entries`](Self::map_entries).
    pub fn rpc(&self) -> Result<Box<RawValue>, Error> {
        #[derive(Deserialize)]
        struct Procedure {
            data: Option<Box<RawValue>>,
        }
        let Procedure { data } = self.decode_one(&["rpc"])?;
        Ok(data.unwrap_or_else(|| RawValue::NULL.to_owned()))
    }
}

#[derive(Deserialize)]
struct RawEntries {
    entries: Option<Vec<RawEntry>>,
    offset: Option<u64>,
    epoch: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct RawEntry {
    key: String,
    data: Option<Box<RawValue>>,
    offset: Option<u64>,
    #[serde(default)]
    removed: bool,
    time: Option<u64>,
    tags: Option<BTreeMap<String, String>>,
}

impl From<RawEntry> for MapEntry {
    fn from(RawEntry { key, data, offset, removed, time, tags }: RawEntry) -> Self {
        Self {
            key,
            data: data.unwrap_or_else(|| RawValue::NULL.to_owned()),
            offset,
            is_removed: removed,
            time: time.and_then(|milliseconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))),
            tags: tags.unwrap_or_default(),
        }
    }
}
