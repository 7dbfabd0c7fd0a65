//! The files of `dashboard/`, as they were when the addon was built.

/// One file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Its media type, with the character set.
    pub content_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// The file of this name; the empty name is `index.html`. Names are compared, never opened.
#[must_use]
pub fn file(name: &str) -> Option<&'static File> {
    let name = if name.is_empty() { "index.html" } else { name };
    FILES.iter().find(|file| file.name == name)
}

macro_rules! files {
    ($($kind:ident $name:literal),* $(,)?) => {
        &[$(File {
            name: $name,
            content_type: $kind,
            text: include_str!(concat!("../../../dashboard/", $name)),
        }),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// All of them.
pub const FILES: &[File] = files![
    HTML "index.html",
    CSS "style.css",
    CSS "uPlot.min.css",
    JS "uPlot.iife.min.js",
    JS "app.js",
    JS "charts.js",
    JS "dom.js",
    JS "feed.js",
    JS "findings.js",
    JS "format.js",
    JS "history.js",
    JS "incidents.js",
    JS "leak.js",
    JS "memory.js",
    JS "offline.js",
    JS "pages.js",
    JS "path.js",
    JS "range.js",
    JS "routes.js",
    JS "spark.js",
    JS "verdict.js",
    JS "words.js",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn each_file_of_the_folder_is_inside() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboard");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "uPlot.LICENSE")
            .collect();
        let inside: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(inside, there);
    }

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(file("").map(|file| file.name), Some("index.html"));
        assert_eq!(file("app.js").map(|file| file.content_type), Some(JS));
        for name in ["../Cargo.toml", "/app.js", "App.js", "index.html/", "."] {
            assert!(file(name).is_none(), "{name}");
        }
    }
}
