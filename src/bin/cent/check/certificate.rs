//! What a certificate says about itself.

use std::time::SystemTime;

use x509_cert::der::Decode;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The name of who issued it, as in `CN=R11,O=Let's Encrypt,C=US`.
    pub(super) issuer: String,
    /// Whole days until it ends; a certificate that has ended is not trusted.
    pub(super) days_left: u64,
}

impl Certificate {
    /// Reads a certificate in DER; `None` if it cannot be read.
    pub(super) fn parse(der: &[u8], now: SystemTime) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(der).ok()?;
        let content = certificate.tbs_certificate();
        let end = content.validity().not_after.to_system_time();
        Some(Self { issuer: content.issuer().to_string(), days_left: days_between(now, end) })
    }
}

fn days_between(now: SystemTime, end: SystemTime) -> u64 {
    end.duration_since(now).unwrap_or_default().as_secs() / SECONDS_PER_DAY
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

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
        params.distinguished_name.push(DnType::CommonName, "the authority");
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        // The first of January 2030, in seconds.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        let expected = Certificate { issuer: "CN=the authority".to_owned(), days_left: 30 };
        assert_eq!(Certificate::parse(&der, now), Some(expected));
        assert_eq!(Certificate::parse(&der[1..], now), None);
    }
}
