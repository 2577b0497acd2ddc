//! Answers, held against what the controllers then do: curing what `why` names makes a workload
//! ready, and leaving one of it uncured doesn't; a run makes what `plan` printed and nothing else.
//!
//! Each schedule begins with chaos; when nothing goes on any more, it is asked.

use std::collections::{BTreeMap, BTreeSet};

use aspire_api::container::{HealthStatus, ProbeOutcome};
use aspire_api::meta::MANUAL_ANNOTATION;
use aspire_api::{Object, ObjectKey};

use super::checks::asked as asked_for;
use super::driver::{Checked, Simulation};
use super::world::World;
use crate::answers::{self, Action, Cause, Move, Standing};
use crate::controllers::first_key;

/// Something that can be cured, at the end of a chain.
type Leaf = (ObjectKey, Standing);

/// Cures of one workload, one after the other, until it is ready.
const ROUNDS: usize = 40;

impl Simulation {
    fn why(&self, key: &ObjectKey) -> Option<Cause> {
        let object = self.current(key)?;
        Some(answers::cause(object, &|key| self.current(key)))
    }

    /// What a workload's state is due to, in the end.
    fn leaves(&self, first: &ObjectKey) -> Vec<Leaf> {
        fn gather(cause: &Cause, leaves: &mut Vec<Leaf>) {
            let more = match &cause.standing {
                Standing::Above => None,
                Standing::Waits { others, .. } => (!others.is_empty()).then(|| {
                    let network = ObjectKey::new(aspire_api::Kind::ContainerNetwork, "app");
                    (network, Standing::Missing)
                }),
                // One that is gone is not there either.
                standing => Some((cause.key.clone(), standing.clone())),
            };
            leaves.extend(more.filter(|leaf| !leaves.contains(leaf)));
            for cause in &cause.because {
                gather(cause, leaves);
            }
        }
        let mut leaves = Vec::new();
        match self.why(first) {
            Some(cause) => gather(&cause, &mut leaves),
            None => leaves.push((first.clone(), Standing::Missing)),
        }
        leaves
    }

    /// It runs and is healthy, or has done its work.
    fn is_ready(&self, first: &ObjectKey) -> bool {
        let Some(object) = self.current(first) else {
            return false;
        };
        let (state, health, code) = match object {
            Object::Executable(it) => {
                let state = format!("{:?}", it.status.state);
                (state, it.status.health_status, it.status.exit_code)
            }
            Object::Container(it) => {
                let state = format!("{:?}", it.status.state);
                (state, it.status.health_status, it.status.exit_code)
            }
            _ => return false,
        };
        match &*state {
            "Running" | "Paused" => health == Some(HealthStatus::Healthy),
            "Finished" | "Exited" => code == Some(0),
            _ => false,
        }
    }

    /// It is asked to start and has not begun to.
    fn waits(&self, first: &ObjectKey) -> bool {
        let key = self.current(first).map(Object::key);
        let item = key.and_then(|key| self.items.get(&key));
        item.is_some_and(|item| {
            let (start, stop) = asked_for(&item.object);
            start && !stop && matches!(&*item.shown, "-" | "Pending")
        })
    }

    /// Ends everything that began with an object.
    fn end(&mut self, first: &ObjectKey) -> Checked {
        loop {
            let of_it = self.items.iter();
            let of_it = of_it.filter(|(_, item)| first_key(&item.object) == *first);
            let keys: Vec<ObjectKey> = of_it.map(|(key, _)| key.clone()).collect();
            if keys.is_empty() {
                return Ok(());
            }
            for key in keys {
                self.delete(&key);
            }
            self.settle()?;
            // Nothing can be removed without an engine.
            self.world.engine_down = false;
        }
    }

    /// As `aspire-host restart` does.
    fn restart(&mut self, first: &ObjectKey) -> Checked {
        let object = match self.current(first) {
            Some(object) => answers::fresh(object.clone()),
            None => self.asked[first].clone(),
        };
        self.end(first)?;
        self.add(object);
        Ok(())
    }

