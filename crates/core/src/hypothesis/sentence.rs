//! Numbers as they stand in a sentence.

/// `12.1 MB`, in steps of 1 000 as people count.
pub(crate) fn bytes(value: f64) -> String {
    match value.abs() {
        size if size.is_infinite() => "any amount".to_owned(),
        size if size >= 1e9 => format!("{:.2} GB", value / 1e9),
        size if size >= 1e6 => format!("{:.1} MB", value / 1e6),
        size if size >= 1e3 => format!("{:.0} kB", value / 1e3),
        _ => format!("{value:.0} B"),
    }
}

/// `1.2 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `40 s`, `25 min`, `6.5 h`, `3.0 days`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        long if long >= 172_800.0 => format!("{:.1} days", long / 86_400.0),
        long if long >= 7_200.0 => format!("{:.1} h", long / 3_600.0),
        long if long >= 120.0 => format!("{:.0} min", long / 60.0),
        _ => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!((bytes(-12_100_000.0).as_str(), bytes(999.0).as_str()), ("-12.1 MB", "999 B"));
        assert_eq!(bytes(f64::INFINITY), "any amount");
        assert_eq!(percent(0.0123), "1.2 %");
        assert_eq!((duration(40.0).as_str(), duration(23_400.0).as_str()), ("40 s", "6.5 h"));
    }
}
