//! The floor of (c): a bare loop of fork and exec, with the pipes and sessions that children get
//! from aspire-host. A process of its own, so that forking copies nothing but this.

use std::io;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::Result;

/// `bench part spawn`: starts the children and stays until its standard input ends.
pub(crate) fn spawn(count: &str, stamp: &str, folder: &str) -> Result<()> {
    let count: usize = count
        .parse()
        .map_err(|_| "a number of children is expected")?;
    let mut children = Vec::with_capacity(count);
    for index in 0..count {
        let mut command = Command::new(stamp);
        command
            .arg(format!("{folder}/{index}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        own_session(&mut command);
        children.push(command.spawn().map_err(|error| error.to_string())?);
    }
    // Whatever comes, and however it ends: the end is the sign.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    for child in &mut children {
        // One that has ended by itself needs no end.
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(())
}

#[expect(unsafe_code, reason = "std has no sessions")]
fn own_session(command: &mut Command) {
    // SAFETY: setsid is a system call and nothing else, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
    }
}
