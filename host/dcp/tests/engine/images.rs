//! Images: those that cannot be had, and those that are built.

use super::*;

#[tokio::test]
async fn an_image_that_cannot_be_had_is_told_in_bounded_time() {
    let Some(bench) = Bench::open("pull").await else {
        return;
    };
    let pull = async |image: &str| {
        let pull = bench.engine.pull(image, &|_| {});
        let error = tokio::time::timeout(Duration::from_secs(100), pull)
            .await
            .unwrap();
        error.unwrap_err()
    };
    assert!(bench.engine.has_image(IMAGE).await.unwrap());
    assert!(
        !bench
            .engine
            .has_image("standin.local/nope:1")
            .await
            .unwrap()
    );
    // Nothing listens there: perhaps later.
    let refused = pull("127.0.0.1:9/nope:1").await;
    assert!(
        matches!(&refused, EngineError::Image { conclusive: false, image, .. }
            if image == "127.0.0.1:9/nope:1"),
        "{refused:?}"
    );
    for bad in ["Not/A/Reference:1", "a b", "../../info"] {
        let bad = pull(bad).await;
        assert!(
            matches!(
                bad,
                EngineError::Image {
                    conclusive: true,
                    ..
                }
            ),
            "{bad:?}"
        );
    }
    bench.close().await;
}

#[tokio::test]
async fn images_are_built_from_a_folder() {
    let Some(bench) = Bench::open("build").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.txt", "kept\n");
    write("b.txt", "ignored\n");
    write(".dockerignore", "b.txt\n");
    write(
        "Dockerfile",
        &format!(
            "FROM {IMAGE} AS first\nARG WHO=nobody\nCOPY . /ctx\nRUN echo built for $WHO >/who\n\
             CMD [\"sh\", \"-c\", \"cat /who; ls /ctx\"]\nFROM first\nRUN exit 9\n"
        ),
    );
    let lines = std::sync::Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let mut request = BuildRequest {
        context: folder.path().to_owned(),
        dockerfile: "Dockerfile".into(),
        target: Some("first".to_owned()),
        args: BTreeMap::from([("WHO".to_owned(), "us".to_owned())]),
        tag: format!("standin.local/{}:1", bench.name("image")),
        labels: bench.labels(),
    };
    bench.engine.build(&request, &progress).await.unwrap();
    let told = std::mem::take(&mut *lines.lock().unwrap());
    assert!(
        told.iter().any(|line| line.contains("COPY . /ctx")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .all(|line| !line.contains('\n') && !line.is_empty())
    );
    let mut container = bench.shell("built", "");
    container.image = request.tag.clone();
    container.entrypoint = None;
    container.args = vec![];
    let id = bench.run(&container).await;
    assert_eq!(
        bench.output(&id).await.0,
        "built for us\nDockerfile\na.txt\n"
    );

    request.target = None;
    let failed = bench.engine.build(&request, &progress).await.unwrap_err();
    assert!(
        matches!(&failed, EngineError::Image { conclusive: true, cause, .. } if cause.contains('9')),
        "{failed:?}"
    );
    request.context = folder.path().join("nowhere");
    let failed = bench.engine.build(&request, &progress).await.unwrap_err();
    assert!(failed.to_string().contains("nowhere"), "{failed}");
    bench.close().await;
    bench.remove_image(&request.tag);
}

#[tokio::test]
async fn what_the_images_own_check_finds_is_told_and_seen() {
    let Some(bench) = Bench::open("check").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = format!(
        "FROM {IMAGE}\nHEALTHCHECK --interval=1s --retries=1 CMD echo looked; test -e /ok\n"
    );
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let build = BuildRequest {
        context: folder.path().to_owned(),
        dockerfile: "Dockerfile".into(),
        target: None,
        args: BTreeMap::new(),
        tag: format!("standin.local/{}:1", bench.name("image")),
        labels: bench.labels(),
    };
    bench.engine.build(&build, &|_: &str| {}).await.unwrap();
    let mut request = bench.shell("checked", "sleep 3; touch /ok; sleep 1000");
    request.image.clone_from(&build.tag);
    let label = bench.label();
    let since = i64::try_from(crate::support::now().as_nanos()).unwrap() - 1_000_000;
    let id = bench.run(&request).await;
    let mut events = bench.engine.events(&label, Some(since));
    for expected in ["unhealthy", "healthy"] {
        let told = async {
            while let Some(event) = events.next().await {
                if event.unwrap().action == "health_status" {
                    return;
                }
            }
        };
        tokio::time::timeout(crate::SOON, told).await.unwrap();
        let (status, output) = bench.engine.inspect(&id).await.unwrap().health.unwrap();
        assert_eq!((&*status, output.trim()), (expected, "looked"));
    }
    bench.close().await;
    bench.remove_image(&build.tag);
}
