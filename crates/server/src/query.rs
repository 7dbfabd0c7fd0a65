//! The query of an address.

/// Its names and values, decoded, in order; `None` where one has no value, or is no UTF-8.
pub(crate) fn pairs(query: &str) -> Option<Vec<(&str, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').and_then(|(name, value)| Some((name, decoded(value)?)))).collect()
}

/// Text of a query, percent signs and pluses decoded; `None` when that is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_forms_write_it() {
        let found = pairs("a=GET+%2Fa%3fb&&b=&a=1").unwrap();
        assert_eq!(found, [("a", "GET /a?b".to_owned()), ("b", String::new()), ("a", "1".to_owned())]);
        assert_eq!(pairs(""), Some(Vec::new()));
        for wrong in ["a", "a=%", "a=%2", "a=%zz", "a=%ff"] {
            assert_eq!(pairs(wrong), None, "{wrong}");
        }
    }
}
