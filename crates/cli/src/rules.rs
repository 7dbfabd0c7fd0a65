//! `leakprobe rules check FILE`: whether the triggers in a file are right, and what each of them will do.
//!
//! They are read by the same function as in `start()`, so what passes here starts there, as far as the file
//! says it: what `env:NAME` stands for, and alarms given elsewhere, are checked at start.

use crate::render::{Paint, clean};
use crate::rules_file::{Found, Placed, find, preset_of, text};
use crate::{Output, Terminal};
use leakprobe_core::trigger::{Action, Preset, Trigger, plain_words};
use serde_json::{Map, Value, json};

/// The form of `--json`.
const SCHEMA: &str = "leakprobe.rules/1";

/// Said where triggers call alarms that are given elsewhere.
const ALARMS_ELSEWHERE: &str =
    "\nThe file has no alarms: whether there are those that its triggers tell is checked at start.\n";

const HELP: &str = "\
usage: leakprobe rules check FILE [--preset production|test] [--json]
       leakprobe rules replay DIR [--config FILE] [--since SPAN] [--json]   (see its own --help)

Checks the triggers in FILE without running anything, and says in plain words what each of them does. FILE is a config
file (an object with `triggers`, and `alarms` that they tell; its other options are not looked at) or an array of
triggers; - is standard input.
Every problem is told with its place, what was expected there and what was received.

options:
  --preset NAME  the preset whose defaults apply; else the file's own `preset`, or production
  --json         as leakprobe.rules/1: the triggers complete, or the problems

examples:
  npx leakprobe rules check leakprobe.config.json
  npx leakprobe rules check triggers.json --preset test
  npx leakprobe rules check leakprobe.config.json --json | jq '.problems[].path'

exit codes: 0 all are right, 1 the file is unreadable or a trigger or an alarm is wrong, 2 wrong usage
";

/// Runs the command, when it is this one.
pub(crate) fn run(args: &[String], terminal: Terminal) -> Option<Output> {
    let words = || args.iter().filter(|arg| !arg.starts_with("--"));
    (words().next()? == "rules").then(|| match parse(args) {
        Ok(None) => Output { stdout: HELP.to_owned(), ..Output::default() },
        Ok(Some(asked)) => check(&asked, terminal),
        Err(wrong) => Output {
            code: 2,
            stderr: format!("leakprobe: {wrong}; see leakprobe rules --help\n"),
            ..Output::default()
        },
    })
}

struct Asked {
    file: String,
    json: bool,
    preset: Option<Preset>,
}

/// What is asked for; `None` for help.
fn parse(args: &[String]) -> Result<Option<Asked>, String> {
    let (mut words, mut json, mut preset) = (Vec::new(), false, None);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--json" => json = true,
            "--preset" => {
                let name = rest.next().map(String::as_str);
                let expected = || {
                    format!("--preset: expected production or test, received {}", name.unwrap_or("nothing"))
                };
                preset = Some(name.and_then(preset_of).ok_or_else(expected)?);
            }
            option if option.starts_with('-') && option.len() > 1 => {
                return Err(format!("unknown option {}", clean(option)));
            }
            word => words.push(word),
        }
    }
    match words.as_slice() {
        ["rules", "check", file] => Ok(Some(Asked { file: (*file).to_owned(), json, preset })),
        ["rules", "check", files @ ..] => {
            Err(format!("rules check takes one file, received {}", files.len()))
        }
        ["rules", other, ..] => Err(format!("rules: expected check or replay, received {}", clean(other))),
        _ => Err("rules: expected check or replay, received nothing".to_owned()),
    }
}

fn check(asked: &Asked, terminal: Terminal) -> Output {
    let named = if asked.file == "-" { "standard input" } else { &asked.file };
    let found = match text(&asked.file).and_then(|text| find(&text, asked.preset)) {
        Ok(found) => found,
        Err(why) => {
            let stderr = format!("leakprobe: {}: {why}\n", clean(named));
            return Output { code: 1, stderr, ..Output::default() };
        }
    };
    let read = found.read();
    let code = i32::from(read.is_err());
    if asked.json {
        return Output { code, stdout: format!("{}\n", as_json(named, &found, &read)), ..Output::default() };
    }
    match read {
        Ok(rules) => Output { code, stdout: said(named, &found, &rules, terminal), ..Output::default() },
        Err(problems) => {
            let lines: Vec<String> =
                problems.iter().map(|problem| format!("{}: {problem}\n", clean(named))).collect();
            Output { code, stderr: lines.concat(), ..Output::default() }
        }
    }
}

fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Production => "production",
        Preset::Test => "test",
    }
}

fn as_json(file: &str, found: &Found, read: &Result<Vec<Trigger>, Vec<Placed>>) -> Value {
    let rule = |rule: &Trigger| {
        let says: Map<String, Value> =
            plain_words(rule).into_iter().map(|(head, text)| (head.to_owned(), text.into())).collect();
        json!({ "trigger": rule, "says": says })
    };
    let problem = |problem: &Placed| {
        json!({
            "path": problem.path, "expected": problem.expected,
            "received": problem.received, "message": problem.to_string(),
        })
    };
    json!({
        "schema": SCHEMA,
        "file": file,
        "preset": preset_name(found.preset),
        "defaults": found.triggers.is_none(),
        "valid": read.is_ok(),
        "alarmsChecked": found.alarms.is_some(),
        "triggers": read.as_ref().map(|rules| rules.iter().map(rule).collect::<Vec<_>>()).unwrap_or_default(),
        "problems": read.as_ref().err().map(|all| all.iter().map(problem).collect::<Vec<_>>()).unwrap_or_default(),
    })
}

fn said(file: &str, found: &Found, rules: &[Trigger], terminal: Terminal) -> String {
    let paint = Paint::new(terminal);
    let what = match (&found.triggers, rules.len()) {
        (None, _) => "no triggers in it, so the default ones apply".to_owned(),
        (Some(_), 0) => "no trigger: all are switched off".to_owned(),
        (Some(_), 1) => "1 trigger is right".to_owned(),
        (Some(_), count) => format!("{count} triggers are right"),
    };
    let head =
        format!("{}: {what}, with the defaults of the preset {}\n", clean(file), preset_name(found.preset));
    let row =
        |(head, words): (&str, String)| format!("  {}{}\n", paint.dim(&format!("{head:<8}")), clean(&words));
    let rule = |rule: &Trigger| {
        let rows: String = plain_words(rule).into_iter().map(row).collect();
        format!("\n{}\n{rows}", paint.bold(&rule.name))
    };
    let unchecked =
        found.alarms.is_none() && rules.iter().any(|rule| rule.actions.contains(&Action::Webhook));
    let triggers: Vec<String> = rules.iter().map(rule).collect();
    format!("{head}{}{}", triggers.concat(), if unchecked { ALARMS_ELSEWHERE } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terminal = Terminal { width: 100, color: false };

    fn checked(content: &str, more: &[&str]) -> Output {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f.json");
        std::fs::write(&file, content).unwrap();
        let mut args: Vec<String> = vec!["rules".into(), "check".into(), file.display().to_string()];
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let mut output = run(&args, PLAIN).unwrap();
        for text in [&mut output.stdout, &mut output.stderr] {
            *text = text.replace(&file.display().to_string(), "f.json");
        }
        output
    }

    #[test]
    fn right_triggers_are_said_in_plain_words() {
        let stall = r#"{ "name": "stalled", "when": { "type": "stall", "aboveMs": 1000 } }"#;
        let output = checked(&format!("\u{feff}{{ \"preset\": \"test\", \"triggers\": [{stall}] }}"), &[]);

        assert_eq!(
            output.stdout,
            "f.json: 1 trigger is right, with the defaults of the preset test\n\n\
             stalled\n\
             \x20 when    the event loop has not turned for 1 s\n\
             \x20 for     at once; not in the first 3 s of the process\n\
             \x20 then    an incident is written\n\
             \x20 limits  at most 60 times in an hour, 30 s apart; armed again at 80 % of the threshold\n"
        );
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        let output = checked(&format!("[{stall}]"), &["--json", "--preset", "test"]);
        let json: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(json["triggers"][0]["trigger"]["cooldownMs"], 30_000);
        assert_eq!(json["triggers"][0]["says"]["then"], "an incident is written");
        assert_eq!((json["valid"].as_bool(), json["preset"].as_str()), (Some(true), Some("test")));
    }

    #[test]
    fn wrong_ones_are_told_with_their_places_and_the_code_is_1() {
        let wrong = r#"{ "triggers": [{ "name": "a", "when": { "type": "stall" } }, 5] }"#;
        let output = checked(wrong, &[]);
        assert_eq!(
            output.stderr,
            "f.json: triggers[0].when.aboveMs: expected a number from 50 to 86400000, received nothing\n\
             f.json: triggers[1]: expected an object with name and when, received 5\n"
        );
        assert_eq!((output.code, output.stdout.as_str()), (1, ""));
        let output = checked(wrong, &["--json"]);
        let json: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!((output.code, json["problems"][1]["path"].as_str()), (1, Some("triggers[1]")));
    }

    #[test]
    fn alarms_in_the_file_are_checked_and_those_elsewhere_are_not() {
        let file = |alarms: &str, called: &str| {
            let trigger = format!(
                r#"{{ "name": "a", "when": {{ "type": "stall", "aboveMs": 1000 }}, "alarms": ["{called}"] }}"#
            );
            checked(&format!(r#"{{ {alarms} "triggers": [{trigger}] }}"#), &[])
        };
        let alarms = r#""alarms": [{ "name": "ops", "url": "env:OPS_URL", "key": "env:OPS_KEY" }],"#;
        let output = file(alarms, "ops");
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
        assert!(!output.stdout.contains("at start"));
        assert_eq!(
            file(alarms, "night").stderr,
            "f.json: triggers[0].alarms[0]: expected the name of an alarm: one of ops, received \"night\"\n"
        );
        let wrong = file(r#""alarms": [{ "name": "ops", "url": "env:1" }],"#, "ops");
        assert!(wrong.stderr.starts_with("f.json: alarms[0].url: expected an http:"), "{}", wrong.stderr);
        let elsewhere = file("", "ops");
        assert!(elsewhere.code == 0 && elsewhere.stdout.ends_with(ALARMS_ELSEWHERE));
    }

    #[test]
    fn what_is_no_file_of_triggers_is_said() {
        for (content, code, expected) in [
            ("{ \"triggers\": [ }", 1, "leakprobe: f.json: expected value at line 1 column 17\n"),
            ("7", 1, "leakprobe: f.json: expected an object with triggers, or an array of triggers\n"),
            ("{ \"preset\": 1 }", 1, "leakprobe: f.json: preset: expected \"production\" or \"test\"\n"),
        ] {
            let output = checked(content, &[]);
            assert_eq!((output.code, output.stderr.as_str()), (code, expected));
        }
        assert!(checked(&" ".repeat((1 << 20) + 1), &[]).stderr.contains("more than 1048576 bytes"));
        assert!(checked(&"[".repeat(1_000), &[]).stderr.contains("recursion limit"));
        assert!(checked("{}", &[]).stdout.contains("no triggers in it, so the default ones apply"));
        assert!(checked("{ \"triggers\": false }", &[]).stdout.contains("no trigger: all are switched off"));
    }

    #[test]
    fn usage_is_checked() {
        let ran = |line: &str| run(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), PLAIN);
        assert!(ran("report d").is_none() && ran("").is_none());
        for line in ["rules --help", "--help rules", "rules check -h"] {
            assert_eq!(ran(line).unwrap().stdout, HELP);
        }
        for (line, expected) in [
            ("rules", "rules: expected check or replay, received nothing"),
            ("rules play x", "rules: expected check or replay, received play"),
            ("rules check", "rules check takes one file, received 0"),
            ("rules check a b", "rules check takes one file, received 2"),
            ("rules check a --yaml", "unknown option --yaml"),
            ("rules check a --preset x", "--preset: expected production or test, received x"),
        ] {
            let output = ran(line).unwrap();
            assert_eq!(
                (output.code, output.stderr),
                (2, format!("leakprobe: {expected}; see leakprobe rules --help\n"))
            );
        }
        assert!(ran("rules check /nonexistent/x").is_some_and(|output| output.code == 1));
    }
}
