//! Who holds a port, and which ports the kernel gives away by itself.

use std::fs;
use std::ops::RangeInclusive;

/// Ports that outgoing connections may get at any time.
pub(crate) fn ephemeral_ports() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text
        .split_ascii_whitespace()
        .filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(low), Some(high)) => low..=high,
        _ => 32_768..=60_999,
    }
}

/// Who listens on a port of this machine, in words: `redis-server (pid 4711)`.
pub(crate) fn port_holder(port: u16, udp: bool) -> Option<String> {
    let tables = if udp {
        ["/proc/net/udp", "/proc/net/udp6"]
    } else {
        ["/proc/net/tcp", "/proc/net/tcp6"]
    };
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| sockets(&table, port, udp))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let holder = fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let number: u32 = process.file_name().to_str()?.parse().ok()?;
        let held = fs::read_dir(process.path().join("fd"))
            .ok()?
            .flatten()
            .any(|file| {
                fs::read_link(file.path()).is_ok_and(|target| {
                    inodes
                        .iter()
                        .any(|inode| target.as_os_str() == inode.as_str())
                })
            });
        let name = || fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        held.then(|| format!("{} (pid {number})", name().trim()))
    });
    Some(holder.unwrap_or_else(|| "a process of another user".to_owned()))
}

/// Inodes of the sockets that hold a port, from one of the kernel's tables.
fn sockets(table: &str, port: u16, udp: bool) -> Vec<String> {
    let wanted = format!("{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (_, local) = fields.get(1)?.rsplit_once(':')?;
            let listens = udp || *fields.get(3)? == "0A";
            if local == wanted && listens {
                Some((*fields.get(9)?).to_owned())
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_me() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = port_holder(port, false).unwrap();
        assert!(
            holder.ends_with(&format!("(pid {})", std::process::id())),
            "{holder}"
        );
        drop(listener);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(port_holder(port, true).is_some());
    }
}
