//! What the server answered.

/// The server's answer to one command, as the server wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    text: String,
}
