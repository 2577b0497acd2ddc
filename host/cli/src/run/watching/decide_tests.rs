//! Bursts, builds and copies, told one by one with the time that passes.

use super::*;

/// A resource, and the time that passes for it.
struct One {
    state: State,
    now: Duration,
}

impl One {
    fn new(action: WatchAction, builds: bool, builds_here: bool) -> Self {
        let plan = Plan {
            action,
            builds,
            builds_here,
        };
        let now = Duration::from_secs(5);
        let state = State::new(plan);
        Self { state, now }
    }

    fn process(action: WatchAction) -> Self {
        let builds = action == WatchAction::Rebuild;
        let mut one = Self::new(action, builds, builds);
        assert_eq!(one.on(Input::Life(Life::Running)), []);
        one
    }

    fn on(&mut self, input: Input) -> Vec<Effect> {
        let (state, effects) = step(&self.state, self.now, input);
        self.state = state;
        effects
    }

    /// Touches files now and then, so many times.
    fn touched(&mut self, times: u32, apart: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..times {
            effects.extend(self.on(Input::Touched));
            self.now += Duration::from_millis(apart);
            if self.state.due().is_some_and(|due| due <= self.now) {
                effects.extend(self.on(Input::Tick));
            }
        }
        effects
    }

    /// Waits for the end of a burst, and finds that these changed.
    fn changed(&mut self, names: &[&str]) -> Vec<Effect> {
        assert_eq!(self.on(Input::Touched), []);
        self.now = self.state.due().unwrap();
        assert_eq!(self.on(Input::Tick), [Effect::Look]);
        self.on(Input::Looked(paths(names)))
    }

    /// A build, during which these changed.
    fn built(&mut self, good: bool, names: &[&str]) -> Vec<Effect> {
        assert_eq!(self.on(Input::Built(good)), [Effect::LookAtAll]);
        self.on(Input::Looked(paths(names)))
    }

    /// The burst that is left, if any, in which nothing more is found.
    fn rest(&mut self) -> Vec<Effect> {
        let Some(due) = self.state.due() else {
            return Vec::new();
        };
        self.now = due;
        assert_eq!(self.on(Input::Tick), [Effect::Look]);
        self.on(Input::Looked(Paths::new()))
    }
}

fn paths(names: &[&str]) -> Paths {
    names.iter().map(PathBuf::from).collect()
}

fn replace(built: bool, names: &[&str]) -> Effect {
    let because = paths(names);
    Effect::Replace { built, because }
}

#[test]
fn a_burst_is_looked_at_once() {
    let mut one = One::process(WatchAction::Restart);
    assert_eq!(one.touched(5, 99), []);
    assert_eq!(one.on(Input::Tick), [], "99 ms are not quiet enough");
    one.now += Duration::from_millis(1);
    assert_eq!(one.on(Input::Tick), [Effect::Look]);
    assert_eq!(one.on(Input::Tick), []);
    let effects = one.on(Input::Looked(paths(&["a", "b"])));
    assert_eq!(effects, [replace(true, &["a", "b"])]);
    assert_eq!(one.on(Input::Acted), []);
    assert_eq!(one.state.due(), None);
}

#[test]
fn a_burst_without_end_is_not_waited_for() {
    let mut one = One::process(WatchAction::Restart);
    assert_eq!(one.touched(100, 50), [Effect::Look]);
}

#[test]
fn what_did_not_change_is_no_reason() {
    let mut one = One::process(WatchAction::Restart);
    assert_eq!(one.changed(&[]), []);
    assert_eq!(one.changed(&["a"]), [replace(true, &["a"])]);
}

#[test]
fn what_follows_by_action_and_life() {
    use WatchAction as Do;
    let starting = Life::Starting { builds: false };
    let build = Effect::Build(paths(&["a"]));
    let copy = Effect::Copy(paths(&["a"]));
    for (action, life, expected) in [
        (Do::Restart, Life::Waiting, None),
        (Do::Restart, Life::ByHand, None),
        (Do::Restart, starting, Some(replace(true, &["a"]))),
        (Do::Restart, Life::Running, Some(replace(true, &["a"]))),
        // It may have failed for want of a build.
        (Do::Restart, Life::Ended, Some(replace(false, &["a"]))),
        (Do::Rebuild, Life::Waiting, None),
        (Do::Rebuild, Life::ByHand, None),
        (Do::Rebuild, starting, Some(build.clone())),
        (Do::Rebuild, Life::Running, Some(build.clone())),
        (Do::Rebuild, Life::Ended, Some(build.clone())),
        (Do::Sync, Life::Waiting, None),
        (Do::Sync, Life::ByHand, None),
        (Do::Sync, starting, None),
        (Do::Sync, Life::Running, Some(copy)),
        (Do::Sync, Life::Ended, Some(replace(false, &["a"]))),
    ] {
        let mut one = One::process(action);
        one.on(Input::Life(life));
        let found = one.changed(&["a"]);
        assert_eq!(found, Vec::from_iter(expected), "{action:?} {life:?}");
    }
}

#[test]
fn only_a_good_build_replaces() {
    let mut one = One::process(WatchAction::Rebuild);
    assert_eq!(one.changed(&["a"]), [Effect::Build(paths(&["a"]))]);
    assert_eq!(one.built(false, &[]), []);
    assert_eq!(one.changed(&["b"]), [Effect::Build(paths(&["b"]))]);
    assert_eq!(one.built(true, &[]), [replace(true, &["b"])]);
    assert_eq!(one.on(Input::Acted), []);
    assert_eq!(one.state.due(), None);
}

