//! `kill -9` of the host at random moments of a start, beside another running app: after the next
//! start nothing of the first is left, and the other never noticed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aspire_host_tests::processes::{self, Process};
use aspire_host_tests::random::Random;
use aspire_host_tests::wait::{LONG, SOON, until};
use aspire_host_tests::{Engine, Project, Session, http, needs_program, places};

use crate::ODD;

fn app(name: &str) -> String {
    format!(
        "name = '{name}'\n\
         [plugins]\nredis = {{ source = 'redis', allow = ['run-process:redis-server'] }}\n\
         [resources.cache]\nkind = 'redis'\n\
         [resources.forks]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['fork', 'pids']\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         references = ['cache']\nwait-for = ['cache', {{ resource = 'forks', for = 'started' }}]\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
    )
}

fn healthy(session: &Session) -> String {
    let url = session.url("web");
    until(LONG, "the service", || http::get(&url).ok());
    url
}

/// Everything that belongs to the runs of a project, but not to the host itself.
fn runs(project: &Project) -> BTreeSet<String> {
    project
        .processes()
        .iter()
        .filter_map(|p| p.var(processes::RUN))
        .map(str::to_owned)
        .collect()
}

/// The bystander: its processes, and somebody who calls it all the time.
struct Bystander {
    session: Session,
    before: Vec<Process>,
    containers: Vec<String>,
    url: String,
}

impl Bystander {
    fn start(project: &Project, runtime: &str) -> Self {
        let session = project.run(&["--runtime", runtime]);
        let url = healthy(&session);
        let before = project.processes();
        assert!(before.len() >= 3, "{before:#?}");
        Self {
            session,
            before,
            containers: project.containers(),
            url,
        }
    }

    fn stop(self, project: &Project) {
        for process in &self.before {
            assert!(process.lives(), "the bystander lost {}", process.describe());
        }
        assert_eq!(names(&project.containers()), names(&self.containers));
        self.session.stop().expect(130).lacks(&["restart"]);
        project.assert_nothing_left();
    }
}

fn kill_at_random_moments(engine: Option<Engine>, runtime: &str) {
    let with = |project: Project| match engine {
        Some(engine) => project.on(engine),
        None => project,
    };
    let bystander_project =
        with(Project::new(&format!("crash-{runtime}-other")).app(&app("other")));
    let project = with(Project::new(&format!("crash-{runtime}")).app(&app("victim")));
    let bystander = Bystander::start(&bystander_project, runtime);
    let done = AtomicBool::new(false);
    let mut random = Random::new();
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut calls = 0;
            while !done.load(Ordering::Relaxed) {
                let answer = http::get(&bystander.url);
                assert!(answer.is_ok(), "the bystander does not answer: {answer:?}");
                calls += 1;
                thread::sleep(Duration::from_millis(50));
            }
            calls
        });
        let end = Done(&done);
        let begin = Instant::now();
        let session = project.run(&["--runtime", runtime]);
        healthy(&session);
        let length = u64::try_from(begin.elapsed().as_millis()).expect("short") + 100;
        session.stop().expect(130);
        project.assert_nothing_left();

        let times = if places::slow() { 50 } else { 10 };
        for number in 0..times {
            let moment = random.below(length);
            places::say(&format!("kill {number} after {moment} ms"));
            let session = project.run(&["--runtime", runtime]);
            // Not a synchronisation: any moment will do.
            thread::sleep(Duration::from_millis(moment));
            if number % 2 == 0 {
                session.signal(rustix::process::Signal::KILL);
            } else {
                session.kill_with_watchdog();
            }
            let killed = session.finish();
            assert_ne!(killed.code, Some(0), "{killed}");
            let before = runs(&project);
            let next = project.run(&["--runtime", runtime]);
            healthy(&next);
            let now = runs(&project);
            assert!(
                now.is_disjoint(&before),
                "left of the killed run: {now:?} {before:?}"
            );
            assert_eq!(now.len(), 1, "more than one run: {now:?}");
            next.stop().expect(130);
            until(SOON, "nothing left", || {
                project.processes().is_empty().then_some(())
            });
            project.assert_nothing_left();
        }
        drop(end);
        assert!(caller.join().expect("the caller was always answered") > 0);
    });
    bystander.stop(&bystander_project);
}

/// Kind and id, without labels, whose order the engine changes as it likes.
fn names(listed: &[String]) -> Vec<String> {
    let mut names: Vec<String> = listed
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    names.sort();
    names
}

/// Ends the caller, even when the test panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn natively() {
    needs_program!("redis-server", "apt-get install redis-server");
    kill_at_random_moments(None, "native");
}

#[test]
fn with_containers() {
    let engine = aspire_host_tests::needs_engine!();
    kill_at_random_moments(Some(engine), "docker");
}
