//! The suggestion in an error about a name.

/// "did you mean X?" with the closest of the candidates, if one is close.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    cent::closest_match(name, candidates).map(|closest| format!("did you mean {closest}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_close_names_only() {
        assert_eq!(did_you_mean("publsh", ["history", "publish"]).as_deref(), Some("did you mean publish?"));
        assert_eq!(did_you_mean("frobnicate", ["history", "publish"]), None);
    }
}
