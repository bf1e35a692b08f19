//! The API methods: which versions have them, which params they take, and whether params are those of the method.
//!
//! A name is looked up once: whoever has a [`Command`](crate::Command) has the row of its method.

mod params;
mod suggestion;
mod table;
#[cfg(test)]
mod table_tests;
mod version;

pub(crate) use params::{ParamErrors, broadcast_channels};
pub(crate) use suggestion::suggestion;
pub use table::{Method, Param, ParamType};
pub use version::{ApiVersion, Versions};