    /// `away`: there was no engine when it was named.
    fn cure(&mut self, (key, standing): &Leaf, away: bool) -> Checked {
        let first = self
            .items
            .get(key)
            .map_or_else(|| key.clone(), |item| first_key(&item.object));
        match standing {
            Standing::Missing if key.kind == aspire_api::Kind::ContainerNetwork => {
                self.network.object = true;
                self.world.engine_down = false;
            }
            Standing::NoEngine => self.world.engine_down = false,
            Standing::Manual => self.edit(key, |object| match object {
                Object::Executable(it) => it.spec.start = true,
                Object::Container(it) => it.spec.start = true,
                _ => {}
            }),
            Standing::Missing
            | Standing::Stopped
            | Standing::Ended(_)
            | Standing::Failed
            | Standing::Lost => self.restart(&first)?,
            // Somebody waits for its end. Of a container, only the engine can tell.
            Standing::Runs(probes) if probes.is_empty() => {
                self.world.end(&key.name, 0, true);
                self.world.engine_down &= !World::is_container(&key.name);
            }
            Standing::Runs(probes) => {
                for probe in probes {
                    self.probed(key, probe.clone(), ProbeOutcome::Success);
                }
            }
            // Without an engine, a start or an end goes on for ever; its message says so.
            Standing::Starting | Standing::Stopping | Standing::Again if away => {
                self.world.engine_down = false;
            }
            Standing::Above | Standing::Waits { .. } => {}
            Standing::Coming | Standing::Starting | Standing::Again | Standing::Stopping => {
                return Err(format!("{key} is {standing:?} although nothing goes on"));
            }
        }
        Ok(())
    }

    /// A workload that isn't ready, once nothing goes on any more.
    fn troubled(&mut self) -> Option<ObjectKey> {
        let firsts: BTreeSet<ObjectKey> = self
            .items
            .values()
            .filter(|item| item.object.metadata().deletion_timestamp.is_none())
            .map(|item| first_key(&item.object))
            .filter(|first| !self.is_ready(first))
            .collect();
        let firsts: Vec<ObjectKey> = firsts.into_iter().collect();
        let one = self.chance.below(firsts.len());
        firsts.into_iter().nth(one)
    }
}

/// A schedule up to the question, which is the same each time.
fn asked(seed: u64) -> Result<(Simulation, Option<ObjectKey>), String> {
    let mut simulation = Simulation::new(seed, None);
    simulation.gates = 2;
    let away = simulation.chance.once_in(4);
    simulation.until_calm(away)?;
    let troubled = simulation.troubled();
    Ok((simulation, troubled))
}

/// Cures what is named until the workload is ready; what was named.
fn cured(simulation: &mut Simulation, first: &ObjectKey) -> Result<Vec<Leaf>, String> {
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        if simulation.is_ready(first) {
            return Ok(all);
        }
        let leaves = simulation.leaves(first);
        if leaves.is_empty() {
            return Err(format!("{first} isn't ready, and no cause is named"));
        }
        simulation.story.push(format!("why {first}: {leaves:?}"));
        let away = simulation.world.engine_down;
        for leaf in &leaves {
            simulation.cure(leaf, away)?;
        }
        simulation.settle()?;
        all.extend(leaves);
    }
    Err(format!("{first} isn't ready after all cures: {all:?}"))
}

