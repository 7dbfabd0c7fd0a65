//! Arguments into a command.

use crate::help;
use std::path::PathBuf;

/// Rows of each table, unless told otherwise.
const ROWS: usize = 10;
/// Rows of each list in JSON.
const JSON_ROWS: usize = 50;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Say(String),
    Report { directory: PathBuf, json: bool },
    Incidents { directory: PathBuf, json: bool },
    Doctor { place: PathBuf, json: bool },
    MemoryMap { place: PathBuf, json: bool, svg: Option<PathBuf> },
    Analyze { file: PathBuf, json: bool, rows: usize, output: Option<PathBuf> },
    Diff { files: Vec<PathBuf>, json: bool, rows: usize },
    Path { file: PathBuf, json: bool, rows: usize, to: Target },
    Tagged { file: PathBuf, json: bool, rows: usize, route: Option<String> },
    Redact { from: PathBuf, to: PathBuf, json: bool, numbers: bool },
}

/// What a path is asked to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Class(String),
    Id(u64),
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that stands alone")]
struct Words {
    plain: Vec<String>,
    json: bool,
    help: bool,
    numbers: bool,
    rows: Option<usize>,
    output: Option<PathBuf>,
    to: Option<Target>,
    tag: bool,
    route: Option<String>,
    svg: Option<PathBuf>,
}

/// The command, or what is wrong with the arguments.
pub(crate) fn parse(args: &[String]) -> Result<Command, String> {
    let mut found = Words { help: args.is_empty(), ..Words::default() };
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("{arg} wants a value; see --help"));
        match arg.as_str() {
            "--json" => found.json = true,
            "--help" | "-h" => found.help = true,
            "--version" | "-v" => {
                return Ok(Command::Say(concat!(env!("CARGO_PKG_VERSION"), "\n").to_owned()));
            }
            "--numbers" => found.numbers = true,
            "--rows" => found.rows = Some(whole("--rows", &value()?)?),
            "--output" => found.output = Some(PathBuf::from(value()?)),
            "--class" => found.to = Some(Target::Class(value()?)),
            "--id" => found.to = Some(Target::Id(whole("--id", value()?.trim_start_matches('@'))?)),
            "--svg" => found.svg = Some(PathBuf::from(value()?)),
            "--tag" => found.tag = true,
            "--route" => found.route = Some(value()?),
            option if option.starts_with("--") || (option.starts_with('-') && option.len() > 1) => {
                return Err(format!("unknown option {option}; see --help"));
            }
            word => found.plain.push(word.to_owned()),
        }
    }
    command(found)
}

fn whole<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option}: expected a whole number, received {value}"))
}

