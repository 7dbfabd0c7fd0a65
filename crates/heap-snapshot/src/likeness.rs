//! What a text looked like, without saying what it said: `[36 uuid]`.

/// Length in characters and a class, as a text of its own.
pub(crate) fn likeness(text: &str) -> String {
    format!("[{} {}]", text.chars().count(), class(text))
}

fn class(text: &str) -> &'static str {
    let all = |test: fn(&u8) -> bool| text.bytes().all(|byte| test(&byte));
    let hex = |byte: &u8| byte.is_ascii_hexdigit();
    match text {
        _ if all(u8::is_ascii_digit) => "digits",
        _ if text.len() == 36 && text.bytes().all(|byte| hex(&byte) || byte == b'-') => "uuid",
        _ if text.len() >= 8 && all(u8::is_ascii_hexdigit) => "hex",
        _ if all(u8::is_ascii_alphabetic) => "letters",
        _ if text.contains("://") && !text.contains(char::is_whitespace) => "url",
        _ if text.contains('@') && text.contains('.') && !text.contains(char::is_whitespace) => "address",
        _ if all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$')) => "word",
        _ if all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')) => "base64",
        _ if text.starts_with(['{', '[']) && text.ends_with(['}', ']']) => "json",
        _ if text.starts_with('<') => "markup",
        _ if text.contains('\n') => "lines",
        _ if text.is_ascii() => "text",
        _ => "unicode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_likeness_says_length_and_class_only() {
        for (text, expected) in [
            ("12345", "[5 digits]"),
            ("123e4567-e89b-12d3-a456-426614174000", "[36 uuid]"),
            ("deadbeef01", "[10 hex]"),
            ("hello", "[5 letters]"),
            ("https://a.example/?token=1", "[26 url]"),
            ("a.b@c.example", "[13 address]"),
            ("{\"a\":1}", "[7 json]"),
            ("two words", "[9 text]"),
            ("héllo", "[5 unicode]"),
        ] {
            assert_eq!(likeness(text), expected);
        }
    }
}
