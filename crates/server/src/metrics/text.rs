//! The two text formats, which differ in the names of counters and in the end.

use std::fmt::Write as _;

/// A format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// Prometheus's text, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Its media type.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution.
    Histogram,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text that grows. A family without a sample does not appear.
#[derive(Debug)]
pub(super) struct Text {
    format: Format,
    text: String,
}

/// A family of samples.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut Text,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    begun: bool,
}

impl Text {
    pub(super) fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(16 << 10) }
    }

    /// A counter; `name` without `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        Family { text: self, name, kind: Kind::Counter, help, begun: false }
    }

    /// A gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        Family { text: self, name, kind: Kind::Gauge, help, begun: false }
    }

    /// A histogram.
    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        Family { text: self, name, kind: Kind::Histogram, help, begun: false }
    }

    pub(super) fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Family<'_> {
    /// One number.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) {
        let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
        self.write(suffix, labels, value);
    }

    /// One number, if it is known.
    pub(super) fn known(&mut self, labels: Labels<'_>, value: Option<f64>) {
        if let Some(value) = value {
            self.sample(labels, value);
        }
    }

    /// One distribution: `counts` by bucket, one more than `bounds`.
    pub(super) fn buckets(&mut self, route: &str, bounds: &[f64], counts: &[u64], sum: f64) {
        let mut below = 0;
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(counts) {
            below += count;
            let mut le = String::new();
            write_number(&mut le, bound);
            // The same bucket has the same label in both formats, and OpenMetrics wants a point in it.
            if !le.contains(['.', '+']) {
                le.push_str(".0");
            }
            self.write("_bucket", &[("route", route), ("le", &le)], super::number(below));
        }
        self.write("_sum", &[("route", route)], sum);
        self.write("_count", &[("route", route)], super::number(below));
    }

    fn write(&mut self, suffix: &str, labels: Labels<'_>, value: f64) {
        self.begin();
        let text = &mut self.text.text;
        text.push_str(self.name);
        text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels {
            text.push(before);
            text.push_str(name);
            text.push_str("=\"");
            escape(text, value);
            text.push('"');
            before = ',';
        }
        text.push_str(if labels.is_empty() { " " } else { "} " });
        write_number(text, value);
        text.push('\n');
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let suffix =
            if self.kind == Kind::Counter && self.text.format == Format::Prometheus { "_total" } else { "" };
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let (name, help) = (self.name, self.help);
        // A String takes whatever is written to it.
        let _ = write!(self.text.text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
    }
}

fn write_number(text: &mut String, value: f64) {
    if value.is_finite() {
        // As above.
        let _ = write!(text, "{value}");
    } else if value.is_nan() {
        text.push_str("NaN");
    } else {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
}

/// A label's value. Control characters that the formats do not know are no part of a name that a person gave.
fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            letter if letter.is_control() => text.push('\u{fffd}'),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut text = Text::new(format);
        text.gauge("empty_bytes", "Never said.").known(&[], None);
        text.counter("things", "Things.").sample(&[("route", "GET \"a\\b\"\n\u{1b}")], 5.0);
        text.gauge("much_bytes", "Much.").sample(&[], f64::INFINITY);
        text.histogram("time_seconds", "Time.").buckets("GET /", &[0.5, 1.0], &[1, 0, 2], 7.25);
        text.end()
    }

    #[test]
    fn prometheus_has_counters_by_their_whole_name() {
        let expected = "# HELP things_total Things.\n# TYPE things_total counter\n\
            things_total{route=\"GET \\\"a\\\\b\\\"\\n\u{fffd}\"} 5\n\
            # HELP much_bytes Much.\n# TYPE much_bytes gauge\nmuch_bytes +Inf\n\
            # HELP time_seconds Time.\n# TYPE time_seconds histogram\n\
            time_seconds_bucket{route=\"GET /\",le=\"0.5\"} 1\n\
            time_seconds_bucket{route=\"GET /\",le=\"1.0\"} 1\n\
            time_seconds_bucket{route=\"GET /\",le=\"+Inf\"} 3\n\
            time_seconds_sum{route=\"GET /\"} 7.25\ntime_seconds_count{route=\"GET /\"} 3\n";
        assert_eq!(written(Format::Prometheus), expected);
    }

    #[test]
    fn openmetrics_has_families_without_total_and_an_end() {
        let text = written(Format::OpenMetrics);
        assert!(text.starts_with("# HELP things Things.\n# TYPE things counter\nthings_total{"), "{text}");
        assert!(text.ends_with("time_seconds_count{route=\"GET /\"} 3\n# EOF\n"), "{text}");
    }
}