/// Cures all that is named but one, of what keeps a workload from starting: then it must not start.
fn cured_but_one(simulation: &mut Simulation, first: &ObjectKey) -> Checked {
    let mut leaves = simulation.leaves(first);
    let left = leaves.swap_remove(simulation.chance.below(leaves.len()));
    simulation
        .story
        .push(format!("without {left:?}: {leaves:?}"));
    let away = simulation.world.engine_down;
    for leaf in &leaves {
        simulation.cure(leaf, away)?;
    }
    simulation.settle()?;
    // An engine comes back for all.
    let waits = matches!(
        left.1,
        Standing::NoEngine | Standing::Starting | Standing::Stopping | Standing::Again
    );
    let came_back = waits && !simulation.world.engine_down;
    let starts = !simulation.waits(first);
    if starts && !came_back {
        return Err(format!("{first} starts although {left:?} was not cured"));
    }
    Ok(())
}

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Missing => "missing",
        Standing::Above => "above",
        Standing::Manual => "manual",
        Standing::Waits { .. } => "waits",
        Standing::Coming => "coming",
        Standing::Starting => "starting",
        Standing::NoEngine => "no engine",
        Standing::Again => "again",
        Standing::Runs(probes) if probes.is_empty() => "runs",
        Standing::Runs(_) => "probes",
        Standing::Stopping => "stopping",
        Standing::Stopped => "stopped",
        Standing::Ended(_) => "ended",
        Standing::Failed => "failed",
        Standing::Lost => "lost",
    }
}

/// A failure with how it came to it.
fn told(seed: u64, simulation: &Simulation, result: Checked) {
    if let Err(error) = result {
        let last = simulation.story.len().saturating_sub(80);
        let story = simulation.story[last..].join("\n");
        panic!("seed {seed}: {error}\n{story}");
    }
}

#[test]
fn curing_what_why_names_makes_it_ready() {
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut deepest = 0;
    for seed in 0..1500 {
        let (mut simulation, troubled) = asked(seed).unwrap_or_else(|why| panic!("{seed}: {why}"));
        let Some(first) = troubled else { continue };
        let several = simulation.waits(&first) && simulation.leaves(&first).len() > 1;
        let result = cured(&mut simulation, &first);
        for (_, standing) in result.iter().flatten() {
            *causes.entry(word(standing)).or_default() += 1;
        }
        deepest = deepest.max(result.iter().flatten().count());
        told(seed, &simulation, result.map(drop));
        if several {
            let (mut simulation, _) = asked(seed).expect("it went well before");
            let result = cured_but_one(&mut simulation, &first);
            told(seed, &simulation, result);
        }
    }
    // A restart that an absent engine holds up is too rare to be counted on.
    let named = causes.keys().copied();
    let named: Vec<&str> = named.filter(|word| *word != "again").collect();
    assert_eq!(
        named,
        [
            "ended",
            "failed",
            "lost",
            "manual",
            "missing",
            "no engine",
            "probes",
            "runs",
            "starting",
            "stopped",
            "stopping"
        ],
        "{causes:?}"
    );
    assert!(deepest > 4, "{deepest}");
}

/// What is done to the app's file, and the step that has to follow from it.
fn edited(simulation: &mut Simulation) -> (Vec<Object>, BTreeMap<ObjectKey, Action>) {
    let (mut wanted, mut expected) = (Vec::new(), BTreeMap::new());
    for (key, object) in simulation.asked.clone() {
        let there = simulation.current(&key).is_some();
        let mut object = object;
        let step = match simulation.chance.below(6) {
            0 => {
                if there {
                    expected.insert(key, Action::Stop);
                }
                continue;
            }
            1 | 2 => {
                match &mut object {
                    Object::Executable(it) => it.spec.args.push("more".to_owned()),
                    Object::Container(it) => it.spec.args.push("more".to_owned()),
                    _ => {}
                }
                Some(Action::Replace)
            }
            3 => {
                let annotations = &mut object.metadata_mut().annotations;
                let manual = annotations.remove(MANUAL_ANNOTATION).is_some();
                match &mut object {
                    Object::Executable(it) => it.spec.start = true,
                    Object::Container(it) => it.spec.start = true,
                    _ => {}
                }
                manual.then_some(Action::Change)
            }
            _ => None,
        };
        match step {
            _ if !there => drop(expected.insert(key, Action::Create)),
            Some(step) => drop(expected.insert(key, step)),
            None => {}
        }
        wanted.push(object);
    }
    if let Some(one) = wanted.first().filter(|_| simulation.chance.once_in(3)) {
        let mut new = one.clone();
        let name = format!("{}new", one.key().name);
        new.metadata_mut().name = name;
        expected.insert(new.key(), Action::Create);
        wanted.push(new);
    }
    (wanted, expected)
}

