//! Memory maps over time as an SVG: stacked areas, the parts of V8 in blues, malloc's in oranges.

use super::File;
use super::bars::number;
use crate::render::{bytes, duration};
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 460.0;
/// Of the plot.
const LEFT: f64 = 76.0;
const TOP: f64 = 56.0;
const RIGHT: f64 = 700.0;
const BOTTOM: f64 = 410.0;
/// Between two lines of the legend.
const LINE: f64 = 27.0;
/// Lines across the plot.
const STEPS: u32 = 4;

/// Each part's colour; told apart by people who see no red or green, too, for neighbours differ in lightness.
const COLOURS: [(&str, &str); 12] = [
    ("v8 new space", "#9ecae1"),
    ("v8 old space", "#2171b5"),
    ("v8 code", "#6baed6"),
    ("v8 large objects", "#08519c"),
    ("v8 other", "#4292c6"),
    ("v8 free", "#deebf7"),
    ("array buffers", "#807dba"),
    ("malloc in use", "#d94801"),
    ("malloc free", "#fdd0a2"),
    ("stacks", "#525252"),
    ("mapped files", "#74c476"),
    ("other", "#bdbdbd"),
];

/// A picture of the whole series; of the last map alone where there is no other.
pub(super) fn draw(file: &File) -> String {
    let times = times(file);
    let stacks = stacks(file, times.len());
    let top = (0..times.len())
        .map(|index| stacks.last().and_then(|(_, sums)| sums.get(index)).copied().unwrap_or(0.0));
    let top = round_up(top.fold(1.0, f64::max));
    let mut svg = head(file, &times);
    axes(&mut svg, &times, top);
    let mut below = vec![0.0; times.len()];
    for (name, sums) in &stacks {
        if sums != &below {
            // Writing to a String cannot fail.
            let _ = writeln!(
                svg,
                r#"<path class="area" fill="{}" d="{}"><title>{name}</title></path>"#,
                colour(name),
                area(&times, &below, sums, top)
            );
        }
        below.clone_from(sums);
    }
    legend(&mut svg, file);
    svg.push_str("</svg>\n");
    svg
}

/// Seconds since the first map; two, where there is one.
fn times(file: &File) -> Vec<f64> {
    let first = file.series.times.first().copied().unwrap_or(0);
    let mut times: Vec<f64> =
        file.series.times.iter().map(|time| number(time.saturating_sub(first)) / 1_000.0).collect();
    if times.len() < 2 {
        times = vec![0.0, 1.0];
    }
    times
}

/// The upper edge of each part, in the order in which they lie on one another.
fn stacks(file: &File, length: usize) -> Vec<(&'static str, Vec<f64>)> {
    let mut sums = vec![0.0; length];
    let column = |name: &str, index: usize| {
        let last = || file.last.bytes(name).unwrap_or(0);
        if file.series.times.len() < 2 {
            return last();
        }
        let part = file.series.parts.iter().find(|part| part.name == name);
        part.and_then(|part| part.bytes.get(index).copied().flatten()).unwrap_or(0)
    };
    let stack = |(name, _): &(&'static str, &str)| {
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum += number(column(name, index));
        }
        (*name, sums.clone())
    };
    COLOURS.iter().map(stack).collect()
}

fn head(file: &File, times: &[f64]) -> String {
    let process = &file.process;
    let about = format!(
        "{} · pid {} · node {} · since {} · {}",
        process.service,
        process.pid,
        process.node,
        process.started_at,
        if file.series.times.len() < 2 {
            "one reading".to_owned()
        } else {
            format!("last {}", duration(times.last().copied().unwrap_or(0.0) * 1_000.0))
        }
    );
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#222">
<title>Memory map</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{LEFT}" y="24" font-size="16" font-weight="600">Where the memory is: {} resident</text>
<text x="{LEFT}" y="43" fill="#555">{}</text>
"##,
        bytes(number(file.last.total())),
        escape(&about)
    )
}

