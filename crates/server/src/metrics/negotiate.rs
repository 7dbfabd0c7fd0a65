//! Which of the formats a client wants.

use super::text::Format;

/// The format of the highest weight in an `accept` header; Prometheus's text where neither is named, or both weigh the same and it
/// comes first.
pub(crate) fn negotiate(accept: &str) -> Format {
    let mut best = (Format::Prometheus, 0.0);
    for entry in accept.split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut weight, mut version) = (1.0_f32, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => weight = value.trim().parse().unwrap_or(0.0),
                "version" => version = Some(value.trim().trim_matches('"')),
                _ => {}
            }
        }
        let format = match (kind.as_str(), version) {
            ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => Format::OpenMetrics,
            ("text/plain", None | Some("0.0.4" | "1.0.0")) => Format::Prometheus,
            _ => continue,
        };
        if weight > best.1 {
            best = (format, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_that_is_known_wins() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                            text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2";
        for accept in [
            prometheus_2,
            prometheus_3,
            "Application/OpenMetrics-Text",
            "text/plain;q=0.5, application/openmetrics-text; q=0.6",
        ] {
            assert_eq!(negotiate(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html",
            "text/plain",
            "text/plain,application/openmetrics-text",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=x",
            ";;;,,,==",
            "text/plain;q=0.9,application/openmetrics-text;q=0.8",
        ] {
            assert_eq!(negotiate(accept), Format::Prometheus, "{accept}");
        }
    }
}
