//! What to do where a server rejects a request because of a method, without saying so.

use crate::command::Command;
use crate::methods::{self, ApiVersion};

/// The method that was probably meant by the first unknown one; `None` where all are known.
pub(super) fn unknown_method(commands: &[Command], version: ApiVersion) -> Option<String> {
    let unknown = commands.iter().find(|command| command.method_in(version).is_none())?;
    let (name, suggestion) = (unknown.method(), methods::suggestion(unknown.method(), version));
    Some(format!("unknown method {name}, or invalid params; {suggestion}"))
}

/// Which version the first method needs that some versions lack.
pub(super) fn late_method(commands: &[Command], version: ApiVersion) -> Option<String> {
    let methods = commands.iter().filter_map(|command| command.method_in(version));
    let mut first_versions = methods.filter_map(|method| Some((method.name, method.versions(version)?.first?)));
    first_versions.next().map(|(name, first)| format!("{name} needs Centrifugo {first} or later"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_late_method_is_named() {
        let commands = ["publish", "NODE", "broadcast", "node", "Refresh"]
            .map(|method| Command::new(method, r#"{"channels": ["a"], "user": "u"}"#).unwrap());
        assert_eq!(late_method(&commands, ApiVersion::V1).unwrap(), "broadcast needs Centrifugo 1.2.0 or later");
        assert_eq!(late_method(&commands, ApiVersion::V2).unwrap(), "refresh needs Centrifugo 3 or later");
        assert_eq!(late_method(&commands[..2], ApiVersion::V1), None);
    }
}
