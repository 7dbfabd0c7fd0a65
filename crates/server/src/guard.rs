//! Who may ask: the name under which the server is asked, where a browser's page is from, and the token.
//!
//! A page that was loaded from elsewhere can make a browser send requests here, and with a name whose address changes (DNS
//! rebinding) it can also read the answers. It can neither choose the `Host` and `Origin` that the browser sends nor know the
//! token.

use crate::config::{ServerConfig, Token};
use crate::respond::Refused;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::{Method, StatusCode, Uri};
use std::net::IpAddr;

const HOST_REFUSED: Refused = Refused::new(
    StatusCode::MISDIRECTED_REQUEST,
    "LEAKPROBE_ERR_HOST",
    "the header `host` is none of this server's names; `serve.hosts` can allow more",
);
const TOKEN_REFUSED: Refused = Refused::new(
    StatusCode::UNAUTHORIZED,
    "LEAKPROBE_ERR_TOKEN",
    "expected the token: `authorization: Bearer <token>`, or as the password of any user",
);
const ORIGIN_REFUSED: Refused = Refused::new(
    StatusCode::FORBIDDEN,
    "LEAKPROBE_ERR_ORIGIN",
    "only this server's own page, or a client that is no browser, may do this; the header `x-leakprobe: 1` has to be there",
);
/// Base64, with or without padding.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const LONGEST_SECRET: usize = 1_024;

/// Checks requests.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    host: IpAddr,
    hosts: Vec<String>,
    token: Option<Token>,
}

impl Guard {
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let hosts = config.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { host: config.host, hosts, token: config.token.clone() }
    }

    /// Whether it may be answered at all.
    pub(crate) fn admits(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).ok_or(HOST_REFUSED)?;
        let asked = uri.authority().map_or(host, |authority| authority.as_str());
        if hosts.next().is_some() || !self.is_ours(host) || !self.is_ours(asked) {
            return Err(HOST_REFUSED);
        }
        Ok(())
    }

    /// Whether the token is there, where one is needed.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(secret);
        given.filter(|given| token.is(given)).map(|_| ()).ok_or(TOKEN_REFUSED)
    }

    /// Whether it may change something: not from another site's page, and not by a form.
    pub(crate) fn may_act(headers: &HeaderMap) -> Result<(), Refused> {
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let asked = text(&HeaderName::from_static("x-leakprobe"));
        let site = text(&HeaderName::from_static("sec-fetch-site"));
        let origin = text(&ORIGIN).map(|origin| origin.split_once("://").map_or("?", |(_, host)| host));
        let own =
            origin.is_none_or(|origin| text(&HOST).is_some_and(|host| host.eq_ignore_ascii_case(origin)));
        if asked != Some("1") || !own || !site.is_none_or(|site| matches!(site, "same-origin" | "none")) {
            return Err(ORIGIN_REFUSED);
        }
        Ok(())
    }

    /// Whether this is a name of ours: an address cannot be rebound, a name of somebody else's can.
    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.host.is_unspecified()
                || address == self.host
                || (self.host.is_loopback() && address.is_loopback());
        }
        let loopback = name == "localhost" && (self.host.is_loopback() || self.host.is_unspecified());
        loopback || self.hosts.contains(&name)
    }
}

/// The host without the port, in lower case; `None` for what is no host.
fn name_of(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.split_once(':').map_or((host, ""), |(name, _)| (name, &host[name.len()..])),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    let plain = port.is_empty() || port.parse::<u16>().is_ok();
    (plain && !name.is_empty() && !name.contains('@')).then(|| name.to_ascii_lowercase())
}

/// The secret of an `authorization` header: a bearer token, or the password of HTTP Basic.
fn secret(header: &str) -> Option<Vec<u8>> {
    let (scheme, value) = header.split_once(' ')?;
    let value = value.trim();
    if value.len() > LONGEST_SECRET {
        return None;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASIC.decode(value).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

/// What a method may do.
pub(crate) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests;