fn axes(svg: &mut String, times: &[f64], top: f64) {
    for step in 0..=STEPS {
        let share = f64::from(step) / f64::from(STEPS);
        let y = BOTTOM - share * (BOTTOM - TOP);
        let _ = writeln!(
            svg,
            r##"<path d="M{LEFT} {y:.1}H{RIGHT}" stroke="#ddd"/><text x="{:.1}" y="{:.1}" text-anchor="end" fill="#555">{}</text>"##,
            LEFT - 8.0,
            y + 4.5,
            bytes(share * top)
        );
    }
    let span = times.last().copied().unwrap_or(0.0);
    for (share, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
        let ago = (1.0 - share) * span * 1_000.0;
        let words = if ago > 0.0 { format!("{} ago", duration(ago)) } else { "now".to_owned() };
        let _ = writeln!(
            svg,
            r##"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}" fill="#555">{words}</text>"##,
            LEFT + share * (RIGHT - LEFT),
            BOTTOM + 20.0
        );
    }
}

fn area(times: &[f64], below: &[f64], above: &[f64], top: f64) -> String {
    let span = times.last().copied().filter(|span| *span > 0.0).unwrap_or(1.0);
    let x = |time: f64| LEFT + time / span * (RIGHT - LEFT);
    let y = |bytes: f64| BOTTOM - bytes / top * (BOTTOM - TOP);
    let mut path = String::new();
    for (index, (time, bytes)) in times.iter().zip(above).enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if index == 0 { 'M' } else { 'L' }, x(*time), y(*bytes));
    }
    for (time, bytes) in times.iter().zip(below).rev() {
        let _ = write!(path, "L{:.1} {:.1}", x(*time), y(*bytes));
    }
    path.push('Z');
    path
}

/// Uppermost first, as the areas lie.
fn legend(svg: &mut String, file: &File) {
    let parts =
        COLOURS.iter().rev().filter_map(|(name, colour)| Some((name, colour, file.last.bytes(name)?)));
    for (index, (name, colour, size)) in parts.enumerate() {
        let y = TOP + f64::from(u32::try_from(index).unwrap_or(0)) * LINE;
        let _ = writeln!(
            svg,
            r##"<rect x="{:.1}" y="{y:.1}" width="14" height="14" fill="{colour}" stroke="#888" stroke-width=".5"/><text x="{:.1}" y="{:.1}">{name}</text><text x="{:.1}" y="{:.1}" text-anchor="end" fill="#555">{}</text>"##,
            RIGHT + 24.0,
            RIGHT + 46.0,
            y + 11.5,
            WIDTH - 20.0,
            y + 11.5,
            bytes(number(size))
        );
    }
}

fn colour(name: &str) -> &'static str {
    COLOURS.iter().find(|(known, _)| *known == name).map_or("#000", |(_, colour)| colour)
}

/// The next number that people count in: 1, 1.6, 2, 2.4, 3.2, 4, 6 or 8 times a power of ten, so that quarters are short.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

/// Names come from outside, and a picture is opened in browsers.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakprobe_core::memory_map::NAMES;

    fn file(text: &str) -> File {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_part_has_its_colour_in_the_order_of_the_maps() {
        assert_eq!(COLOURS.map(|(name, _)| name), NAMES);
    }

    #[test]
    fn parts_lie_on_one_another_up_to_all_that_is_resident() {
        let file = file(super::super::tests::MAP);
        let stacks = stacks(&file, 3);
        assert_eq!(stacks.last().map(|(_, sums)| sums.clone()), Some(vec![120e6, 180e6, 230e6]));
        let svg = draw(&file);
        // 230 of 240 MB at the right edge.
        let y = BOTTOM - 230.0 / 240.0 * (BOTTOM - TOP);
        assert!(svg.contains(&format!("L{RIGHT:.1} {y:.1}")), "{svg}");
    }

    #[test]
    fn one_reading_is_a_picture_too() {
        let mut file = file(super::super::tests::MAP);
        file.series.times.truncate(1);
        for part in &mut file.series.parts {
            part.bytes.truncate(1);
        }
        let svg = draw(&file);
        assert!(svg.contains("one reading") && svg.matches("class=\"area\"").count() == 4, "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        let hostile = super::super::tests::MAP.replace("\"mail\"", r#""<script>\"&\u001b""#);
        let svg = draw(&file(&hostile));
        assert!(svg.contains("&lt;script&gt;&quot;&amp;\u{fffd}") && !svg.contains("<script"), "{svg}");
    }

    #[test]
    fn the_scale_ends_on_a_round_number() {
        for (value, expected) in [(230e6, 240e6), (1.0, 1.0), (99.0, 100.0), (121e6, 160e6)] {
            assert!((round_up(value) - expected).abs() < expected * 1e-9, "{value}: {}", round_up(value));
        }
    }
}
