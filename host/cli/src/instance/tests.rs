//! Tests of `instance`.

use super::*;

fn record(id: &str, path: &str) -> Record {
    Record {
        id: id.into(),
        path: path.into(),
    }
}

#[test]
fn copies_are_new_and_moves_are_not() {
    let found = record("abc", "/work/shop");
    assert_eq!(decide(None, "/work/shop", None), Decision::New);
    assert_eq!(
        decide(Some(&found), "/work/shop", Some(&found)),
        Decision::Keep("abc".into())
    );
    assert_eq!(
        decide(Some(&found), "/work/copy", Some(&found)),
        Decision::New
    );
    assert_eq!(
        decide(Some(&found), "/work/moved", None),
        Decision::Moved("abc".into())
    );
    let other = record("xyz", "/work/shop");
    assert_eq!(
        decide(Some(&found), "/work/moved", Some(&other)),
        Decision::Moved("abc".into())
    );
}

#[test]
fn ids_are_names() {
    for _ in 0..100 {
        assert_eq!(named(&new_id()).unwrap().len(), 8);
    }
    assert!(named("../x").is_err());
    assert!(named(&"x".repeat(33)).is_err());
    assert_eq!(named("Second").unwrap(), "second");
}

#[test]
fn a_folder_keeps_its_id_when_moved_and_not_when_copied() {
    let root = tempfile::tempdir().unwrap();
    let first = root.path().join("a b");
    fs::create_dir(&first).unwrap();
    let here = canonical(&first).unwrap();
    let state = make_state_folder(&here).unwrap();
    let id = settle_id(&here, &state).unwrap();
    assert_eq!(settle_id(&here, &state).unwrap(), id);
    assert_eq!(fs::read_to_string(state.join(".gitignore")).unwrap(), "*\n");

    let copy = canonical(root.path()).unwrap().join("copy");
    let copied_state = make_state_folder_in(&copy);
    fs::copy(state.join("instance"), copied_state.join("instance")).unwrap();
    assert_ne!(settle_id(&copy, &copied_state).unwrap(), id);

    let moved = canonical(root.path()).unwrap().join("moved");
    fs::rename(&here, &moved).unwrap();
    assert_eq!(settle_id(&moved, &moved.join(STATE)).unwrap(), id);
}

fn make_state_folder_in(folder: &Path) -> PathBuf {
    fs::create_dir(folder).unwrap();
    make_state_folder(folder).unwrap()
}