#[test]
fn changes_wait_for_the_end_of_what_is_done() {
    let mut one = One::process(WatchAction::Restart);
    assert_eq!(one.changed(&["a"]), [replace(true, &["a"])]);
    one.touched(3, 500);
    assert_eq!(one.state.due(), None);
    assert_eq!(one.on(Input::Acted), []);
    assert_eq!(one.on(Input::Tick), [Effect::Look]);
    let effects = one.on(Input::Looked(paths(&["b"])));
    assert_eq!(effects, [replace(true, &["b"])]);
}

#[test]
fn an_edit_during_a_build_is_built_too() {
    let mut one = One::process(WatchAction::Rebuild);
    one.changed(&["a"]);
    one.touched(1, 10);
    assert_eq!(one.built(true, &["b"]), [replace(true, &["a"])]);
    assert_eq!(one.on(Input::Acted), []);
    assert_eq!(one.rest(), [Effect::Build(paths(&["b"]))]);
    assert_eq!(one.built(true, &[]), [replace(true, &["b"])]);
    assert_eq!(one.on(Input::Acted), []);
    assert_eq!(one.rest(), []);
}

#[test]
fn what_a_build_makes_is_no_reason() {
    let mut one = One::process(WatchAction::Rebuild);
    one.changed(&["a"]);
    one.touched(1, 10);
    one.built(true, &["out"]);
    one.on(Input::Acted);
    // Once more, since it may have been an edit.
    assert_eq!(one.rest(), [Effect::Build(paths(&["out"]))]);
    one.touched(1, 10);
    assert_eq!(one.built(true, &["out"]), [replace(true, &["out"])]);
    one.on(Input::Acted);
    assert_eq!(one.rest(), []);
    // From now on, never.
    assert_eq!(one.changed(&["a"]), [Effect::Build(paths(&["a"]))]);
    one.touched(1, 10);
    assert_eq!(one.built(true, &["out"]), [replace(true, &["a"])]);
    one.on(Input::Acted);
    assert_eq!(one.rest(), []);
    // Unless it changes without one.
    assert_eq!(one.changed(&["out"]), [Effect::Build(paths(&["out"]))]);
}

#[test]
fn what_every_other_build_makes_is_no_reason_either() {
    let mut one = One::process(WatchAction::Rebuild);
    one.changed(&["a"]);
    one.touched(1, 10);
    one.built(true, &["copy"]);
    one.on(Input::Acted);
    one.rest();
    // The same was written.
    one.built(true, &[]);
    one.on(Input::Acted);
    one.changed(&["a"]);
    one.touched(1, 10);
    one.built(true, &["copy"]);
    one.on(Input::Acted);
    assert_eq!(one.rest(), []);
}

#[test]
fn an_engine_builds_elsewhere() {
    let mut one = One::new(WatchAction::Rebuild, true, false);
    one.on(Input::Life(Life::Running));
    one.changed(&["a"]);
    for _ in 0..3 {
        one.touched(1, 10);
        one.built(true, &["a"]);
        one.on(Input::Acted);
        assert_eq!(one.rest(), [Effect::Build(paths(&["a"]))]);
    }
}

#[test]
fn a_start_that_builds_is_a_build() {
    let mut one = One::new(WatchAction::Rebuild, true, true);
    one.on(Input::Life(Life::Starting { builds: true }));
    one.touched(1, 500);
    assert_eq!(one.state.due(), None);
    assert_eq!(one.on(Input::Life(Life::Running)), [Effect::LookAtAll]);
    assert_eq!(one.on(Input::Looked(paths(&["out"]))), []);
    assert_eq!(one.rest(), [Effect::Build(paths(&["out"]))]);
    assert_eq!(one.built(true, &["out"]), [replace(true, &["out"])]);
}

#[test]
fn a_start_that_builds_and_changes_nothing_is_quiet() {
    let mut one = One::new(WatchAction::Rebuild, true, true);
    one.on(Input::Life(Life::Starting { builds: true }));
    assert_eq!(one.on(Input::Life(Life::Ended)), [Effect::LookAtAll]);
    assert_eq!(one.on(Input::Looked(Paths::new())), []);
    assert_eq!(one.state.due(), None);
    assert_eq!(one.changed(&["a"]), [Effect::Build(paths(&["a"]))]);
}

#[test]
fn copies_wait_for_the_container() {
    let mut one = One::new(WatchAction::Sync, true, false);
    assert_eq!(one.changed(&["a"]), []);
    assert_eq!(one.changed(&["b"]), []);
    let effects = one.on(Input::Life(Life::Running));
    assert_eq!(effects, [Effect::Copy(paths(&["a", "b"]))]);
    assert_eq!(one.on(Input::Acted), []);
    // The next one is built with them.
    one.on(Input::Life(Life::Waiting));
    assert_eq!(one.on(Input::Life(Life::Running)), []);
}

#[test]
fn a_container_without_a_build_gets_its_copies_again() {
    let mut one = One::new(WatchAction::Sync, false, false);
    one.on(Input::Life(Life::Running));
    assert_eq!(one.changed(&["a"]), [Effect::Copy(paths(&["a"]))]);
    one.on(Input::Acted);
    assert_eq!(one.changed(&["b"]), [Effect::Copy(paths(&["b"]))]);
    one.on(Input::Acted);
    one.on(Input::Life(Life::Waiting));
    let effects = one.on(Input::Life(Life::Running));
    assert_eq!(effects, [Effect::Copy(paths(&["a", "b"]))]);
}
