//! Versions of the server.

/// The two generations of the API, as methods and their params go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiVersion {
    /// Centrifugo 1, which has a secret: method names in lower case only.
    V1,
    /// Centrifugo 2 to 6, which have an API key: method names in any case.
    V2,
}

/// Which versions of one generation have a method or a param.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Versions {
    /// The first one, such as `5.2`; `None` if all have it from the start.
    pub first: Option<&'static str>,
    /// The last one; `None` if the newest still has it.
    pub last: Option<&'static str>,
}

impl Versions {
    pub(super) const ALL: Self = Self { first: None, last: None };
}
