//! Shell scripts that look whether a container is healthy, for images that nobody has seen.
//!
//! They need `sh` and use what they find: curl, wget or bash for HTTP, nothing at all to see
//! whether a port is listened on. Doesn't know Compose.

/// Looks whether something listens on a TCP port: connecting would succeed.
pub(super) fn listening(port: u16) -> String {
    // The kernel's own tables: local address, then remote address, then state 0A (listening).
    format!(
        "for f in /proc/net/tcp /proc/net/tcp6; do\n\
         \x20 [ -r $f ] && while read -r n l r s x; do\n\
         \x20   case \"$l $s\" in *\":{port:04X} 0A\") exit 0 ;; esac\n\
         \x20 done <$f\n\
         done\n\
         exit 1"
    )
}

/// Gets a path; a `status` of 0 means 200 to 399.
pub(super) fn http(tls: bool, port: u16, path: &str, status: u16) -> String {
    let scheme = if tls { "https" } else { "http" };
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let url = quoted(&format!("{scheme}://127.0.0.1:{port}{path}"));
    let (curl_tls, wget_tls) = if tls {
        ("k", " --no-check-certificate")
    } else {
        ("", "")
    };
    let (curl, wget, good) = if status == 0 {
        (
            format!("curl -fsS{curl_tls} -o /dev/null \"$u\""),
            format!("wget -q{wget_tls} -O /dev/null \"$u\""),
            "[ \"$s\" -ge 200 ] && [ \"$s\" -lt 400 ]".to_owned(),
        )
    } else {
        (
            format!(
                "[ \"$(curl -sS{curl_tls} -o /dev/null -w '%{{http_code}}' \"$u\")\" = {status} ]"
            ),
            format!("wget -S{wget_tls} -O /dev/null \"$u\" 2>&1 | grep -q 'HTTP/[0-9.]* {status}'"),
            format!("[ \"$s\" = {status} ]"),
        )
    };
    let bash = if tls {
        String::new()
    } else {
        // Only bash opens sockets by itself; the request's path comes as its `$0`.
        format!(
            "elif command -v bash >/dev/null; then bash -c '\n\
             \x20 trap \"\" PIPE\n\
             \x20 exec 3<>/dev/tcp/127.0.0.1/{port} || exit 1\n\
             \x20 printf \"GET %s HTTP/1.0\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n\" \"$0\" >&3\n\
             \x20 read -r v s x <&3 && s=${{s%%[!0-9]*}} && {good}' {}\n",
            quoted(&path)
        )
    };
    format!(
        "unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY\n\
         u={url}\n\
         if command -v curl >/dev/null; then {curl}\n\
         elif command -v wget >/dev/null; then {wget}\n\
         {bash}else\n  {}\nfi",
        listening(port).replace('\n', "\n  ")
    )
}

/// As one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
