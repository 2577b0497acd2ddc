//! In a terminal: output scrolls above a table of the resources that stays on the last lines.

use aspire_host_tests::Project;
use aspire_host_tests::terminal::Terminal;

use crate::ODD;

fn has(lines: &[String], words: &[&str]) -> bool {
    let fits = |line: &String| words.iter().all(|word| line.contains(word));
    lines.iter().any(fits)
}

#[test]
fn the_table_stays_below_the_output() {
    let project = Project::new("terminal").app(&format!(
        "name = 'terminal'\n\
         [resources.talks]\nkind = 'executable'\ncommand = 'sh'\n\
         args = ['-c', 'for i in $(seq 200); do echo line $i; done; exec sleep 1000']\n\
         [resources.web]\nkind = 'executable'\ncommand = '{ODD}'\nargs = ['serve']\n\
         endpoints.http = {{ env = 'PORT', external = true }}\nhealth = '/'\n"
    ));
    let command = project.command(&["run", "--runtime", "native"]);
    let mut terminal = Terminal::start(&command, 24, 100);
    let lines = terminal.shows("a table of what runs", |lines| {
        has(lines, &["web", "running", "healthy", "http://localhost:"]) && has(lines, &["line 200"])
    });
    // The last three lines are the table, whatever has scrolled by.
    let table = &lines[lines.len() - 3..];
    assert!(table[0].starts_with("NAME"), "{lines:#?}");
    assert!(
        has(&table[1..], &["talks", "executable", "running"]),
        "{lines:#?}"
    );
    assert!(
        has(&table[1..], &["web", "executable", "running"]),
        "{lines:#?}"
    );
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("NAME")).count(),
        1
    );

    // A smaller window: the table is drawn to its size, though nothing else has happened.
    terminal.resize(24, 40);
    terminal.shows("a table of 40 columns", |lines| {
        let head = lines
            .iter()
            .rev()
            .take(3)
            .find(|line| line.starts_with("NAME"));
        head.is_some() && lines.iter().rev().take(2).any(|line| line.ends_with('…'))
    });

    // Ctrl-C.
    terminal.press("\u{3}");
    let (status, lines, cursor_is_hidden) = terminal.finish();
    assert_eq!(status.code(), Some(130), "{lines:#?}");
    assert!(
        !has(&lines, &["NAME", "STATE"]),
        "the table stayed: {lines:#?}"
    );
    assert!(!cursor_is_hidden);
    project.assert_nothing_left();
}
