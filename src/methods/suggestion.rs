//! What was probably meant instead of an unknown name.

use super::table::Method;
use super::version::ApiVersion;

/// The method that was probably meant by an unknown name, or else the known ones.
pub(crate) fn suggestion(name: &str, version: ApiVersion) -> String {
    let names = || Method::all().iter().filter(|method| method.versions(version).is_some()).map(|method| method.name);
    match closest_match(name, names()) {
        Some(name) => format!("did you mean {name}?"),
        None => format!("known methods: {}", names().collect::<Vec<_>>().join(", ")),
    }
}

/// The closest match for `name`, if any is close enough to suggest.
pub(super) fn closest_match<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        // One typo in three letters at most: a wilder guess misleads more than it helps.
        .filter(|(typos, candidate)| typos * 3 <= name.chars().count().max(candidate.chars().count()))
        .min_by_key(|&(typos, _)| typos)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closest_match_finds_typos() {
        for (typed, meant) in [("publsh", "did you mean publish?"), ("PUBLISH", "did you mean publish?")] {
            assert_eq!(suggestion(typed, ApiVersion::V1), meant);
        }
        assert_eq!(suggestion("histroy", ApiVersion::V2), "did you mean history?");
        assert!(suggestion("frobnicate", ApiVersion::V2).starts_with("known methods: publish, broadcast, "));
    }
}
