//! How the values of options are read.

use super::{Device, Gpus, Ulimit};
use crate::container::{ContainerPort, VolumeMount, VolumeMountKind};
use crate::service::Protocol;
use crate::validate::duration;

#[expect(clippy::unnecessary_wraps, reason = "as the other readers")]
pub(super) fn text(value: &str) -> Result<String, String> {
    Ok(value.to_owned())
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(format!("`{other}` is neither true nor false")),
    }
}

pub(super) fn number(value: &str) -> Result<i64, String> {
    let number = value.parse();
    number.map_err(|_| format!("`{value}` is no whole number"))
}

pub(super) fn milliseconds(value: &str) -> Result<u64, String> {
    duration(value).ok_or_else(|| format!("`{value}` is no duration, such as `1.5s`"))
}

/// A decimal number that isn't negative, times something.
fn scaled(value: &str, times: i64) -> Option<i64> {
    let plain = value
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if !plain || whole.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return None;
    }
    let mut scaled = i128::from(whole.parse::<i64>().ok()?) * i128::from(times);
    if !fraction.is_empty() {
        let part = i128::from(fraction.parse::<i64>().ok()?) * i128::from(times);
        scaled += part / 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    }
    scaled.try_into().ok()
}

/// Bytes: `64`, `64b`, `512m`, `1.5gb`, in powers of 1024.
pub(super) fn size(value: &str) -> Result<i64, String> {
    let lower = value.to_ascii_lowercase();
    let bare = lower.trim_end_matches('b').trim_end_matches('i');
    let (digits, times) = match bare.chars().next_back() {
        Some('k') => (&bare[..bare.len() - 1], 1 << 10),
        Some('m') => (&bare[..bare.len() - 1], 1 << 20),
        Some('g') => (&bare[..bare.len() - 1], 1 << 30),
        Some('t') => (&bare[..bare.len() - 1], 1 << 40),
        _ => (bare, 1),
    };
    scaled(digits.trim(), times).ok_or_else(|| format!("`{value}` is no size, such as `512m`"))
}

/// Billionths of a core.
pub(super) fn cores(value: &str) -> Result<i64, String> {
    let cores = scaled(value, 1_000_000_000);
    cores.ok_or_else(|| format!("`{value}` is no number of cores, such as `1.5`"))
}

/// `NAME=VALUE`, or a name alone.
#[expect(clippy::unnecessary_wraps, reason = "as the other readers")]
pub(super) fn pair(value: &str) -> Result<(String, String), String> {
    let (name, value) = value.split_once('=').unwrap_or((value, ""));
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn variable(value: &str) -> Result<(String, String), String> {
    match value.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!(
            "a variable without a value is the host's own; give one (`{value}=…`)"
        )),
    }
}

/// `NAME:ADDRESS`, or with `=`.
pub(super) fn host(value: &str) -> Result<String, String> {
    let place = value.find([':', '=']).filter(|place| *place > 0);
    let place = place.filter(|place| place + 1 < value.len());
    let place = place.ok_or_else(|| format!("`{value}` is not NAME:ADDRESS"))?;
    let address = value[place + 1..].trim_matches(['[', ']']);
    Ok(format!("{}:{address}", &value[..place]))
}

/// `PATH[:PATH][:rwm]`.
pub(super) fn device(value: &str) -> Result<Device, String> {
    let parts: Vec<&str> = value.split(':').collect();
    let is_mode = |text: &str| !text.is_empty() && text.chars().all(|it| "rwm".contains(it));
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, container] => (host, container, "rwm"),
        [host, container, mode] if is_mode(mode) => (host, container, mode),
        _ => return Err(format!("`{value}` is not PATH[:PATH][:rwm]")),
    };
    if !host.starts_with('/') || !container.starts_with('/') {
        return Err(format!("`{value}`: paths of devices are absolute"));
    }
    Ok(Device {
        host: host.to_owned(),
        container: container.to_owned(),
        permissions: permissions.to_owned(),
    })
}

