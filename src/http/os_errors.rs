//! I/O errors: their words, what they wrap, and which of them pass.

use std::io::{self, ErrorKind};

/// Whether the machine is short of something for now: files, memory, threads.
pub(super) fn is_temporary(error: &io::Error) -> bool {
    // EMFILE and ENFILE have no kind in the standard library; their numbers are the same on all Unixes.
    const TOO_MANY_OPEN_FILES: [i32; 2] = [24, 23];
    let is_busy = matches!(error.kind(), ErrorKind::OutOfMemory | ErrorKind::WouldBlock | ErrorKind::Interrupted);
    is_busy || error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

/// The system's words for an error, without its number and what the standard library puts before them.
pub(super) fn text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The TLS error that an I/O error wraps, if any.
pub(super) fn tls_error_inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_errors_have_no_number_or_prefix() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(text(&refused), "connection refused");
        let lookup = io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(text(&lookup), "name or service not known");
    }

    #[test]
    fn shortages_are_temporary() {
        // EINTR, EAGAIN, ENOMEM, ENFILE, EMFILE of Linux.
        for code in [4, 11, 12, 23, 24] {
            assert!(is_temporary(&io::Error::from_raw_os_error(code)), "{code}");
        }
        // ENOENT, EACCES, EISDIR, EINVAL, ELOOP.
        for code in [2, 13, 21, 22, 40] {
            assert!(!is_temporary(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
