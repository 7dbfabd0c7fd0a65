//! Route globs: `*` stands for any text, everything else for itself.

/// Whether `text` matches `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut rest = rest;
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or(""),
            None => return false,
        }
    }
    // The text after the last `*` must stand at the very end, wherever it was found first.
    last.map_or(rest.is_empty(), |last| last.is_empty() || text.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_text_and_nothing_else_does() {
        for (pattern, text, expected) in [
            ("GET /a", "GET /a", true),
            ("GET /a", "GET /ab", false),
            ("GET *", "GET /a/b", true),
            ("* /mails/*", "POST /mails/:id", true),
            ("*/b", "GET /b/x/b", true),
            ("*/b", "GET /b/x", false),
            ("*", "", true),
            ("", "x", false),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