/// `all`, a number, or `NAME=VALUE` fields with commas between them; a field with commas in it is
/// in quotes.
pub(super) fn gpus(value: &str) -> Result<Gpus, String> {
    let mut gpus = Gpus::default();
    let mut last = "";
    for field in value.replace('"', "").split(',') {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, value),
            None if field == "all" || field.parse::<i64>().is_ok() => ("count", field),
            // The rest of a list in quotes.
            None => (last, field),
        };
        match name {
            "count" if value == "all" => gpus.count = -1,
            "count" => gpus.count = number(value)?,
            "device" => gpus.devices.push(value.to_owned()),
            "driver" => gpus.driver = Some(value.to_owned()),
            "capabilities" => gpus.capabilities.push(value.to_owned()),
            _ => {
                return Err(format!(
                    "`{field}` is none of count, device, driver, capabilities"
                ));
            }
        }
        last = match name {
            "device" => "device",
            "capabilities" => "capabilities",
            _ => "",
        };
    }
    Ok(gpus)
}

/// `NAME=SOFT[:HARD]`.
pub(super) fn ulimit(value: &str) -> Result<Ulimit, String> {
    let wrong = || format!("`{value}` is not NAME=SOFT[:HARD]");
    let (name, limits) = value.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Ok(Ulimit {
        name: name.to_owned(),
        soft: soft.parse().map_err(|_| wrong())?,
        hard: hard.parse().map_err(|_| wrong())?,
    })
}

/// `type=…,source=…,target=…[,readonly]`.
pub(super) fn mount(value: &str) -> Result<VolumeMount, String> {
    let mut mount = VolumeMount {
        kind: VolumeMountKind::Volume,
        source: String::new(),
        target: String::new(),
        read_only: false,
    };
    for field in value.split(',') {
        let (name, value) = field.split_once('=').unwrap_or((field, "true"));
        match name {
            "type" => {
                mount.kind = match value {
                    "bind" => VolumeMountKind::Bind,
                    "volume" => VolumeMountKind::Volume,
                    "tmpfs" => VolumeMountKind::Tmpfs,
                    other => return Err(format!("`{other}` is none of bind, volume, tmpfs")),
                }
            }
            "source" | "src" => value.clone_into(&mut mount.source),
            "target" | "dst" | "destination" => value.clone_into(&mut mount.target),
            "readonly" | "ro" => mount.read_only = boolean(value)?,
            other => return Err(format!("`{other}` is not served by this version")),
        }
    }
    placed(mount)
}

/// `[SOURCE:]TARGET[:ro|rw]`.
pub(super) fn volume(value: &str) -> Result<VolumeMount, String> {
    let parts: Vec<&str> = value.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, "rw"),
        [source, target] => (source, target, "rw"),
        [source, target, mode] => (source, target, mode),
        _ => return Err(format!("`{value}` is not SOURCE:TARGET[:ro]")),
    };
    let read_only = match mode {
        "ro" => true,
        "rw" => false,
        other => return Err(format!("`{other}` is neither `ro` nor `rw`")),
    };
    let is_path = source.contains('/') || source.starts_with(['.', '~']);
    if is_path && !source.starts_with('/') {
        return Err(format!(
            "`{source}` is neither an absolute path nor the name of a volume"
        ));
    }
    placed(VolumeMount {
        kind: match is_path {
            true => VolumeMountKind::Bind,
            false => VolumeMountKind::Volume,
        },
        source: source.to_owned(),
        target: target.to_owned(),
        read_only,
    })
}

fn placed(mount: VolumeMount) -> Result<VolumeMount, String> {
    if !mount.target.starts_with('/') {
        return Err(format!("`{}` is no absolute path", mount.target));
    }
    if mount.kind == VolumeMountKind::Bind && !mount.source.starts_with('/') {
        return Err(format!("`{}` is no absolute path", mount.source));
    }
    Ok(mount)
}

/// `[[ADDRESS:]PORT:]PORT[/PROTOCOL]`.
pub(super) fn port(value: &str) -> Result<ContainerPort, String> {
    let wrong = || format!("`{value}` is not [[ADDRESS:]PORT:]PORT[/tcp|udp]");
    let (ports, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(wrong()),
    };
    let (before, container_port) = match ports.rsplit_once(':') {
        Some((before, port)) => (Some(before), port),
        None => (None, ports),
    };
    let (address, host_port) = match before.map(|before| before.rsplit_once(':')) {
        None => (None, ""),
        Some(None) => (None, before.unwrap_or_default()),
        Some(Some((address, port))) => (Some(address.trim_matches(['[', ']'])), port),
    };
    let host_port = match host_port {
        "" => None,
        port => Some(port.parse().map_err(|_| wrong())?),
    };
    Ok(ContainerPort {
        host_port,
        container_port: container_port.parse().map_err(|_| wrong())?,
        protocol,
        host_ip: address.map(str::to_owned),
    })
}
