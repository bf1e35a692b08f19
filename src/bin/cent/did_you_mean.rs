//! The suggestion in an error about a name.

/// "did you mean X?" with the closest of the candidates, if one is close.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest_match(name, candidates).map(|closest| format!("did you mean {closest}?"))
}

/// The closest of the candidates, if one is close.
pub(crate) fn closest_match<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let typos = |candidate: &str| strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
    let candidates = candidates.into_iter().map(|candidate| (typos(candidate), candidate));
    // One typo in three letters at most: a wilder guess misleads more than it helps.
    let close =
        candidates.filter(|(typos, candidate)| typos * 3 <= name.chars().count().max(candidate.chars().count()));
    close.min_by_key(|&(typos, _)| typos).map(|(_, candidate)| candidate)
}

/// The candidate that begins with this name, if it is the only one.
pub(crate) fn only_beginning<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut candidates = candidates.into_iter().filter(|candidate| candidate.starts_with(name));
    candidates.next().filter(|_| candidates.next().is_none())
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