fn command(found: Words) -> Result<Command, String> {
    let Words { plain: words, json, help, numbers, rows, output, to, tag, route, svg } = found;
    let name = words.first().map(String::as_str);
    if help {
        return Ok(Command::Say(help::text(name).to_owned()));
    }
    let rows = rows.unwrap_or(if json { JSON_ROWS } else { ROWS });
    let paths: Vec<PathBuf> = words.iter().skip(1).map(PathBuf::from).collect();
    match (name, paths.as_slice()) {
        (Some("report"), [directory]) => Ok(Command::Report { directory: directory.clone(), json }),
        (Some("incidents"), [directory]) => Ok(Command::Incidents { directory: directory.clone(), json }),
        (Some("doctor"), [place]) => Ok(Command::Doctor { place: place.clone(), json }),
        (Some("memory-map"), [place]) => Ok(Command::MemoryMap { place: place.clone(), json, svg }),
        (Some("analyze"), [file]) => Ok(Command::Analyze { file: file.clone(), json, rows, output }),
        (Some("diff"), [_, _, ..]) => Ok(Command::Diff { files: paths, json, rows }),
        (Some("path"), [file]) => match (to, tag, route) {
            (None, true, route) => Ok(Command::Tagged { file: file.clone(), json, rows, route }),
            (Some(to), false, None) => Ok(Command::Path { file: file.clone(), json, rows, to }),
            (_, _, Some(_)) => Err("--route goes with --tag; see leakprobe path --help".to_owned()),
            _ => Err("path wants one of --class NAME, --id N, --tag; see leakprobe path --help".to_owned()),
        },
        (Some("redact"), [from, to]) => {
            Ok(Command::Redact { from: from.clone(), to: to.clone(), json, numbers })
        }
        (Some(name @ ("report" | "incidents")), rest) => {
            Err(format!("{name} takes one directory, received {}; see leakprobe {name} --help", rest.len()))
        }
        (Some(name @ ("doctor" | "memory-map")), rest) => Err(format!(
            "{name} takes one directory or process id, received {}; see leakprobe {name} --help",
            rest.len()
        )),
        (Some(name @ ("analyze" | "path")), rest) => {
            Err(format!("{name} takes one file, received {}; see leakprobe {name} --help", rest.len()))
        }
        (Some("diff"), rest) => {
            Err(format!("diff takes two files or more, received {}; see leakprobe diff --help", rest.len()))
        }
        (Some("redact"), rest) => {
            Err(format!("redact takes two files, received {}; see leakprobe redact --help", rest.len()))
        }
        (Some(name), _) => Err(format!("unknown command {name}; see --help")),
        (None, _) => Err("a command is missing; see --help".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn commands_are_understood() {
        let file = || PathBuf::from("f");
        for (line, expected) in [
            ("report d", Command::Report { directory: "d".into(), json: false }),
            ("--json incidents d", Command::Incidents { directory: "d".into(), json: true }),
            ("doctor 7", Command::Doctor { place: "7".into(), json: false }),
            (
                "memory-map 7 --svg o",
                Command::MemoryMap { place: "7".into(), json: false, svg: Some("o".into()) },
            ),
            ("analyze f", Command::Analyze { file: file(), json: false, rows: ROWS, output: None }),
            (
                "analyze - --json --output o",
                Command::Analyze { file: "-".into(), json: true, rows: JSON_ROWS, output: Some("o".into()) },
            ),
            ("diff f g --rows 3", Command::Diff { files: vec![file(), "g".into()], json: false, rows: 3 }),
            ("path f --id @17", Command::Path { file: file(), json: false, rows: ROWS, to: Target::Id(17) }),
            ("path f --tag", Command::Tagged { file: file(), json: false, rows: ROWS, route: None }),
            (
                "path f --route GET --tag",
                Command::Tagged { file: file(), json: false, rows: ROWS, route: Some("GET".to_owned()) },
            ),
            (
                "redact f g --numbers",
                Command::Redact { from: file(), to: "g".into(), json: false, numbers: true },
            ),
        ] {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
        for name in ["report", "incidents", "doctor", "memory-map", "analyze", "diff", "path", "redact"] {
            let Ok(Command::Say(text)) = parsed(&format!("{name} --help")) else { panic!("{name}") };
            assert!(
                text.starts_with(&format!("usage: leakprobe {name}"))
                    && ["example", "--json", "exit codes: 0 done"].iter().all(|part| text.contains(part)),
                "{text}"
            );
        }
        assert_eq!(parsed(""), Ok(Command::Say(help::text(None).to_owned())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, expected) in [
            ("report", "report takes one directory, received 0; see leakprobe report --help"),
            ("report a b", "report takes one directory, received 2; see leakprobe report --help"),
            (
                "memory-map",
                "memory-map takes one directory or process id, received 0; see leakprobe memory-map --help",
            ),
            ("dance", "unknown command dance; see --help"),
            ("report d --yaml", "unknown option --yaml; see --help"),
            ("--json", "a command is missing; see --help"),
            ("diff a", "diff takes two files or more, received 1; see leakprobe diff --help"),
            ("path a", "path wants one of --class NAME, --id N, --tag; see leakprobe path --help"),
            (
                "path a --id 7 --tag",
                "path wants one of --class NAME, --id N, --tag; see leakprobe path --help",
            ),
            ("path a --id 7 --route x", "--route goes with --tag; see leakprobe path --help"),
            ("path a --id x", "--id: expected a whole number, received x"),
            ("analyze a --rows", "--rows wants a value; see --help"),
        ] {
            assert_eq!(parsed(line), Err(expected.to_owned()));
        }
    }
}
