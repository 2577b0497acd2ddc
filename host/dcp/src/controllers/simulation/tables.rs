//! What reference/dcp.md says of states, typed from there by hand: the simulation compares with
//! this and never with the code.

use std::collections::BTreeSet;

/// Moves of an Executable (1.2). `any -> Unknown` is meant for what has not ended.
const EXECUTABLE: &str = "
    -         Starting Running NotFound Terminated FailedToStart Unknown
    NotFound  Starting Running Terminated FailedToStart Unknown
    Starting  Running FailedToStart Finished Unknown
    Running   Stopping Terminated Finished Unknown
    Stopping  Terminated Finished Unknown
";

/// Moves of a Container (1.1), and from wherever it runs to `Unknown` when it was removed behind
/// our back; from wherever it is over to `Running` when it was started again behind our back, from
/// `Stopping` if nobody saw it ended.
const CONTAINER: &str = "
    Pending           RuntimeUnhealthy NotFound Building Starting Running FailedToStart
    RuntimeUnhealthy  NotFound Building Starting Running FailedToStart
    NotFound          RuntimeUnhealthy Building Starting Running FailedToStart
    Building          Starting FailedToStart
    Starting          Running Exited FailedToStart
    Running           Paused Stopping Exited Unknown
    Paused            Running Stopping Exited Unknown
    Stopping          Exited Unknown Running
    Exited            Running
    Unknown           Running
";

/// Moves that a simulated schedule can't take, and why.
const BEYOND: &[(&str, &str)] = &[
    // Reused processes and containers are not simulated.
    ("* NotFound", "modes"),
    ("NotFound *", "modes"),
    ("- Running", "adoption"),
    ("Pending Running", "adoption"),
    ("RuntimeUnhealthy Running", "adoption"),
    // It is always seen running, so that nobody misses it.
    ("- FailedToStart", "shown as Starting first"),
    ("Starting Finished", "shown as Running first"),
    ("Starting Exited", "shown as Running first"),
    ("Running Terminated", "shown as Stopping first"),
    // What can't be stopped is, until then, being stopped.
    ("- Unknown", "nothing to lose sight of"),
    ("Starting Unknown", "nothing to lose sight of"),
    (
        "Running Unknown",
        "of an Executable: its end is always seen",
    ),
    ("Stopping Finished", "of an Executable: a stop ends it"),
];

/// The moves of a kind.
pub(super) fn moves(container: bool) -> BTreeSet<(String, String)> {
    let table = if container { CONTAINER } else { EXECUTABLE };
    let mut moves = BTreeSet::new();
    for line in table.lines() {
        let mut words = line.split_whitespace().map(str::to_owned);
        let Some(from) = words.next() else { continue };
        moves.extend(words.map(|to| (from.clone(), to)));
    }
    moves
}

/// The moves that schedules have to take.
pub(super) fn reachable(container: bool) -> BTreeSet<(String, String)> {
    let beyond = |from: &str, to: &str| {
        BEYOND.iter().any(|(pattern, why)| {
            let (one, other) = pattern.split_once(' ').expect("two words");
            let fits = |pattern: &str, word: &str| pattern == "*" || pattern == word;
            let of_executables = why.starts_with("of an Executable");
            fits(one, from) && fits(other, to) && !(container && of_executables)
        })
    };
    let mut moves = moves(container);
    moves.retain(|(from, to)| !beyond(from, to));
    moves
}
