//! One attempt at sending: HTTP, TLS, and the signature.

use super::delivery::Attempt;
use leakprobe_core::alarm::{Alarm, Format, Message, Secret, slack};
use ring::hmac;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error};

/// An attempt takes at most so long, name, connection, TLS and answer together.
pub(super) const LONGEST: Duration = Duration::from_secs(5);
/// Largest file of certificates, bytes.
const LARGEST_CA: u64 = 4 << 20;

/// Sends to one alarm.
#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: Secret,
    key: Option<Secret>,
}

/// What is sent for this message.
pub(super) fn body(alarm: &Alarm, message: &Message) -> String {
    match alarm.format {
        Format::Json => message.json().to_string(),
        Format::Slack => slack(message).to_string(),
    }
}

impl Client {
    /// Fails where its certificates cannot be read.
    pub(super) fn new(alarm: &Alarm) -> Result<Self, String> {
        let mut config = Agent::config_builder()
            .timeout_global(Some(LONGEST))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .user_agent(concat!("leakprobe/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &alarm.ca_file {
            let certificates = read_certificates(path).map_err(|why| {
                format!("alarm {}: the certificates in {path} cannot be used: {why}", alarm.name)
            })?;
            config = config.tls_config(TlsConfig::builder().root_certs(certificates).build());
        }
        Ok(Self { agent: config.build().new_agent(), url: alarm.url.clone(), key: alarm.key.clone() })
    }

    /// Sends it once. `id` is the message's, the same at every attempt.
    pub(super) fn attempt(&self, body: &str, id: &str) -> Attempt {
        let mut request = self
            .agent
            .post(self.url.reveal())
            .header("content-type", "application/json")
            .header("leakprobe-delivery", id);
        if let Some(key) = &self.key {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            request = request.header("leakprobe-signature", signature(key, since.as_secs(), body));
        }
        match request.send(body) {
            Ok(response) => {
                let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                Attempt::answered(response.status().as_u16(), asked)
            }
            Err(error) => failure(&error),
        }
    }
}

/// `t=<seconds since the epoch>,v1=<hexadecimal>`: HMAC-SHA256 by the key over `<seconds>.<body>`.
fn signature(key: &Secret, seconds: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let mut text = format!("t={seconds},v1=");
    for byte in tag.as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// In words of our own: an error's text may have the address in it.
fn failure(error: &Error) -> Attempt {
    let again = |because: &str| Attempt::Again { because: because.to_owned(), after: None };
    match error {
        Error::HostNotFound => again("its host is not found"),
        Error::Timeout(_) => again("it did not answer within 5 s"),
        Error::ConnectionFailed => again("it cannot be connected to"),
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => again("it refused the connection"),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
                again("it closed the connection")
            }
            ErrorKind::TimedOut | ErrorKind::WouldBlock => again("it did not answer within 5 s"),
            // rustls's own errors come as this.
            ErrorKind::InvalidData => again("its TLS is not trusted, or it does not speak TLS"),
            kind => again(&format!("it cannot be reached: {kind}")),
        },
        Error::Rustls(_) | Error::Tls(_) => again("its TLS is not trusted, or it does not speak TLS"),
        Error::Protocol(_) => again("it does not speak HTTP"),
        Error::BadUri(_) | Error::Http(_) => {
            Attempt::Refused { because: "its URL cannot be used".to_owned() }
        }
        Error::InvalidProxyUrl => {
            Attempt::Refused { because: "the proxy in the environment cannot be used".to_owned() }
        }
        _ => again("it cannot be reached"),
    }
}

fn read_certificates(path: &str) -> Result<RootCerts, String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > LARGEST_CA {
        return Err(format!("{length} bytes are more than it can have"));
    }
    let pem = fs::read(path).map_err(|error| error.to_string())?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = items.collect();
    if certificates.is_empty() {
        Err("it has none".to_owned())
    } else {
        Ok(RootCerts::Specific(Arc::new(certificates)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_openssl() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let key = Secret::new("0123456789abcdef");
        assert_eq!(signature(&key, 1_700_000_000, r#"{"a":1}"#), EXPECTED);
    }

    const EXPECTED: &str = "t=1700000000,v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23";

    #[test]
    fn a_failure_never_has_the_address_in_it() {
        let errors = [
            Error::BadUri("https://hooks.example/secret".to_owned()),
            Error::HostNotFound,
            Error::Io(std::io::Error::other("https://hooks.example/secret")),
            Error::Tls("hooks.example/secret"),
        ];
        for error in errors {
            assert!(!format!("{:?}", failure(&error)).contains("secret"));
        }
    }
}
