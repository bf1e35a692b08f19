//! Which proxy the environment names for an address, by the rules of curl.

use std::net::IpAddr;

use anyhow::Context;
use cent::{Address, Proxy, Scheme};

/// Finds the proxy for an address.
///
/// The variable goes by the address's scheme, `ALL_PROXY` serves both; lower case beats upper case, and an empty variable
/// is as good as none. Below a web server (CGI), `HTTP_PROXY` is what a visitor wrote into the header `Proxy`, and does
/// not count; curl never reads it in upper case for that reason.
///
/// # Errors
/// For a proxy that cannot be used: to pass it by would send the command another way than the user wants.
pub(crate) fn find(address: &Address, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Proxy>> {
    let is_forged = |name: &str| name == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some();
    let either_case = |name: &'static str| {
        let lower = name.to_ascii_lowercase();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty() && !is_forged(name));
        set(&lower).map(|value| (lower.clone(), value)).or_else(|| set(name).map(|value| (name.to_owned(), value)))
    };
    let by_scheme = match address.scheme() {
        Scheme::Http => "HTTP_PROXY",
        Scheme::Https => "HTTPS_PROXY",
    };
    let Some((name, value)) = either_case(by_scheme).or_else(|| either_case("ALL_PROXY")) else { return Ok(None) };
    let exempt = either_case("NO_PROXY").is_some_and(|(_, list)| is_exempt(address.host(), address.port(), &list));
    if exempt { Ok(None) } else { Proxy::parse(&value).map(Some).context(name) }
}

/// Whether a list of `NO_PROXY` names the host: entries go apart by commas or blanks, `*` is every host, a name is itself
/// and all below it, an IP address may be a network such as `10.0.0.0/8`, a port may follow.
fn is_exempt(host: &str, port: u16, list: &str) -> bool {
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        match host.parse::<IpAddr>() {
            Ok(ip) => names_ip(ip, port, entry),
            Err(_) => names_host(host, port, entry),
        }
    })
}

fn names_host(host: &str, port: u16, entry: &str) -> bool {
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, digits)) => (name, digits.parse().ok()),
        None => (entry, Some(port)),
    };
    let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let below = host.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.is_empty() && below && wanted == Some(port)
}

fn names_ip(ip: IpAddr, port: u16, entry: &str) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        let parsed = (network.trim_matches(['[', ']']).parse(), bits.parse());
        return matches!(parsed, (Ok(network), Ok(bits)) if in_network(ip, network, bits));
    }
    if let Ok(named) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
        return named == ip;
    }
    let Some((name, digits)) = entry.rsplit_once(':') else { return false };
    name.trim_matches(['[', ']']).parse() == Ok(ip) && digits.parse() == Ok(port)
}

fn in_network(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str, variables: &[(&str, &str)]) -> String {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        match find(&Address::parse(address).unwrap(), variable) {
            Ok(None) => "none".to_owned(),
            Ok(Some(proxy)) => format!("{proxy:?}").split('"').nth(1).unwrap_or_default().to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn the_scheme_chooses_the_variable() {
        let variables = [("HTTP_PROXY", "http://plain"), ("https_proxy", "http://tls")];
        assert_eq!(found("http://h", &variables), "plain");
        assert_eq!(found("https://h", &variables), "tls");
        assert_eq!(found("https://h", &[("HTTP_PROXY", "http://plain")]), "none");
        assert_eq!(found("https://h", &[("ALL_PROXY", "http://all")]), "all");
        assert_eq!(found("http://h", &[("ALL_PROXY", "http://all"), ("HTTP_PROXY", "http://plain")]), "plain");
    }

    #[test]
    fn lower_case_beats_upper_case_and_empty_is_none() {
        assert_eq!(found("http://h", &[("HTTP_PROXY", "upper"), ("http_proxy", "lower")]), "lower");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "upper"), ("http_proxy", "")]), "upper");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "")]), "none");
    }

    #[test]
    fn visitors_of_a_web_server_do_not_choose_the_proxy() {
        let cgi = ("REQUEST_METHOD", "GET");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "http://visitors"), cgi]), "none");
        assert_eq!(found("http://h", &[("http_proxy", "http://ours"), ("HTTP_PROXY", "http://visitors"), cgi]), "ours");
        assert_eq!(found("https://h", &[("HTTPS_PROXY", "http://ours"), cgi]), "ours");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_that_names_the_variable() {
        let error = found("http://h", &[("http_proxy", "socks5://u:marked@p")]);
        assert!(error.starts_with("http_proxy: unsupported proxy scheme (only http:// is supported); "), "{error}");
        assert!(!error.contains("marked"), "{error}");
    }

    #[test]
    fn no_proxy_exempts_hosts() {
        for list in [
            "*",
            "example.org",
            ".example.org",
            "EXAMPLE.org",
            "x, rt.example.org",
            "x rt.example.org",
            "rt.example.org:8000",
        ] {
            let variables = [("HTTP_PROXY", "http://p"), ("no_proxy", list)];
            assert_eq!(found("http://rt.example.org:8000", &variables), "none", "{list}");
        }
        for list in ["ample.org", "org.", "rt.example.org:80", "rt", "", "example.org.uk"] {
            let variables = [("HTTP_PROXY", "http://p"), ("NO_PROXY", list)];
            let expected = if list == "org." { "none" } else { "p" };
            assert_eq!(found("http://rt.example.org:8000", &variables), expected, "{list}");
        }
    }

    #[test]
    fn no_proxy_exempts_addresses_and_networks() {
        assert!(is_exempt("127.0.0.1", 80, "127.0.0.0/8"));
        assert!(is_exempt("10.1.2.3", 80, "10.1.2.3"));
        assert!(is_exempt("10.1.2.3", 80, "10.1.2.3:80"));
        assert!(is_exempt("10.1.2.3", 80, "0.0.0.0/0"));
        assert!(is_exempt("::1", 80, "[::1]"));
        assert!(is_exempt("fd12:3456::1", 80, "fd00::/8"));
        assert!(!is_exempt("fe00::1", 80, "fd00::/8"));
        assert!(!is_exempt("10.1.2.3", 80, "10.1.2.3:81"));
        assert!(!is_exempt("10.1.2.3", 80, "2.3"));
        assert!(!is_exempt("128.0.0.1", 80, "127.0.0.0/8"));
        // No networks, and none that would hold everything.
        assert!(!is_exempt("10.1.2.3", 80, "10.0.0.0/33"));
        assert!(!is_exempt("fd00::1", 80, "fd00::/129"));
        assert!(!is_exempt("fd00::1", 80, "10.0.0.0/8"));
    }
}
