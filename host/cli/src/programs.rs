//! Programs on the PATH, and who holds a port.
//!
//! Knows this machine. Doesn't know why anybody asks.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

/// The file that would run: a path as it is, a name from the folders.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if program.contains('/') {
        let path = PathBuf::from(program);
        return is_executable(&path).then_some(path);
    }
    folders
        .iter()
        .map(|folder| folder.join(program))
        .find(|path| is_executable(path))
}

/// Whether a file can be run.
pub(crate) fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    {
        metadata.is_file()
    }
}

/// Why a port of this machine cannot be taken; none when it can.
pub(crate) fn port_problem(port: u16, udp: bool) -> Option<std::io::Error> {
    let bind = |address: SocketAddr| {
        if udp {
            UdpSocket::bind(address).map(drop)
        } else {
            TcpListener::bind(address).map(drop)
        }
    };
    if let Err(error) = bind((Ipv4Addr::LOCALHOST, port).into()) {
        return Some(error);
    }
    match bind((Ipv6Addr::LOCALHOST, port).into()) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Some(error),
        // A machine without IPv6 is fine.
        _ => None,
    }
}

/// The process that holds a port: `redis-server (pid 42)`, where this user can see it.
pub(crate) fn port_holder(port: u16, udp: bool) -> Option<String> {
    let tables: [&str; 2] = if udp {
        ["/proc/net/udp", "/proc/net/udp6"]
    } else {
        ["/proc/net/tcp", "/proc/net/tcp6"]
    };
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|text| inodes_of(&text, port, udp))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let links: Vec<String> = inodes
        .iter()
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|link| {
                links
                    .iter()
                    .any(|wanted| link.as_os_str() == wanted.as_str())
            })
        });
        if holds {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", command.trim_end()));
        }
    }
    None
}

/// Inodes of the sockets that listen on a port, from the text of `/proc/net/tcp`.
fn inodes_of(table: &str, port: u16, udp: bool) -> Vec<String> {
    let wanted = format!("{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next()?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?;
            let listening = udp || state == "0A";
            (listening && local.rsplit_once(':')?.1 == wanted).then(|| inode.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name_and_path() {
        let folders = [PathBuf::from("/nowhere"), PathBuf::from("/bin")];
        assert_eq!(find("sh", &folders), Some("/bin/sh".into()));
        assert_eq!(find("/bin/sh", &[]), Some("/bin/sh".into()));
        assert_eq!(find("/etc/passwd", &folders), None);
        assert_eq!(find("no-such-program", &folders), None);
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(port_problem(port, false).is_some());
        let pid = format!("(pid {})", std::process::id());
        assert!(port_holder(port, false).unwrap().ends_with(&pid));
        drop(listener);
        assert!(port_problem(port, false).is_none());
    }
}
