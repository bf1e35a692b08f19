//! The issuer of a certificate, and when it expires.

use std::time::SystemTime;

use x509_cert::der::{self, Decode};
use x509_cert::ext::pkix::name::DirectoryString;
use x509_cert::name::Name;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The issuer's name, such as `R11 (Let's Encrypt)`; `None` if it has none.
    pub(super) issuer: Option<String>,
    /// Whole days until it expires; 0 for one that has expired, which is not trusted anyway.
    pub(super) days_left: u64,
}

impl Certificate {
    /// Reads a certificate in DER; `None` if it cannot be read.
    pub(super) fn parse(der: &[u8], now: SystemTime) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(der).ok()?;
        let content = certificate.tbs_certificate();
        let end = content.validity().not_after.to_system_time();
        Some(Self { issuer: name_of(content.issuer()), days_left: days_between(now, end) })
    }
}

/// The common name and the organization. The name's own `Display` would bring a table of all object identifiers, which
/// costs each start of the program time.
fn name_of(name: &Name) -> Option<String> {
    let text = |part: der::Result<Option<DirectoryString>>| part.ok().flatten().map(|text| text.value().into_owned());
    match (text(name.common_name()), text(name.organization())) {
        (Some(name), Some(organization)) => Some(format!("{name} ({organization})")),
        (name, organization) => name.or(organization),
    }
}

fn days_between(now: SystemTime, end: SystemTime) -> u64 {
    end.duration_since(now).unwrap_or_default().as_secs() / SECONDS_PER_DAY
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn days_are_whole() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS_PER_DAY);
        for (seconds, days) in [(0, 0), (86_400, 0), (2 * 86_400 - 1, 0), (2 * 86_400, 1), (11 * 86_400, 10)] {
            assert_eq!(days_between(now, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), days, "{seconds}");
        }
    }

    #[test]
    fn issuer_and_end_are_read() {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2030, 1, 31);
        params.distinguished_name = DistinguishedName::new();
        // The first of January 2030, in seconds.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        let mut parsed = |name: DnType, text: &str| {
            params.distinguished_name.push(name, text);
            let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
            assert_eq!(Certificate::parse(&der[1..], now), None);
            let certificate = Certificate::parse(&der, now).unwrap();
            (certificate.issuer.unwrap_or_default(), certificate.days_left)
        };
        assert_eq!(parsed(DnType::CountryName, "US"), (String::new(), 30));
        assert_eq!(parsed(DnType::OrganizationName, "Let's Encrypt"), ("Let's Encrypt".to_owned(), 30));
        assert_eq!(parsed(DnType::CommonName, "R11"), ("R11 (Let's Encrypt)".to_owned(), 30));
    }
}
