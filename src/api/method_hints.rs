//! What to do where a server rejects a request because of a method, without saying so.

use crate::command::Command;
use crate::methods::{self, ApiVersion};

/// The method that was probably meant by the first unknown one; `None` where all are known.
pub(super) fn unknown_method(commands: &[Command], version: ApiVersion) -> Option<String> {
    let unknown = commands.iter().find(|command| command.method_in(version).is_none())?;
    let (name, suggestion) = (unknown.method(), methods::suggestion(unknown.method(), version));
    Some(format!("unknown method {name}, or invalid params; {suggestion}"))
}

/// Which servers have the first method that some servers lack.
pub(super) fn limited_method(commands: &[Command], version: ApiVersion) -> Option<String> {
    let mut methods = commands.iter().filter_map(|command| command.method_in(version));
    methods.find_map(|method| Some(format!("{} needs {}", method.name, method.availability(version)?)))
}

/// What to do where the server says that it does not have the method.
pub(super) fn unsupported_method(command: &Command, version: ApiVersion) -> Option<String> {
    match command.method_in(version) {
        None => Some(methods::suggestion(command.method(), version)),
        Some(_) => limited_method(std::slice::from_ref(command), version),
    }
}

/// Whether servers of this generation lack one of the methods, or those of the versions before it.
pub(super) fn may_lack_any(commands: &[Command], version: ApiVersion) -> bool {
    // No Centrifugo 1 in use is so old that it lacks a method of the later ones.
    commands.iter().any(|command| command.method_in(version).is_none())
        || version == ApiVersion::V2 && limited_method(commands, version).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_method_that_some_servers_lack_is_named() {
        let commands = ["publish", "NODE", "broadcast", "node", "Refresh"]
            .map(|method| Command::new(method, r#"{"channels": ["a"], "user": "u"}"#).unwrap());
        assert_eq!(limited_method(&commands, ApiVersion::V1).unwrap(), "broadcast needs Centrifugo 1.2.0 or later");
        assert_eq!(limited_method(&commands, ApiVersion::V2).unwrap(), "refresh needs Centrifugo 3.0 or later");
        assert_eq!(limited_method(&commands[..2], ApiVersion::V1), None);
    }
}
