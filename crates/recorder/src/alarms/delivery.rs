//! When a message is tried again, and when no more.

use std::time::Duration;

/// Attempts in all: with waits that double from a second, some two minutes.
pub(super) const ATTEMPTS: u32 = 8;
/// Longest wait, also when the server asks for more.
const LONGEST: Duration = Duration::from_secs(300);

/// What came of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Attempt {
    Delivered,
    /// Another one may succeed; the server asked for so long a wait, if it did.
    Again {
        because: String,
        after: Option<Duration>,
    },
    /// None will.
    Refused {
        because: String,
    },
}

impl Attempt {
    /// By the answer's status. 408, 425 and 429 are about the moment, other 4xx about the message or the address; a redirection is
    /// not followed, for what is sent is for the address that was given.
    pub(super) fn answered(status: u16, retry_after: Option<&str>) -> Self {
        let because = format!("it answered {status}");
        match status {
            200..300 => Self::Delivered,
            408 | 425 | 429 | 500.. => {
                let after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
                Self::Again { because, after }
            }
            _ => Self::Refused { because },
        }
    }
}

/// How long to wait after the attempt with this number (from 1); `chance` from 0 to 1 spreads those that failed together.
pub(super) fn wait(attempt: u32, first: Duration, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = first.saturating_mul(1 << attempt.saturating_sub(1).min(20)).min(LONGEST);
    let spread = doubled.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
    spread.max(asked.unwrap_or_default()).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_are_spread_and_end() {
        let first = Duration::from_secs(1);
        let of = |attempt, chance| wait(attempt, first, None, chance).as_millis();
        assert_eq!((of(1, 0.0), of(1, 1.0), of(4, 1.0)), (500, 1_000, 8_000));
        assert_eq!((of(30, 1.0), of(u32::MAX, 0.0)), (300_000, 150_000));
        let all: u128 = (1..ATTEMPTS).map(|attempt| of(attempt, 1.0)).sum();
        assert_eq!(all, 127_000);
    }

    #[test]
    fn a_server_may_ask_for_more_but_not_for_ever() {
        let asked =
            |seconds| wait(1, Duration::from_secs(1), Some(Duration::from_secs(seconds)), 0.0).as_secs();
        assert_eq!((asked(30), asked(86_400)), (30, 300));
    }

    #[test]
    fn only_what_may_succeed_is_tried_again() {
        for status in [200, 202, 204] {
            assert_eq!(Attempt::answered(status, None), Attempt::Delivered);
        }
        for status in [408, 425, 429, 500, 503, 599] {
            assert!(matches!(Attempt::answered(status, None), Attempt::Again { .. }), "{status}");
        }
        for status in [301, 307, 400, 401, 404, 410] {
            assert!(matches!(Attempt::answered(status, None), Attempt::Refused { .. }), "{status}");
        }
        let Attempt::Again { after, .. } = Attempt::answered(429, Some(" 7 ")) else {
            panic!("is tried again")
        };
        assert_eq!(after, Some(Duration::from_secs(7)));
        let date = Attempt::answered(503, Some("Wed, 21 Oct 2026 07:28:00 GMT"));
        assert_eq!(date, Attempt::Again { because: "it answered 503".to_owned(), after: None });
    }
}
