//! Commands: a method and its params, checked before anything is sent.

/// The candidate that `name` was most likely meant to be, if any is near enough to be worth naming.
///
/// ```
/// assert_eq!(cent::nearest("publsh", ["broadcast", "publish"]), Some("publish"));
/// assert_eq!(cent::nearest("rpc", ["broadcast", "publish"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        // One slip in three letters at most: further off, a guess misleads more than it helps.
        .filter(|(slips, candidate)| slips * 3 <= name.chars().count().max(candidate.chars().count()))
        .min_by_key(|&(slips, _)| slips)
        .map(|(_, candidate)| candidate)
}
