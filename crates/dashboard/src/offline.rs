//! One file that shows a report without a server and without a network: from `file://`, attached to a ticket, years later.
//!
//! Scripts and styles are inside, allowed by their hashes alone, so nothing else in the file can ever run: the data stand in
//! an element of type `application/json`, in which `<` is escaped.

use crate::files::file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The modules of the page in the order in which they need each other.
const MODULES: &[&str] = &[
    "dom.js",
    "format.js",
    "words.js",
    "spark.js",
    "charts.js",
    "path.js",
    "leak.js",
    "routes.js",
    "findings.js",
    "incidents.js",
    "verdict.js",
    "offline.js",
];
const STYLES: [&str; 2] = ["uPlot.min.css", "style.css"];

/// The page for `data`, JSON text in the form that `dashboard/offline.js` reads.
#[must_use]
pub fn page(data: &str) -> String {
    let styles = STYLES.map(text);
    let scripts = [text("uPlot.iife.min.js").to_owned(), script()];
    let mut head =
        String::from("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src");
    for script in &scripts {
        // Writing to a String cannot fail.
        let _ = write!(head, " {}", hash(script));
    }
    head.push_str("; style-src");
    for style in styles {
        let _ = write!(head, " {}", hash(style));
    }
    head.push_str("; img-src data:; form-action 'none'; base-uri 'none'\">\n");
    for style in styles {
        let _ = writeln!(head, "<style>{style}</style>");
    }
    let mut foot =
        format!("<script type=\"application/json\" id=\"data\">{}</script>\n", data.replace('<', "\\u003c"));
    for script in &scripts {
        let _ = writeln!(foot, "<script>{script}</script>");
    }
    let mut page = String::with_capacity(head.len() + foot.len() + 4_096);
    for line in text("index.html").lines() {
        if line.starts_with("<link rel=\"stylesheet\"") || line.starts_with("<script") {
            continue;
        }
        match line {
            "<title>leakprobe</title>" => page.push_str(&head),
            "</body>" => page.push_str(&foot),
            _ if line.starts_with("<noscript>") => {
                page.push_str("<noscript><p class=\"banner\">This page needs JavaScript.</p></noscript>\n");
                continue;
            }
            _ => {}
        }
        page.push_str(line);
        page.push('\n');
    }
    page
}

fn text(name: &str) -> &'static str {
    file(name).map_or("", |file| file.text)
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// The modules as one script. Each becomes a function of its own that gives what it exports, so their names do not meet.
fn script() -> String {
    let mut whole = String::from("'use strict';\n");
    for name in MODULES {
        let mut exports = Vec::new();
        let mut body = String::new();
        for line in text(name).lines() {
            let _ = writeln!(body, "{}", statement(line, &mut exports));
        }
        let _ = writeln!(
            whole,
            "const {} = (() => {{\n{body}return {{ {} }}\n}})();",
            variable(name),
            exports.join(", ")
        );
    }
    whole
}

/// A line without the words of modules: an import is taken from the other's result, an export is noted.
fn statement(line: &str, exports: &mut Vec<String>) -> String {
    if let Some((names, from)) = line.strip_prefix("import ").and_then(|rest| rest.split_once(" from './")) {
        return format!("const {names} = {}", variable(from.trim_end_matches('\'')));
    }
    let Some(rest) = line.strip_prefix("export ") else { return line.to_owned() };
    let declared =
        ["async function ", "function ", "class ", "const "].iter().find_map(|word| rest.strip_prefix(word));
    if let Some(declared) = declared {
        exports
            .push(declared.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect());
    }
    rest.to_owned()
}

fn variable(name: &str) -> String {
    format!("module_{}", name.trim_end_matches(".js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_leave_their_element() {
        let page = page(r#"{"route":"</script><script>alert(1)</script><!--"}"#);
        assert!(page.contains(r#"{"route":"\u003c/script>\u003cscript>alert(1)\u003c/script>\u003c!--"}"#));
        assert_eq!(page.matches("<script").count(), 3);
        assert_eq!(page.matches("</script>").count(), 3);
    }

    #[test]
    fn nothing_is_left_to_be_fetched_and_nothing_inline_is_allowed_but_by_hash() {
        let page = page("{}");
        assert!(!page.contains("<link rel=\"stylesheet\"") && !page.contains(" src="));
        assert!(!page.contains("unsafe-inline"));
        assert_eq!(page.matches("'sha256-").count(), 4);
        assert_eq!(hash("alert(1)"), "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
        for name in STYLES.iter().chain(["uPlot.iife.min.js"].iter()) {
            assert!(!text(name).contains("</s"), "{name} would end its element");
        }
    }

    #[test]
    fn modules_become_one_script() {
        let script = script();
        for line in script.lines() {
            assert!(!line.starts_with("import ") && !line.starts_with("export "), "{line}");
        }
        assert!(!script.contains("</s") && !script.contains("<!--"));
        for name in MODULES {
            let own = text(name);
            assert!(!own.is_empty(), "{name}");
            for line in own.lines().filter(|line| line.starts_with("import ")) {
                let from = line.split("'./").nth(1).unwrap_or_default().trim_end_matches('\'');
                let place = |wanted| MODULES.iter().position(|module| *module == wanted);
                assert!(place(from).is_some_and(|from| Some(from) < place(name)), "{name}: {line}");
            }
        }
        let mut exports = Vec::new();
        assert_eq!(
            statement("import { h, svg } from './dom.js'", &mut exports),
            "const { h, svg } = module_dom"
        );
        assert_eq!(
            statement("export async function ask (path) {", &mut exports),
            "async function ask (path) {"
        );
        assert_eq!(exports, ["ask"]);
    }
}
