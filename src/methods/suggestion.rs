//! What was probably meant instead of an unknown name.

use super::table::Method;
use super::version::ApiVersion;

impl Method {
    /// The method that was probably meant by an unknown name: one with a typo or two, or the only one that begins so.
    ///
    /// ```
    /// use cent::{ApiVersion, Method};
    ///
    /// assert_eq!(Method::closest("publsh", ApiVersion::V2), Method::find("publish"));
    /// assert_eq!(Method::closest("pub", ApiVersion::V2), Method::find("publish"));
    /// assert_eq!(Method::closest("frobnicate", ApiVersion::V2), None);
    /// ```
    pub fn closest(name: &str, version: ApiVersion) -> Option<&'static Self> {
        let known = |is_current: bool| {
            let methods = Self::all().iter().filter(move |method| method.versions(version).is_some());
            methods.filter(move |method| method.is_current(version) == is_current).map(|method| method.name)
        };
        // Few have Centrifugo PRO.
        let closest = |is_current: bool| {
            closest_match(name, known(is_current)).or_else(|| only_beginning(name, known(is_current)))
        };
        closest(true).or_else(|| closest(false)).and_then(Self::find)
    }
}

/// The method that was probably meant by an unknown name, or else the known ones.
pub(crate) fn suggestion(name: &str, version: ApiVersion) -> String {
    if let Some(method) = Method::closest(name, version) {
        return format!("did you mean {}?", method.name);
    }
    let known = Method::all().iter().filter(|method| method.is_current(version));
    format!("known methods: {}", known.map(|method| method.name).collect::<Vec<_>>().join(", "))
}

/// The candidate that begins with `name`, if it is the only one.
fn only_beginning<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let mut candidates = candidates.into_iter().filter(|candidate| candidate.starts_with(&name));
    candidates.next().filter(|_| candidates.next().is_none())
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
        assert_eq!(suggestion("blok_user", ApiVersion::V2), "did you mean block_user?");
        assert_eq!(suggestion("DISC", ApiVersion::V2), "did you mean disconnect?");
        // Several begin so.
        assert!(suggestion("hist", ApiVersion::V2).starts_with("known methods: "));
        assert!(suggestion("frobnicate", ApiVersion::V2).starts_with("known methods: publish, broadcast, "));
    }
}
