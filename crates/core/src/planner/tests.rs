//! Planners with made-up processes, second by second.

use super::*;
use crate::estimate::Random;

/// A process: what it holds, and what its requests leave.
struct Process {
    planner: Planner,
    random: Random,
    floor: f64,
    garbage: f64,
    now_ns: u64,
    freezes: Vec<u64>,
    leaks: usize,
}

impl Process {
    fn new(pace: Pace) -> Self {
        let mut planner = Planner::new(pace, 60 * SECOND);
        planner.switch(true);
        Self {
            planner,
            random: Random::new(5),
            floor: 5e8,
            garbage: 0.0,
            now_ns: 0,
            freezes: Vec::new(),
            leaks: 0,
        }
    }

    /// A second with so many requests, of which one in three is of the route that keeps `kept` bytes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made-up bytes")]
    fn second(&mut self, requests: u32, kept: f64) {
        let mut leaking = 0.0;
        for _ in 0..requests {
            let route = self.random.below(3);
            self.planner.finished(RouteId(u16::try_from(route).unwrap() + 1));
            leaking += if route == 0 { 1.0 } else { 0.0 };
        }
        self.floor += kept * leaking;
        // Promoted garbage, which a major collection takes away.
        self.garbage += 4_000.0 * f64::from(requests);
        if self.garbage > 1e8 {
            self.garbage = 0.0;
        }
        self.now_ns += SECOND;
        let young = 1e6 * self.random.unit();
        self.planner.collected(self.now_ns, (self.floor + self.garbage + young) as u64, 1 << 20);
        if self.planner.wants(self.now_ns, self.leaks) {
            self.planner.asked(self.now_ns);
            self.freezes.push(self.now_ns / SECOND);
            self.planner.answered(self.floor as u64, 1 << 20, self.leaks);
        }
    }
}

#[test]
fn nobody_is_frozen_while_all_is_quiet() {
    let mut idle = Process::new(Pace::PRODUCTION);
    (0..86_400).for_each(|_| idle.second(0, 1_000.0));
    assert_eq!(idle.freezes, Vec::<u64>::new());
    let stats = idle.planner.stats(idle.now_ns);
    assert_eq!((stats.state.as_str(), stats.because.as_str(), stats.floors), ("watch", "all is quiet", 0));
}

#[test]
fn garbage_that_looks_like_growth_is_looked_at_and_then_left_alone() {
    let mut healthy = Process::new(Pace::PRODUCTION);
    (0..86_400).for_each(|_| healthy.second(50, 0.0));
    let first = healthy.freezes.iter().filter(|at| **at < 1_800).count();
    assert!((6..=12).contains(&first), "{:?}", healthy.freezes);
    assert!(healthy.freezes.len() <= 70, "{} in a day", healthy.freezes.len());
}

#[test]
fn a_leak_is_followed_until_the_verdict_stands_and_rarely_after() {
    let mut leaking = Process::new(Pace::PRODUCTION);
    for second in 0..7_200 {
        leaking.leaks = usize::from(second > 1_200);
        leaking.second(50, 3_000.0);
    }
    let by_verdict = leaking.freezes.iter().filter(|at| **at <= 1_200).count();
    assert!((12..=20).contains(&by_verdict), "{:?}", leaking.freezes);
    let after = leaking.freezes.iter().filter(|at| **at > 1_500).count();
    assert!((4..=8).contains(&after), "{:?}", leaking.freezes);
    assert_eq!(leaking.planner.stats(leaking.now_ns).state, "known");
}

#[test]
fn growth_that_no_verdict_explains_is_followed_rarely_in_the_end() {
    let mut growing = Process::new(Pace::PRODUCTION);
    (0..4 * 3_600).for_each(|_| growing.second(50, 3_000.0));
    assert!(growing.freezes.len() <= 45, "{}", growing.freezes.len());
    assert!(growing.planner.stats(growing.now_ns).because.contains("named no leak"));
}

#[test]
fn a_floor_waits_for_another_mix_but_not_for_ever() {
    let mut planner = Planner::new(Pace::PRODUCTION, 0);
    planner.switch(true);
    (0..4).for_each(|slice| planner.native(slice * 10 * SECOND, 1 << 24));
    (4..9).for_each(|slice| planner.native(slice * 10 * SECOND, 1 << 25));
    let requests = |planner: &mut Planner, route: u16| (0..99).for_each(|_| planner.finished(RouteId(route)));
    requests(&mut planner, 1);
    let start = 100 * SECOND;
    assert!(planner.wants(start, 0));
    planner.asked(start);
    planner.answered(1, 1, 0);

    requests(&mut planner, 1);
    assert!(!planner.wants(start + 35 * SECOND, 0), "the same mix");
    requests(&mut planner, 2);
    assert!(planner.wants(start + 35 * SECOND, 0), "another mix");
    planner.asked(start + 35 * SECOND);
    planner.answered(1, 1, 0);
    requests(&mut planner, 1);
    requests(&mut planner, 2);
    assert!(planner.wants(start + 100 * SECOND, 0), "not for ever");
}

#[test]
fn a_test_gets_a_floor_a_second_while_requests_come() {
    let mut test = Process::new(Pace::TEST);
    (0..90).for_each(|_| test.second(20, 0.0));
    assert_eq!(test.freezes.len(), 31, "from the end of the warm-up, a minute, on");
    (0..90).for_each(|_| test.second(0, 0.0));
    assert_eq!(test.freezes.len(), 31);
}

#[test]
fn switched_off_it_asks_nothing_and_a_refusal_waits() {
    let mut test = Process::new(Pace::TEST);
    test.planner.switch(false);
    (0..70).for_each(|_| test.second(20, 0.0));
    assert_eq!((test.freezes.len(), test.planner.stats(0).state.as_str()), (0, "off"));
    test.planner.switch(true);
    test.planner.put_off(test.now_ns, 30 * SECOND, "the budget is used up");
    test.second(20, 0.0);
    let waiting = test.planner.stats(test.now_ns);
    assert!(test.freezes.is_empty());
    assert_eq!(waiting.next_in_ms, Some(29_000), "{waiting:?}");
}
