//! The table of workloads at the bottom of the terminal.
//!
//! Pure: rows in, lines out, no wider than asked. Doesn't know where they are drawn.

use aspire_api::container::HealthStatus;

use super::view::{Phase, Row, View};
use crate::columns::{cut, width};
use crate::ui::visible;

/// Widest name and kind.
const NAME: usize = 24;

/// One cell row before it is cut.
struct Cells {
    phase: Phase,
    unhealthy: bool,
    cells: [String; 5],
}

/// The lines: a head, a line for each workload, at most `height` of them.
pub(crate) fn lines(view: &View, columns: usize, height: usize, colour: bool) -> Vec<String> {
    let rows: Vec<Cells> = view.rows().map(|row| cells(view, row)).collect();
    let head = ["NAME", "KIND", "STATE", "HEALTH", "URL"].map(str::to_owned);
    let mut widths = head.each_ref().map(|cell| width(cell));
    for row in &rows {
        for (wide, cell) in widths.iter_mut().zip(&row.cells) {
            *wide = (*wide).max(width(cell));
        }
    }
    widths[0] = widths[0].min(NAME);
    widths[1] = widths[1].min(NAME);
    let line = |cells: &[String; 5]| {
        let mut text = String::new();
        for (index, (cell, wide)) in cells.iter().zip(widths).enumerate() {
            let cell = if index < 2 {
                cut(cell, wide)
            } else {
                cell.clone()
            };
            text.push_str(&cell);
            if index < 4 {
                text.extend(std::iter::repeat_n(
                    ' ',
                    wide.saturating_sub(width(&cell)) + 2,
                ));
            }
        }
        cut(text.trim_end(), columns)
    };
    let room = height.saturating_sub(1).max(1);
    let (shown, hidden) = select(rows, room);
    let mut lines = vec![paint(&line(&head), "1", colour)];
    lines.extend(
        shown
            .iter()
            .map(|row| paint(&line(&row.cells), style(row), colour)),
    );
    if hidden > 0 {
        lines.push(cut(&format!("… and {hidden} more"), columns));
    }
    lines
}

/// Where there is no room for all, those that need attention are shown.
fn select(mut rows: Vec<Cells>, room: usize) -> (Vec<Cells>, usize) {
    if rows.len() <= room {
        return (rows, 0);
    }
    let shown = room.saturating_sub(1);
    rows.sort_by_key(|row| match row.phase {
        Phase::Failed => 0,
        Phase::Running if row.unhealthy => 1,
        Phase::Starting | Phase::Stopping => 2,
        Phase::Waiting => 3,
        Phase::Running => 4,
        Phase::Finished => 5,
    });
    let hidden = rows.len() - shown;
    rows.truncate(shown);
    (rows, hidden)
}

fn cells(view: &View, row: &Row) -> Cells {
    let health = match row.health {
        None => "",
        Some(_) if row.phase != Phase::Running => "",
        Some(HealthStatus::Healthy) => "healthy",
        Some(HealthStatus::Caution) => "not yet",
        Some(HealthStatus::Unhealthy) => "unhealthy",
    };
    let last = match row.phase {
        Phase::Waiting => row.waiting_for.join(", "),
        Phase::Running
            if row.health == Some(HealthStatus::Unhealthy) && !row.message.is_empty() =>
        {
            row.message.clone()
        }
        Phase::Running => view.urls(row).join(" "),
        Phase::Finished if view.stopping => String::new(),
        _ => row.message.clone(),
    };
    let last = visible(last.lines().next().unwrap_or_default(), false);
    Cells {
        phase: row.phase,
        unhealthy: row.health == Some(HealthStatus::Unhealthy),
        cells: [
            row.name.clone(),
            row.kind.clone(),
            view.word(row).to_owned(),
            health.to_owned(),
            last,
        ],
    }
}

fn style(row: &Cells) -> &'static str {
    match row.phase {
        Phase::Failed => "31",
        Phase::Running if row.unhealthy => "31",
        Phase::Running => "32",
        Phase::Starting | Phase::Stopping => "33",
        Phase::Waiting | Phase::Finished => "2",
    }
}

fn paint(text: &str, style: &str, colour: bool) -> String {
    if colour {
        format!("\u{1b}[{style}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspire_api::ObjectMeta;
    use aspire_api::aspire::{Aspire, Probe, ProbeAction};
    use aspire_api::executable::{Executable, ExecutableState};
    use insta::assert_snapshot;

    fn probe() -> Probe {
        let action = ProbeAction::Tcp {
            endpoint: "http".into(),
        };
        Probe {
            action,
            interval: 5000,
            timeout: 3000,
            start_period: 0,
            retries: 3,
            liveness: false,
        }
    }

    fn view() -> View {
        let mut view = View::default();
        let rows = [
            (
                "api",
                ExecutableState::Running,
                Some(HealthStatus::Unhealthy),
                "connection refused\nagain",
            ),
            (
                "broken",
                ExecutableState::FailedToStart,
                None,
                "no such program",
            ),
            ("web", ExecutableState::Running, None, ""),
            ("zebra", ExecutableState::Initial, None, ""),
        ];
        for (name, state, health, message) in rows {
            let mut executable = Executable {
                metadata: ObjectMeta::of(name, name),
                ..Executable::default()
            };
            let probes = health.map(|_| ("ready".to_owned(), probe()));
            executable.spec.aspire = Some(Aspire {
                kind: "executable".into(),
                probes: probes.into_iter().collect(),
                ..Aspire::default()
            });
            executable.status.state = state;
            executable.status.health_status = health;
            executable.status.message = message.into();
            if state == ExecutableState::Initial {
                executable.status.waiting_for = vec!["web to be healthy".into()];
            }
            view.apply(&executable.into());
        }
        view
    }

    #[test]
    fn every_workload_has_a_line() {
        assert_snapshot!(lines(&view(), 80, 10, false).join("\n"), @r"
        NAME    KIND        STATE    HEALTH     URL
        api     executable  running  unhealthy  connection refused
        broken  executable  failed              no such program
        web     executable  running
        zebra   executable  waiting             web to be healthy
        ");
    }

    #[test]
    fn lines_are_never_too_wide_and_never_too_many() {
        let lines = lines(&view(), 30, 3, false);
        assert_snapshot!(lines.join("\n"), @r"
        NAME    KIND        STATE    …
        broken  executable  failed   …
        … and 3 more
        ");
        assert!(lines.iter().all(|line| width(line) <= 30));
    }
}
