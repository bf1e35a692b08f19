//! Hints of the library in the words of the config file, and of the environment.

use cent::{Error, Remedy};

/// The text of an error.
pub(crate) fn text_of(error: &Error) -> String {
    in_own_words(error, error.to_string())
}

/// What to do about an error.
pub(crate) fn hint_of(error: &Error) -> Option<String> {
    error.hint().map(|hint| in_own_words(error, hint.to_owned()))
}

fn in_own_words(error: &Error, text: String) -> String {
    error.remedies().fold(text, |text, remedy| text.replace(remedy.text(), own_words(remedy)))
}

fn own_words(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::UseSecret => "set secret instead of api_key",
        Remedy::UseApiKey => "set api_key instead of secret",
        Remedy::CorrectApiKey => "your api_key must equal http_api.key",
        Remedy::RemoveComment => "the text after a ; or # is part of the value: put a comment on a line of its own",
        Remedy::UseFinalUrl => "set address to the final URL",
        Remedy::RemoveCredentials => "set secret or api_key instead",
        Remedy::CorrectProxy => "set http://HOST:PORT, or unset it",
        Remedy::AvoidProxy => "NO_PROXY",
        Remedy::TrustCertificate => "to ca_file",
        Remedy::SetClientCertificate => "set client_cert_file",
        other => other.text(),
    }
}
