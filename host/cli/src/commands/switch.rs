//! `start`, `stop` and `restart`: resources of the running app, and the app's end.
//!
//! An object's `start` and `stop` go one way only, so what has ended is started again as a new
//! object of the same name and spec. Its gates are checked as at the first start.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use aspire_api::ObjectKey;
use serde_json::json;

use crate::args::{StartArgs, StopArgs, WaitArgs, WaitFor};
use crate::error::{Exit, Problem};
use crate::host::Host;
use crate::instance::Owner;
use crate::run::view::{Phase, row_key};
use crate::running::plane::{Change, Plane};
use crate::running::workloads::Workload;
use crate::running::{self, Running};
use aspire_dcp::answers::fresh;

/// Between two looks at a process that ends.
const LOOK: Duration = Duration::from_millis(20);

/// Starts resources.
pub(super) fn start(host: &Host, args: &StartArgs) -> Result<Exit> {
    running::with(host, async |running| {
        let workloads = running.workloads().await?;
        let mut done = Vec::new();
        for workload in workloads.select(&args.resources)? {
            let key = &workload.key;
            let what = match workload.row.phase {
                Phase::Waiting if workload.row.manual => {
                    let patch = json!({ "spec": { "start": true } });
                    running.plane.patch(key, &patch).await?;
                    "started"
                }
                Phase::Finished | Phase::Failed | Phase::Stopping => {
                    replace(&running.plane, key).await?;
                    "started again"
                }
                _ if workload.row.stopped => {
                    replace(&running.plane, key).await?;
                    "started again"
                }
                Phase::Waiting => "waits to be started already",
                Phase::Starting | Phase::Running => "runs already",
            };
            done.push((workload.row.name.clone(), what));
        }
        tell(host, &done);
        if args.wait {
            wait_for(&running, &args.resources, WaitFor::Healthy).await?;
        }
        Ok(Exit::Fine)
    })
}

/// Stops resources and starts them again.
pub(super) fn restart(host: &Host, args: &StartArgs) -> Result<Exit> {
    running::with(host, async |running| {
        let workloads = running.workloads().await?;
        let mut done = Vec::new();
        for workload in workloads.select(&args.resources)? {
            replace(&running.plane, &workload.key).await?;
            done.push((workload.row.name.clone(), "restarted"));
        }
        tell(host, &done);
        if args.wait {
            wait_for(&running, &args.resources, WaitFor::Healthy).await?;
        }
        Ok(Exit::Fine)
    })
}

/// Stops resources, or the app.
pub(super) fn stop(host: &Host, args: &StopArgs) -> Result<Exit> {
    running::with(host, async |running| {
        if args.resources.is_empty() {
            let app = running.owner.app.clone();
            stop_app(running).await?;
            tell(host, &[(app, "stopped")]);
            return Ok(Exit::Fine);
        }
        let workloads = running.workloads().await?;
        let mut done = Vec::new();
        for workload in workloads.select(&args.resources)? {
            let what = if workload.has_ended() {
                "has ended already"
            } else {
                ask_to_stop(&running.plane, workload).await?;
                "asked to stop"
            };
            done.push((workload.row.name.clone(), what));
        }
        if args.wait {
            wait_for(&running, &args.resources, WaitFor::Stopped).await?;
            for (_, what) in &mut done {
                if *what == "asked to stop" {
                    *what = "stopped";
                }
            }
        }
        tell(host, &done);
        Ok(Exit::Fine)
    })
}

fn tell(host: &Host, done: &[(String, &str)]) {
    if host.ui.json() {
        let list: Vec<_> = done
            .iter()
            .map(|(name, what)| json!({ "name": name, "did": what }))
            .collect();
        host.ui.out_json(&json!(list));
        return;
    }
    for (name, what) in done {
        host.ui.note(format!("{name}: {what}"));
    }
}

async fn ask_to_stop(plane: &Plane, workload: &Workload) -> Result<()> {
    let patch = json!({ "spec": { "stop": true } });
    plane.patch(&workload.key, &patch).await?;
    Ok(())
}

async fn wait_for(running: &Running, resources: &[String], wanted: WaitFor) -> Result<()> {
    let args = WaitArgs {
        resources: resources.to_vec(),
        wanted,
        timeout: None,
    };
    let begun = std::time::Instant::now();
    super::wait::settle(running, &args, begun).await.map(|_| ())
}

/// Ends an object and makes one like it.
async fn replace(plane: &Plane, key: &ObjectKey) -> Result<()> {
    let mut changes = plane.watch(&[key.kind]);
    let Some(old) = plane.get(key).await? else {
        bail!(Problem::app(format!(
            "`{}` is gone: somebody else has removed it",
            key.name
        )));
    };
    let uid = old.metadata().uid.clone();
    let first = row_key(&old);
    plane.delete(key).await?;
    // With it goes what was left of the object that it began with, which has the name.
    let mut listed = false;
    let mut present: BTreeSet<ObjectKey> = BTreeSet::new();
    while !listed || present.contains(key) || present.contains(&first) {
        match changes.recv().await {
            Some(Change::Removed(gone)) => drop(present.remove(&gone)),
            Some(Change::Now(object))
                if object.key() == first
                    || object.key() == *key && object.metadata().uid == uid =>
            {
                present.insert(object.key());
            }
            Some(Change::Listed) => listed = true,
            Some(Change::Over) | None => bail!(Problem::app(format!(
                "the app ended before `{}` was started again",
                key.name
            ))),
            Some(_) => {}
        }
    }
    plane.create(&fresh(old)).await?;
    Ok(())
}

/// Ends the app and waits until its process is gone.
///
/// # Errors
/// It cannot be asked.
pub(crate) async fn stop_app(running: Running) -> Result<()> {
    running.plane.stop_everything().await?;
    gone(&running.owner).await;
    Ok(())
}

/// Waits until a process is gone.
pub(crate) async fn gone(owner: &Owner) {
    while owner.is_alive() {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_api::Object;

    use crate::running::workloads::samples;

    #[tokio::test]
    async fn what_is_replaced_is_another_object_of_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let api = aspire_dcp::server::Api::alone(folder.path().join("logs")).unwrap();
        let plane = Plane::new(api.kube_client());
        let old = samples::process("api", |e| e.spec.stop = true);
        let old = plane.create(&old).await.unwrap();
        replace(&plane, &old.key()).await.unwrap();
        let new = plane.get(&old.key()).await.unwrap().unwrap();
        assert_ne!(new.metadata().uid, old.metadata().uid);
        let Object::Executable(executable) = new else {
            panic!("another kind");
        };
        assert!(executable.spec.start && !executable.spec.stop);
        // Nobody is there to be replaced.
        let nobody = ObjectKey::new(aspire_api::Kind::Executable, "nobody");
        let error = replace(&plane, &nobody).await.unwrap_err();
        assert!(error.to_string().contains("`nobody` is gone"), "{error}");
    }
}
