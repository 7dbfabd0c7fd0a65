//! Arguments of `leakprobe history`.

use leakprobe_history::Resolution;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
usage: leakprobe history DIR [--route ROUTE] [--since SPAN] [--resolution minute|hour] [--json]

DIR is the directory of the probe or one service's folder in it. Says what the service's routes did over the span, all
its processes together, and which deployments, findings and incidents there were. Minutes are kept for a week, hours
for 400 days.

options:
  --route ROUTE      this route alone, as the report names it; else the 20 with the most requests
  --since SPAN       30m, 12h, 7d: so long until now (7d)
  --resolution R     minute or hour (minute up to 12h, else hour)
  --json             as leakprobe.history/1, with every window of every route

examples:
  npx leakprobe history .leakprobe
  npx leakprobe history .leakprobe --route 'GET /mails/:customer' --since 30d
  npx leakprobe history .leakprobe --since 12h --json | jq '.deployments'

exit codes: 0 done, also when there was nothing in the span, 1 no history there or unreadable, 2 wrong usage
";

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) directory: PathBuf,
    pub(super) route: Option<String>,
    pub(super) since_s: i64,
    resolution: Option<Resolution>,
    pub(super) json: bool,
}

impl Asked {
    pub(super) fn resolution(&self) -> Resolution {
        let short = self.since_s <= 12 * 3_600;
        self.resolution.unwrap_or(if short { Resolution::Minute } else { Resolution::Hour })
    }
}

/// `None` for another command; `Ok(None)` when help is wanted.
pub(super) fn parse(args: &[String]) -> Option<Result<Option<Asked>, String>> {
    let first = args.iter().find(|arg| !arg.starts_with('-'))?;
    (first == "history").then(|| read(args))
}

fn read(args: &[String]) -> Result<Option<Asked>, String> {
    let mut words = Vec::new();
    let (mut route, mut since_s, mut resolution, mut json) = (None, 7 * 86_400, None, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--json" => json = true,
            "--route" => route = Some(value()?),
            "--since" => since_s = span(&value()?)?,
            "--resolution" => {
                resolution = Some(match value()?.as_str() {
                    "minute" => Resolution::Minute,
                    "hour" => Resolution::Hour,
                    other => return Err(format!("--resolution: expected minute or hour, received {other}")),
                });
            }
            option if option.starts_with('-') => return Err(format!("unknown option {option}")),
            word => words.push(word),
        }
    }
    match words.as_slice() {
        [_, directory] => {
            Ok(Some(Asked { directory: PathBuf::from(directory), route, since_s, resolution, json }))
        }
        _ => Err(format!("history takes one directory, received {}", words.len() - 1)),
    }
}

/// A span as people write it, in seconds.
pub(crate) fn span(text: &str) -> Result<i64, String> {
    let wrong = || format!("--since: expected a number with m, h or d, such as 7d, received {text}");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 =
        number.parse().ok().filter(|number| (1..=100_000).contains(number)).ok_or_else(wrong)?;
    Ok(number * seconds)
}
