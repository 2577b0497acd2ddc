//! Users and the owners of files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::os::User;

/// Whether we may become somebody else.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user of /etc/passwd with the groups of /etc/group.
pub(crate) fn find_user(name: &str) -> Option<User> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    parse_user(name, &users, &groups)
}

fn parse_user(name: &str, users: &str, groups: &str) -> Option<User> {
    let fields: Vec<&str> = users
        .lines()
        .map(|line| line.split(':').collect())
        .find(|line: &Vec<_>| line[0] == name)?;
    let gid = fields.get(3)?.parse().ok()?;
    let mut all = vec![gid];
    for group in groups.lines() {
        let parts: Vec<&str> = group.split(':').collect();
        if parts
            .get(3)
            .is_some_and(|members| members.split(',').any(|member| member == name))
        {
            all.extend(parts[2].parse::<u32>().ok().filter(|other| *other != gid));
        }
    }
    Some(User {
        name: name.to_owned(),
        uid: fields.get(2)?.parse().ok()?,
        gid,
        groups: all,
        home: PathBuf::from(*fields.get(5)?),
    })
}

/// Makes a user the owner of a file or folder.
pub(crate) fn give_to(path: &Path, user: &User) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
}

/// The first folder above a path that a user may not pass through.
pub(crate) fn may_traverse(path: &Path, user: &User) -> Result<(), PathBuf> {
    for folder in path.ancestors().skip(1) {
        let Ok(found) = fs::metadata(folder) else {
            continue;
        };
        let mode = found.mode();
        let open = if found.uid() == user.uid {
            mode & 0o100
        } else if user.groups.contains(&found.gid()) {
            mode & 0o010
        } else {
            mode & 0o001
        };
        if open == 0 {
            return Err(folder.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_with_groups() {
        let users = "root:x:0:0:root:/root:/bin/bash\npg:x:70:71::/var/lib/pg:/bin/sh\n";
        let groups = "ssl-cert:x:110:pg,other\npg:x:71:\nbroken\n";
        let user = parse_user("pg", users, groups).unwrap();
        assert_eq!((user.uid, user.gid, user.groups), (70, 71, vec![71, 110]));
        assert_eq!(parse_user("nobody", users, groups), None);
    }
}
