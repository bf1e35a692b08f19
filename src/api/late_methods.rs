//! Methods that the first versions with their form of the API lack.

use crate::command::Command;
use crate::methods::{self, ApiVersion};

/// Method and first version. `broadcast` and `node` as their changelogs have it; 2.8.6 lacks the others, 3.2.3 has them.
const FIRST_VERSIONS: [(&str, ApiVersion, &str); 4] = [
    ("broadcast", ApiVersion::V1, "1.2.0"),
    ("node", ApiVersion::V1, "1.4.0"),
    ("subscribe", ApiVersion::V2, "3"),
    ("refresh", ApiVersion::V2, "3"),
];

/// Which version the first such method needs.
pub(super) fn hint(commands: &[Command], version: ApiVersion) -> Option<String> {
    let mut names = commands.iter().map(|command| match version {
        ApiVersion::V1 => command.method(),
        ApiVersion::V2 => methods::canonical_name(command.method()),
    });
    names.find_map(|name| {
        let (_, _, since) = FIRST_VERSIONS.iter().find(|known| (known.0, known.1) == (name, version))?;
        Some(format!("{name} needs Centrifugo {since} or later"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_late_method_is_named() {
        let commands = ["publish", "NODE", "broadcast", "node", "Refresh"]
            .map(|method| Command::new(method, r#"{"channels": ["a"], "user": "u"}"#).unwrap());
        assert_eq!(hint(&commands, ApiVersion::V1).unwrap(), "broadcast needs Centrifugo 1.2.0 or later");
        assert_eq!(hint(&commands, ApiVersion::V2).unwrap(), "refresh needs Centrifugo 3 or later");
        assert_eq!(hint(&commands[..2], ApiVersion::V1), None);
    }
}
