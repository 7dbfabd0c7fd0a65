//! What the server has to know, as the JavaScript side hands it over: complete, validated there.

use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Settings of a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerConfig {
    /// The port; 0: any that is free.
    pub port: u16,
    /// The address to listen at.
    pub host: IpAddr,
    /// What a client has to know; required at other than loopback addresses.
    #[serde(default)]
    pub token: Option<Token>,
    /// Names besides those of the address under which clients may ask.
    #[serde(default)]
    pub hosts: Vec<String>,
}

impl ServerConfig {
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// A secret. Neither its `Debug` nor the time of a comparison tells it.
#[derive(Clone, Deserialize)]
pub struct Token(String);

impl Token {
    /// Whether `given` is it. Takes the same time for all texts of the same length.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let mine = self.0.as_bytes();
        let mut differs = u8::from(given.len() != mine.len());
        for (index, byte) in given.iter().enumerate() {
            // Another length goes on comparing, with itself, so that the length is not told either.
            let other = mine.get(index).unwrap_or(byte);
            differs |= std::hint::black_box(byte ^ other);
        }
        std::hint::black_box(differs) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_only_and_not_told() {
        let token = Token("0123456789abcdef".to_owned());
        assert!(token.is(b"0123456789abcdef"));
        for wrong in
            [&b"0123456789abcdeg"[..], b"0123456789abcde", b"0123456789abcdef0", b"", b"1123456789abcdef"]
        {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
