//! What ours has and a real server has not: workloads that run, told as pods, so that `kubectl
//! logs` works without anything being installed.

use aspire_host_tests::clients::{Kubectl, Running, turn};
use aspire_host_tests::oracle::server::{GIVEN, Server};
use aspire_host_tests::{places, wait};

const PROGRAM: &str = "apiVersion: usvc-dev.developer.microsoft.com/v1\nkind: Executable\n\
                       metadata:\n  name: talker\nspec:\n  executablePath: /bin/sh\n  \
                       args: ['-c', 'echo first; read line < gate; echo last']\n  \
                       workingDirectory: FOLDER\n";

fn story(minor: u32) {
    if std::env::var_os(GIVEN).is_some() {
        places::say("skipped: only ours runs workloads");
        return;
    }
    let _turn = turn();
    let server = Server::start(&[]);
    let Some(kubectl) = Kubectl::find(minor, &server.kubeconfig) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &gate,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let text = PROGRAM.replace("FOLDER", &folder.path().display().to_string());
    kubectl.file("talker.yaml", &text);
    kubectl.run("apply -f talker.yaml").expect(0);
    kubectl
        .run("wait exe/talker --for=condition=Ready --timeout=30s")
        .expect(0)
        .says(&["condition met"]);
    kubectl
        .run("get exe")
        .expect(0)
        .says(&["talker", "Running"]);
    kubectl
        .run("get pods")
        .expect(0)
        .says(&["NAME", "talker", "Running"]);
    kubectl
        .run("describe pod talker")
        .expect(0)
        .says(&["Name: talker"]);
    kubectl.run("delete pod talker --wait=false").expect(1);

    let mut logs = Running::start(&mut kubectl.command("logs -f talker"));
    logs.hears("first", wait::SOON);
    kubectl
        .run("logs talker")
        .expect(0)
        .says(&["first"])
        .lacks(&["last"]);
    kubectl.run("logs talker --previous").expect(1);
    std::fs::write(&gate, "go\n").expect("somebody reads");
    logs.hears("last", wait::SOON);
    assert_eq!(logs.ends(wait::SOON), Some(0), "logs end with the process");
    kubectl
        .run("logs talker --tail=1")
        .expect(0)
        .says(&["last"])
        .lacks(&["first"]);
    kubectl.run("logs none").expect(1).says(&["NotFound"]);
    if kubectl.minor >= 23 {
        kubectl
            .run("wait exe/talker --for=jsonpath={.status.state}=Finished --timeout=30s")
            .expect(0);
    }
    kubectl
        .run("delete exe talker")
        .expect(0)
        .says(&["deleted"]);
    kubectl.run("get pods").expect(0).lacks(&["talker"]);
}

#[test]
fn of_debian_12() {
    story(20);
}

#[test]
fn of_last_year() {
    story(32);
}

#[test]
fn of_today() {
    story(37);
}
