//! What replies mean, as types that are the same for all server versions: text to values, without input or output.
//!
//! One file for each kind of result. The data in them stays raw JSON.

mod channels;
pub(crate) mod decode;
mod history;
mod map;
mod position;
mod presence;
mod published;

pub use channels::ChannelInfo;
pub use history::{History, Publication};
pub use map::{MapEntries, MapEntry, MapStats};
pub use position::Position;
pub use presence::{ClientInfo, PresenceStats};
pub use published::{Broadcast, Published};
