//! Traits of the public types: a list of them all.

use std::fmt::Debug;
use std::hash::Hash;

use cent::{
    Address, ApiForm, ApiVersion, Broadcast, CaCertificates, ChannelInfo, Client, ClientCertificate, ClientInfo,
    Command, ConnectionInfo, DisconnectOptions, Endpoint, Error, ErrorKind, Event, History, HistoryOptions,
    HttpRequest, IdempotencyKey, IdempotencySupport, MapEntries, MapEntry, MapPublishOptions, MapRemoveOptions,
    MapStateOptions, MapStats, MapStreamOptions, Method, NextStep, Param, ParamType, Position, PresenceStats, Proxy,
    Publication, PublishOptions, Published, RefreshOptions, Remedy, Repeat, Reply, ReplyError, RequestBuilder,
    RetryPolicy, Scheme, SharedPollPublishOptions, SubscribeOptions, TlsInfo, UnsubscribeOptions, Versions,
};

use super::publishes;
use crate::server::{API_KEY, ApiForm as Form, SECRET, Server};

/// Checks at compile time that types have traits, and lists their names.
macro_rules! types_with {
    ($($bound:path),+ => $($name:ty),+ $(,)?) => {{
        fn check<T: $($bound +)+>() {}
        $(check::<$name>();)+
        [$(stringify!($name)),+].map(|name| name.split('<').next().unwrap_or_default())
    }};
}

#[test]
fn all_types_have_common_traits() {
    let values = types_with!(
        Debug, Clone, Eq, Hash, Send, Sync =>
        Address, ApiForm, ApiVersion, Broadcast, ChannelInfo, Command, ConnectionInfo, DisconnectOptions, Endpoint,
        ErrorKind, Event<'_>, HistoryOptions, IdempotencyKey, IdempotencySupport, MapPublishOptions, MapRemoveOptions,
        MapStateOptions, MapStats, MapStreamOptions, NextStep, Param, ParamType, Position, PresenceStats, Proxy,
        PublishOptions, Published, RefreshOptions, Remedy, Repeat, Reply, ReplyError, RetryPolicy, Scheme,
        SharedPollPublishOptions, SubscribeOptions, TlsInfo, UnsubscribeOptions, Versions,
    );
    // Raw JSON has no hash.
    let with_json = types_with!(Debug, Clone, Eq, Send, Sync => ClientInfo, History, MapEntries, MapEntry, Publication);
    let certificates = types_with!(Debug, Clone, Send, Sync => CaCertificates, ClientCertificate);
    // Only rows of the table.
    let rows = types_with!(Debug, Eq, Hash, Send, Sync => Method);
    let requests = types_with!(Debug, Send, Sync => HttpRequest<'static>, RequestBuilder);
    let errors = types_with!(std::error::Error, Send, Sync => Error, ReplyError);
    // Its log need not be `Sync`, and it sends one request at a time.
    let clients = types_with!(Debug, Send => Client);

    let all = [&values[..], &with_json, &certificates, &rows, &requests, &errors, &clients].concat();
    let Ok(items) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/public-api.txt")) else { return };
    for line in items.lines() {
        let words: Vec<&str> = line.split([' ', '<', '(']).collect();
        let type_at = words.iter().position(|word| matches!(*word, "struct" | "enum"));
        let Some(name) = type_at.and_then(|index| words[index + 1].strip_prefix("cent::")) else { continue };
        assert!(all.contains(&name), "{line}: which traits does it have?");
    }
}

#[test]
fn debug_output_has_no_credentials() {
    for form in Form::ALL {
        let server = form.server().expect_no_connection();
        let proxy: Proxy = "http://user:hidden-password@localhost:1".parse().unwrap();
        let client = form.client(&server.address()).with_proxy(proxy.clone());
        let commands = publishes(["news"]);
        let request = client.requests().request(&commands[..]).unwrap();
        let shown = format!(
            "{client:?} {request:?} {:?} {:?} {proxy:?}",
            client.requests(),
            request.headers().collect::<Vec<_>>()
        );
        for secret in [SECRET, API_KEY, "hidden-password", "aGlkZGVu"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let server = Server::version(6);
    let mut wrong = Client::with_api_key(&server.address(), "marked-key").unwrap();
    let error = wrong.publish("news", &1).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("marked-key"), "{error:?}");
}