fn present(simulation: &Simulation) -> Vec<Object> {
    let items = simulation.items.values();
    items.map(|item| item.object.clone()).collect()
}

/// By the object that it began with: its objects, how often each was started, and whether it had
/// still to start.
type Seen = BTreeMap<ObjectKey, (Vec<(String, u32)>, bool)>;

fn seen(simulation: &Simulation) -> Seen {
    let mut seen = Seen::new();
    for (key, item) in &simulation.items {
        let starts = simulation.world.starts.get(&key.name).copied();
        let uid = item.object.metadata().uid.clone();
        let entry = seen.entry(first_key(&item.object)).or_default();
        entry.0.push((uid, starts.unwrap_or_default()));
        entry.1 |= matches!(&*item.shown, "-" | "Pending");
    }
    seen
}

/// A run as the host does it.
fn run(simulation: &mut Simulation, steps: &[answers::Step], wanted: &[Object]) -> Checked {
    for next in answers::moves(steps, wanted) {
        simulation.story.push(format!("{next:?}"));
        match next {
            Move::End(keys) => {
                for key in keys {
                    simulation.end(key)?;
                }
            }
            Move::Create(new) => simulation.add(new.clone()),
            Move::Change(step, new) => {
                let keys: Vec<ObjectKey> = simulation.items.keys().cloned().collect();
                for key in keys {
                    if first_key(&simulation.items[&key].object) == step.key {
                        simulation.edit(&key, |object| {
                            *object = answers::changed(object, new, step);
                        });
                    }
                }
            }
        }
    }
    simulation.settle()
}

fn planned(simulation: &mut Simulation) -> Result<BTreeSet<Action>, String> {
    simulation.until_calm(false)?;
    let (wanted, expected) = edited(simulation);
    let steps = answers::diff(&answers::wishes(&present(simulation)), &wanted);
    let printed: BTreeMap<ObjectKey, Action> = steps
        .iter()
        .map(|step| (step.key.clone(), step.action))
        .collect();
    if printed != expected {
        return Err(format!("printed {printed:?}, not {expected:?}"));
    }
    let before = seen(simulation);
    run(simulation, &steps, &wanted)?;
    let after = seen(simulation);
    let keys: BTreeSet<&ObjectKey> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        let uids = |seen: Option<&(Vec<(String, u32)>, bool)>| -> BTreeSet<String> {
            let all = seen.into_iter().flat_map(|(all, _)| all);
            all.map(|(uid, _)| uid.clone()).collect()
        };
        let may_start = old.is_some_and(|(_, waits)| *waits);
        let good = match printed.get(key) {
            Some(Action::Create) => old.is_none() && new.is_some(),
            Some(Action::Stop) => new.is_none(),
            Some(Action::Replace) => new.is_some() && uids(old).is_disjoint(&uids(new)),
            Some(Action::Change) => uids(old) == uids(new),
            None if may_start => uids(old) == uids(new),
            None => old.map(|seen| &seen.0) == new.map(|seen| &seen.0),
        };
        if !good {
            let step = printed.get(key);
            return Err(format!(
                "{key}: {step:?} was printed; {old:?} became {new:?}"
            ));
        }
    }
    let again = answers::diff(&answers::wishes(&present(simulation)), &wanted);
    if !again.is_empty() {
        return Err(format!("something is left to do: {again:?}"));
    }
    Ok(printed.into_values().collect())
}

#[test]
fn a_run_does_what_plan_printed() {
    let mut actions = BTreeSet::new();
    for seed in 0..1500 {
        let mut simulation = Simulation::new(seed, None);
        let result = planned(&mut simulation);
        actions.extend(result.iter().flatten().copied());
        told(seed, &simulation, result.map(drop));
    }
    use Action::{Change, Create, Replace, Stop};
    let all = BTreeSet::from([Create, Change, Replace, Stop]);
    assert_eq!(actions, all);
}
