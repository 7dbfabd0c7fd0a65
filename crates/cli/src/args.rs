//! Arguments into a command.

use std::path::PathBuf;

const HELP: &str = "\
leakprobe: which route leaks, how much per request, of which kind

usage: leakprobe <command> [options]

commands:
  report DIR       the report kept in DIR (what start() was given as `directory`)
  incidents DIR    the incidents kept in DIR, oldest first

options:
  --json           for machines: the files' own JSON
  --help           this, or a command's own help
  --version

examples:
  npx leakprobe report .leakprobe
  npx leakprobe incidents .leakprobe --json

exit codes: 0 done, 1 nothing found or unreadable, 2 wrong usage
";
const REPORT_HELP: &str = "\
usage: leakprobe report DIR [--json]

DIR is the directory of the probe, one service's folder in it, or an incident's. With several services, all of
them are reported; --json gives an array then.

examples:
  npx leakprobe report .leakprobe
  npx leakprobe report .leakprobe/mail-api/incidents/20260102T030405.678Z-slow-route-1f3a22
  npx leakprobe report .leakprobe --json | jq '.leaks[].route'
";
const INCIDENTS_HELP: &str = "\
usage: leakprobe incidents DIR [--json]

DIR is the directory of the probe or one service's folder in it.

example:
  npx leakprobe incidents .leakprobe
";

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Say(String),
    Report { directory: PathBuf, json: bool },
    Incidents { directory: PathBuf, json: bool },
}

/// The command, or what is wrong with the arguments.
pub(crate) fn parse(args: &[String]) -> Result<Command, String> {
    let mut words = Vec::new();
    let (mut json, mut help) = (false, args.is_empty());
    for arg in args {
        match arg.as_str() {
            "--json" => json = true,
            "--help" | "-h" => help = true,
            "--version" | "-v" => {
                return Ok(Command::Say(concat!(env!("CARGO_PKG_VERSION"), "\n").to_owned()));
            }
            option if option.starts_with('-') => return Err(format!("unknown option {option}; see --help")),
            word => words.push(word),
        }
    }
    let name = words.first().copied();
    if help {
        let text = match name {
            Some("report") => REPORT_HELP,
            Some("incidents") => INCIDENTS_HELP,
            _ => HELP,
        };
        return Ok(Command::Say(text.to_owned()));
    }
    match (name, words.get(1..).unwrap_or(&[])) {
        (Some("report"), [directory]) => Ok(Command::Report { directory: directory.into(), json }),
        (Some("incidents"), [directory]) => Ok(Command::Incidents { directory: directory.into(), json }),
        (Some(name @ ("report" | "incidents")), rest) => {
            Err(format!("{name} takes one directory, received {}; see leakprobe {name} --help", rest.len()))
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
        assert_eq!(parsed("report d"), Ok(Command::Report { directory: "d".into(), json: false }));
        assert_eq!(
            parsed("--json incidents d"),
            Ok(Command::Incidents { directory: "d".into(), json: true })
        );
        assert_eq!(parsed("report --help"), Ok(Command::Say(REPORT_HELP.to_owned())));
        assert_eq!(parsed(""), Ok(Command::Say(HELP.to_owned())));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, expected) in [
            ("report", "report takes one directory, received 0; see leakprobe report --help"),
            ("report a b", "report takes one directory, received 2; see leakprobe report --help"),
            ("dance", "unknown command dance; see --help"),
            ("report d --yaml", "unknown option --yaml; see --help"),
            ("--json", "a command is missing; see --help"),
        ] {
            assert_eq!(parsed(line), Err(expected.to_owned()));
        }
    }
}
