//! The body of a request.

use std::fmt;
use std::iter::Enumerate;
use std::slice;

use crate::command::Command;
use crate::json;

/// A body in chunks: params stay in their commands, so that nothing is copied before it is sent.
pub(super) struct Body {
    /// Up to the first params; empty without commands.
    open: String,
    /// What is between the params of a command and those of the one before, from the command at this index on: most
    /// commands have the same method as the one before.
    joints: Vec<(usize, String)>,
    close: String,
    len: u64,
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
        let Some((first, others)) = commands.split_first() else {
            let close = [open, close].concat();
            return Self { len: close.len() as u64, close, ..Self::empty() };
        };
        let mut body = Self { open: open.to_owned(), close: [after_params, close].concat(), ..Self::empty() };
        push_method(&mut body.open, first);
        let mut len = body.open.len() + first.params().len() + body.close.len();
        let (mut joint_len, mut last_method) = (0, None);
        for (index, command) in (1..).zip(others) {
            if last_method != Some(command.method()) {
                let mut joint = [after_params, separator].concat();
                push_method(&mut joint, command);
                joint_len = joint.len();
                body.joints.push((index, joint));
                last_method = Some(command.method());
            }
            len += joint_len + command.params().len();
        }
        body.len = len as u64;
        body
    }

    pub(super) fn empty() -> Self {
        Self { open: String::new(), joints: Vec::new(), close: String::new(), len: 0 }
    }

    /// The chunks in order; `commands` are those that the body was built of.
    pub(super) fn chunks<'a>(&'a self, commands: &'a [Command]) -> impl Iterator<Item = &'a str> {
        Chunks { commands: commands.iter().enumerate(), joints: &self.joints, next_joint: &self.open, params: None }
            .chain([self.close.as_str()])
    }

    /// The size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

/// The chunks before the last one: for each command, what is before its params, and these.
struct Chunks<'a> {
    commands: Enumerate<slice::Iter<'a, Command>>,
    joints: &'a [(usize, String)],
    next_joint: &'a str,
    params: Option<&'a str>,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if let Some(params) = self.params.take() {
            return Some(params);
        }
        let (index, command) = self.commands.next()?;
        self.params = Some(command.params());
        if let Some(((start, joint), rest)) = self.joints.split_first()
            && *start == index
        {
            (self.joints, self.next_joint) = (rest, joint);
        }
        Some(self.next_joint)
    }
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
    fn chunks_are_the_commands_in_order() {
        let command = |method: &str, params: &str| Command::new(method, params).unwrap();
        let commands = [
            command("publish", r#" {"channel":"a","data":1} "#),
            command("publish", r#"{"channel":"a","data":2}"#),
            command("info", "{}"),
            command("publish", r#"{"channel":"a","data":3}"#),
        ];
        let publish = |number: u8| format!(r#"{{"method":"publish","params":{{"channel":"a","data":{number}}}}}"#);
        let info = r#"{"method":"info","params":{}}"#;
        for (count, expected) in [
            (0, "[]".to_owned()),
            (1, format!("[{}]", publish(1))),
            (4, format!("[{},{},{info},{}]", publish(1), publish(2), publish(3))),
        ] {
            let commands = &commands[..count];
            let body = Body::from_commands(commands, "[", ",", "]");
            assert_eq!(body.chunks(commands).collect::<String>(), expected);
            assert_eq!(body.len(), expected.len() as u64);
        }
    }
}
