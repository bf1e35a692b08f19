//! The proxy that the environment sets for an address, by the rules of curl.

use std::net::IpAddr;

use anyhow::Context;
use cent::{Address, Proxy, Scheme};

/// Finds the proxy for an address, and the variable that it is from.
///
/// The address's scheme decides on the variable; `ALL_PROXY` is for both. Lower case overrides upper case, and an empty
/// variable counts as unset. Under CGI, `HTTP_PROXY` is ignored, because it holds the `Proxy` header of a client
/// (httpoxy); for that reason curl never reads it in upper case.
///
/// # Errors
/// For an invalid proxy: without it the command would take a route that the user does not want.
pub(crate) fn find_proxy(
    address: &Address,
    env_var: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<(String, Proxy)>> {
    let is_cgi_header = |name: &str| name == "HTTP_PROXY" && env_var("REQUEST_METHOD").is_some();
    let lookup_any_case = |name: &'static str| {
        let lower = name.to_ascii_lowercase();
        let set = |name: &str| env_var(name).filter(|value| !value.is_empty() && !is_cgi_header(name));
        set(&lower).map(|value| (lower.clone(), value)).or_else(|| set(name).map(|value| (name.to_owned(), value)))
    };
    let by_scheme = match address.scheme() {
        Scheme::Http => "HTTP_PROXY",
        Scheme::Https => "HTTPS_PROXY",
    };
    let Some((name, value)) = lookup_any_case(by_scheme).or_else(|| lookup_any_case("ALL_PROXY")) else {
        return Ok(None);
    };
    let exempt = lookup_any_case("NO_PROXY").is_some_and(|(_, list)| is_exempt(address.host(), address.port(), &list));
    if exempt {
        return Ok(None);
    }
    let proxy = Proxy::parse(&value).with_context(|| name.clone())?;
    Ok(Some((name, proxy)))
}

/// Whether a `NO_PROXY` list contains the host. Entries are separated by commas or white space; `*` is every host, a name
/// includes its subdomains, an IP address may be a network such as `10.0.0.0/8`, and a port may follow.
fn is_exempt(host: &str, port: u16, list: &str) -> bool {
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        match host.parse::<IpAddr>() {
            Ok(ip) => matches_ip(ip, port, entry),
            Err(_) => matches_host(host, port, entry),
        }
    })
}

fn matches_host(host: &str, port: u16, entry: &str) -> bool {
    let (name, entry_port) = match entry.rsplit_once(':') {
        Some((name, digits)) => (name, digits.parse().ok()),
        None => (entry, Some(port)),
    };
    let name = name.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_same_or_below = host.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.is_empty() && is_same_or_below && entry_port == Some(port)
}

fn matches_ip(ip: IpAddr, port: u16, entry: &str) -> bool {
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
        let env_var =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        match find_proxy(&Address::parse(address).unwrap(), env_var) {
            Ok(None) => "none".to_owned(),
            Ok(Some((_, proxy))) => proxy.name().trim_end_matches(":1080").to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn scheme_decides_on_variable() {
        let variables = [("HTTP_PROXY", "http://plain"), ("https_proxy", "http://tls")];
        assert_eq!(found("http://h", &variables), "plain");
        assert_eq!(found("https://h", &variables), "tls");
        assert_eq!(found("https://h", &[("HTTP_PROXY", "http://plain")]), "none");
        assert_eq!(found("https://h", &[("ALL_PROXY", "http://all")]), "all");
        assert_eq!(found("http://h", &[("ALL_PROXY", "http://all"), ("HTTP_PROXY", "http://plain")]), "plain");
    }

    #[test]
    fn lowercase_overrides_and_empty_is_unset() {
        assert_eq!(found("http://h", &[("HTTP_PROXY", "upper"), ("http_proxy", "lower")]), "lower");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "upper"), ("http_proxy", "")]), "upper");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "")]), "none");
    }

    #[test]
    fn ignores_http_proxy_under_cgi() {
        let cgi = ("REQUEST_METHOD", "GET");
        assert_eq!(found("http://h", &[("HTTP_PROXY", "http://visitors"), cgi]), "none");
        assert_eq!(found("http://h", &[("http_proxy", "http://ours"), ("HTTP_PROXY", "http://visitors"), cgi]), "ours");
        assert_eq!(found("https://h", &[("HTTPS_PROXY", "http://ours"), cgi]), "ours");
    }

    #[test]
    fn invalid_proxy_error_names_variable() {
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
    fn no_proxy_exempts_ips_and_networks() {
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
        // An invalid network must not match everything.
        assert!(!is_exempt("10.1.2.3", 80, "10.0.0.0/33"));
        assert!(!is_exempt("fd00::1", 80, "fd00::/129"));
        assert!(!is_exempt("fd00::1", 80, "10.0.0.0/8"));
    }
}
