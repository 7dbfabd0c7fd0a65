//! Who may ask.

use super::*;
use hyper::header::HeaderValue;

fn guard(host: &str, hosts: &[&str], token: Option<&str>) -> Guard {
    let config = serde_json::json!({ "port": 1, "host": host, "hosts": hosts, "token": token });
    Guard::new(&serde_json::from_value(config).unwrap())
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn admits(guard: &Guard, host: &str) -> bool {
    guard.admits(&Uri::from_static("/"), &headers(&[("host", host)])).is_ok()
}

#[test]
fn on_loopback_only_its_names_and_addresses_are_answered() {
    let guard = guard("127.0.0.1", &[], None);
    for host in
        ["localhost", "LOCALHOST:9464", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:9464", "127.9.9.9:80"]
    {
        assert!(admits(&guard, host), "{host}");
    }
    let wrong = [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "",
        ":80",
        "[::1",
        "[::2]",
        "localhost:x",
        "a@localhost",
        "127.0.0.1.evil.example",
        "localhost:99999",
        "0.0.0.0",
        "localhost:80:80",
    ];
    for host in wrong {
        assert!(!admits(&guard, host), "{host}");
    }
    assert_eq!(guard.admits(&Uri::from_static("/"), &HeaderMap::new()), Err(HOST_REFUSED));
    let two = headers(&[("host", "localhost"), ("host", "evil.example")]);
    assert_eq!(guard.admits(&Uri::from_static("/"), &two), Err(HOST_REFUSED));
    let elsewhere = Uri::from_static("http://evil.example/");
    assert_eq!(guard.admits(&elsewhere, &headers(&[("host", "localhost")])), Err(HOST_REFUSED));
    assert!(guard.admits(&Uri::from_static("http://localhost/"), &headers(&[("host", "localhost")])).is_ok());
}

#[test]
fn elsewhere_its_address_and_the_names_that_were_allowed() {
    let bound = guard("10.1.2.3", &["App.internal"], None);
    assert!(admits(&bound, "10.1.2.3:9464") && admits(&bound, "app.INTERNAL:9464"));
    assert!(!admits(&bound, "10.1.2.4") && !admits(&bound, "localhost") && !admits(&bound, "evil.example"));
    let any = guard("0.0.0.0", &[], None);
    assert!(admits(&any, "10.1.2.3") && admits(&any, "[fe80::1]:9464") && admits(&any, "localhost"));
    assert!(!admits(&any, "evil.example"));
}

#[test]
fn the_token_comes_as_bearer_or_as_a_password() {
    let guard = guard("127.0.0.1", &[], Some("0123456789abcdef"));
    let knows = |value: &str| guard.knows(&headers(&[("authorization", value)])).is_ok();
    for right in [
        "Bearer 0123456789abcdef",
        "bearer 0123456789abcdef",
        "Basic bWU6MDEyMzQ1Njc4OWFiY2RlZg==",
        "Basic OjAxMjM0NTY3ODlhYmNkZWY",
    ] {
        assert!(knows(right), "{right}");
    }
    let long = format!("Bearer {}", "a".repeat(5_000));
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer 0123456789abcdee",
        "Basic 0123456789abcdef",
        "Basic é",
        "Digest x",
        &long,
    ] {
        assert!(!knows(wrong), "{wrong}");
    }
    assert_eq!(guard.knows(&HeaderMap::new()), Err(TOKEN_REFUSED));
}

#[test]
fn acting_needs_the_header_and_no_other_site() {
    let may = |pairs: &[(&'static str, &str)]| Guard::may_act(&headers(pairs)).is_ok();
    let host = ("host", "localhost:1");
    let asked = ("x-leakprobe", "1");
    assert!(may(&[host, asked]));
    assert!(may(&[host, asked, ("origin", "http://localhost:1"), ("sec-fetch-site", "same-origin")]));
    assert!(!may(&[host]));
    assert!(!may(&[host, ("x-leakprobe", "0")]));
    for origin in
        ["http://localhost:2", "https://evil.example", "null", "", "http://localhost:1.evil.example"]
    {
        assert!(!may(&[host, asked, ("origin", origin)]), "{origin}");
    }
    assert!(!may(&[host, asked, ("sec-fetch-site", "cross-site")]));
    assert!(!may(&[host, asked, ("sec-fetch-site", "same-site")]));
}
