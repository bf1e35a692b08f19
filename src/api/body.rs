//! The body of a request.

use std::fmt;

use crate::command::Command;
use crate::json;

/// Params of this many bytes or more are not copied into the body's text.
const LARGE_PARAMS_BYTES: usize = 64 * 1024;

/// An estimate of what a command takes besides method and params, to allocate once.
const COMMAND_OVERHEAD_BYTES: usize = 32;

/// A body in chunks: small params are joined, large ones stay in their command, so that megabytes are not copied.
pub(super) struct Body {
    chunks: Vec<Chunk>,
    len: u64,
}

enum Chunk {
    Text(String),
    /// The params of the command at this index.
    Params(usize),
}

impl Body {
    /// Joins commands, each as `{"method": …, "params": …}`.
    pub(super) fn from_commands(commands: &[Command], open: &str, separator: &str, close: &str) -> Self {
        // Both members always: Centrifugo 2 and later execute a command without a method as publish.
        let push_method = |text: &mut String, command: &Command| {
            text.push_str("{\"method\":");
            json::push_string(text, command.method());
            text.push_str(",\"params\":");
        };
        Self::join(commands, [open, separator, close], push_method, "}")
    }

    /// Joins the params of commands, each with a text before it, which depends on the method, and one after it.
    pub(super) fn join(
        commands: &[Command],
        [open, separator, close]: [&str; 3],
        push_method: impl Fn(&mut String, &Command),
        after_params: &str,
    ) -> Self {
        let mut chunks = Vec::new();
        let copied = |len| if len < LARGE_PARAMS_BYTES { len } else { 0 };
        let size = |command: &Command| COMMAND_OVERHEAD_BYTES + command.method().len() + copied(command.params_size());
        let mut text = String::with_capacity(commands.iter().map(size).sum());
        text.push_str(open);
        // Most commands have the same method as the one before.
        let (mut prefix, mut last_method) = (String::new(), None);
        for (index, command) in commands.iter().enumerate() {
            if index > 0 {
                text.push_str(separator);
            }
            if last_method != Some(command.method()) {
                prefix.clear();
                push_method(&mut prefix, command);
                last_method = Some(command.method());
            }
            text.push_str(&prefix);
            let params = command.params();
            if params.len() < LARGE_PARAMS_BYTES {
                text.push_str(params);
            } else {
                chunks.extend([Chunk::Text(std::mem::take(&mut text)), Chunk::Params(index)]);
            }
            text.push_str(after_params);
        }
        text.push_str(close);
        chunks.push(Chunk::Text(text));
        let len = texts(&chunks, commands).map(|text| text.len() as u64).sum();
        Self { chunks, len }
    }

    pub(super) fn empty() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// The chunks in order; `commands` are those that the body was built of.
    pub(super) fn chunks<'a>(&'a self, commands: &'a [Command]) -> impl Iterator<Item = &'a str> {
        texts(&self.chunks, commands)
    }

    /// The size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

fn texts<'a>(chunks: &'a [Chunk], commands: &'a [Command]) -> impl Iterator<Item = &'a str> {
    chunks.iter().map(|chunk| match chunk {
        Chunk::Text(text) => text,
        Chunk::Params(index) => commands.get(*index).map_or("", Command::params),
    })
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_params_are_joined_like_small_ones() {
        let large = format!(r#"{{"channel":"a","data":"{}"}}"#, "x".repeat(LARGE_PARAMS_BYTES));
        let small = r#"{"channel":"a","data":1}"#;
        let commands = [&large, small, &large].map(|params| Command::new("publish", params).unwrap());
        let body = Body::from_commands(&commands, "[", ",", "]");
        let [large, small] = [&large, small].map(|params| format!(r#"{{"method":"publish","params":{params}}}"#));
        assert_eq!(body.chunks(&commands).collect::<String>(), format!("[{large},{small},{large}]"));
        assert_eq!(body.chunks(&commands).count(), 5);
    }
}
