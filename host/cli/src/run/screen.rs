//! The screen of a run: output of workloads as lines, state changes, and on a terminal a table
//! pinned below them.
//!
//! Everything is written by one thread, so that a reader that stops reading stops nothing else.
//! Doesn't know what any line means.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::{cursor, terminal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::columns::width;

/// Pieces of output under way at once; whoever has more waits.
const UNDER_WAY: usize = 256;
/// Between two looks at the size of the terminal.
const RESIZES: Duration = Duration::from_millis(250);
/// How long the last lines may take when everything has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes the lines of the table for so many columns and lines.
type MakeTable = Box<dyn Fn(usize, usize) -> Vec<String> + Send>;

enum Message {
    /// Lines of output, and the place that they hold until they are written.
    Output(Vec<u8>, OwnedSemaphorePermit),
    /// Lines about the run.
    Remark(Vec<u8>),
    /// What makes the table for a size of the terminal.
    Table(MakeTable),
    /// Take the table away and end.
    End,
}

/// The screen. Dropped, it leaves the terminal as it was.
pub(crate) struct Screen {
    messages: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    done: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Where workloads' output goes.
#[derive(Clone)]
pub(crate) struct Output {
    messages: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
}

impl Output {
    /// Writes lines; waits while too much is under way.
    pub(crate) async fn write(&self, lines: Vec<u8>) {
        if let Ok(permit) = Arc::clone(&self.room).acquire_owned().await {
            // The thread is gone only when the run has ended.
            let _ = self.messages.send(Message::Output(lines, permit));
        }
    }
}

impl Screen {
    /// Starts writing; with a table where `pinned`.
    ///
    /// # Errors
    /// No thread could be started.
    pub(crate) fn new(pinned: bool) -> io::Result<Self> {
        let (messages, inbox) = mpsc::channel();
        let (finish, done) = mpsc::channel();
        if pinned {
            restore_on_panic();
        }
        let thread = std::thread::Builder::new()
            .name("screen".to_owned())
            .spawn(move || {
                Painter {
                    pinned,
                    drawn: Vec::new(),
                    columns: 80,
                    table: None,
                    closed: false,
                }
                .run(&inbox);
                let _ = finish.send(());
            })?;
        Ok(Self {
            messages,
            room: Arc::new(Semaphore::new(UNDER_WAY)),
            done,
            thread: Some(thread),
        })
    }

    /// For output of workloads.
    pub(crate) fn output(&self) -> Output {
        Output {
            messages: self.messages.clone(),
            room: Arc::clone(&self.room),
        }
    }

    /// Writes lines about the run; never waits.
    pub(crate) fn remark(&self, lines: impl AsRef<str>) {
        let mut bytes = lines.as_ref().as_bytes().to_vec();
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        let _ = self.messages.send(Message::Remark(bytes));
    }

    /// The table from now on.
    pub(crate) fn table(&self, make: impl Fn(usize, usize) -> Vec<String> + Send + 'static) {
        let _ = self.messages.send(Message::Table(Box::new(make)));
    }

    /// Writes what is left, takes the table away, and ends; a reader that doesn't read is not
    /// waited for.
    pub(crate) fn finish(mut self) {
        let _ = self.messages.send(Message::End);
        if self.done.recv_timeout(PATIENCE).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// A panic leaves the cursor visible.
fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let _ = crossterm::execute!(io::stdout(), cursor::Show);
        before(info);
    }));
}

struct Painter {
    pinned: bool,
    /// Widths of the table's lines as they stand on the screen.
    drawn: Vec<usize>,
    columns: usize,
    table: Option<MakeTable>,
    closed: bool,
}

impl Painter {
    fn run(mut self, inbox: &mpsc::Receiver<Message>) {
        if self.pinned {
            self.write(b"\x1b[?25l");
        }
        let mut ended = false;
        while !ended {
            let first = match self.next(inbox) {
                Ok(message) => Some(message),
                Err(mpsc::RecvTimeoutError::Timeout) if self.resized() => None,
                Err(mpsc::RecvTimeoutError::Timeout) => continue,
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            };
            // Whatever has come meanwhile is drawn at once.
            let mut text = Vec::new();
            let mut permits = Vec::new();
            let more = std::iter::from_fn(|| inbox.try_recv().ok()).take(UNDER_WAY);
            for message in first.into_iter().chain(more) {
                match message {
                    Message::Output(bytes, permit) => {
                        text.extend_from_slice(&bytes);
                        permits.push(permit);
                    }
                    Message::Remark(bytes) => text.extend_from_slice(&bytes),
                    Message::Table(table) => self.table = Some(table),
                    Message::End => ended = true,
                }
            }
            if ended {
                self.table = None;
            }
            self.draw(&text);
            drop(permits);
        }
        if self.pinned {
            self.write(b"\x1b[?25h");
        }
    }

    /// The next message; a table is looked after in between, nothing else wakes up without reason.
    fn next(&self, inbox: &mpsc::Receiver<Message>) -> Result<Message, mpsc::RecvTimeoutError> {
        if self.pinned {
            return inbox.recv_timeout(RESIZES);
        }
        Ok(inbox.recv()?)
    }

    fn resized(&self) -> bool {
        size().0 != self.columns
    }

    /// Takes the table away, writes the text where it stood, draws the table below.
    fn draw(&mut self, text: &[u8]) {
        if !self.pinned {
            if !text.is_empty() {
                self.write(text);
            }
            return;
        }
        let (columns, height) = size();
        let mut frame: Vec<u8> = b"\x1b[?2026h".to_vec();
        // After a resize, the terminal may have broken lines of the table in two.
        let up: usize = self
            .drawn
            .iter()
            .map(|wide| wide.div_ceil(columns).max(1))
            .sum();
        if up > 0 {
            frame.extend_from_slice(format!("\x1b[{up}A\r\x1b[J").as_bytes());
        }
        frame.extend_from_slice(text);
        let lines = match &self.table {
            Some(table) => table(columns.saturating_sub(1), (height / 2).max(3)),
            None => Vec::new(),
        };
        for line in &lines {
            frame.extend_from_slice(line.as_bytes());
            frame.push(b'\n');
        }
        frame.extend_from_slice(b"\x1b[?2026l");
        self.drawn = lines
            .iter()
            .map(|line| width(&crate::ui::visible(line, false)))
            .collect();
        self.columns = columns;
        self.write(&frame);
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let mut out = io::stdout().lock();
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            // Nobody reads any more; the app goes on.
            self.closed = true;
        }
    }
}

fn size() -> (usize, usize) {
    // A terminal that nobody has told its size says 0.
    let (columns, rows) = match terminal::size() {
        Ok((columns, rows)) if columns > 0 && rows > 0 => (columns, rows),
        _ => (80, 24),
    };
    (usize::from(columns).max(20), usize::from(rows).max(6))
}

/// Whether a table can be pinned.
pub(crate) fn can_pin() -> bool {
    io::stdout().is_terminal() && crate::env::text("TERM").is_none_or(|term| term != "dumb")
}
