//! SDK data to and from the records of `wit/types.wit`, field by field.

use crate::bindings::passing::aspire::host::types as wire;
use crate::{
    Diagnostic, Endpoint, Error, Expression, File, Location, Mount, Parameter, Prepare, Probe,
    Segment, Wait,
};

/// Both directions of records whose fields have the same names and types.
macro_rules! same {
    ($($type:ident { $($field:ident),* };)+) => {
        $(
            impl From<$type> for wire::$type {
                fn from(value: $type) -> Self {
                    let $type { $($field),* } = value;
                    Self { $($field),* }
                }
            }

            impl From<wire::$type> for $type {
                fn from(value: wire::$type) -> Self {
                    let wire::$type { $($field),* } = value;
                    Self { $($field),* }
                }
            }
        )+
    };
}

same! {
    Segment { op, subject, name, arg, flags };
    Endpoint { scheme, protocol, port, target_port, external, proxied, tls, env };
    Mount { kind, source, target, read_only };
    Wait { condition, exit_code };
}

pub(super) fn expression(value: Expression) -> wire::Expression {
    value.into_segments().into_iter().map(Into::into).collect()
}

pub(super) fn from_wire(value: wire::Expression) -> Expression {
    Expression::of(value.into_iter().map(Segment::from).collect::<Vec<_>>())
}

fn list(values: Vec<Expression>) -> Vec<wire::Expression> {
    values.into_iter().map(expression).collect()
}

pub(super) fn list_from_wire(values: Vec<wire::Expression>) -> Vec<Expression> {
    values.into_iter().map(from_wire).collect()
}

pub(super) fn entries_from_wire(
    values: Vec<(String, wire::Expression)>,
) -> Vec<(String, Expression)> {
    values
        .into_iter()
        .map(|(key, value)| (key, from_wire(value)))
        .collect()
}

impl From<File> for wire::File {
    fn from(value: File) -> Self {
        let File {
            target,
            contents,
            source,
            mode,
        } = value;
        Self {
            target,
            contents: expression(contents),
            source,
            mode,
        }
    }
}

impl From<wire::File> for File {
    fn from(value: wire::File) -> Self {
        let wire::File {
            target,
            contents,
            source,
            mode,
        } = value;
        Self {
            target,
            contents: from_wire(contents),
            source,
            mode,
        }
    }
}

impl From<Probe> for wire::Probe {
    fn from(value: Probe) -> Self {
        Self {
            kind: value.kind,
            endpoint: value.endpoint,
            path: value.path,
            status: value.status,
            command: list(value.command),
            interval: value.interval,
            timeout: value.timeout,
            start_period: value.start_period,
            retries: value.retries,
        }
    }
}

impl From<wire::Probe> for Probe {
    fn from(value: wire::Probe) -> Self {
        Self {
            kind: value.kind,
            endpoint: value.endpoint,
            path: value.path,
            status: value.status,
            command: list_from_wire(value.command),
            interval: value.interval,
            timeout: value.timeout,
            start_period: value.start_period,
            retries: value.retries,
        }
    }
}

impl From<Prepare> for wire::Prepare {
    fn from(value: Prepare) -> Self {
        Self {
            command: expression(value.command),
            args: list(value.args),
            env: value
                .env
                .into_iter()
                .map(|(name, value)| (name, expression(value)))
                .collect(),
            stdin: expression(value.stdin),
            creates: expression(value.creates),
        }
    }
}

impl From<wire::Prepare> for Prepare {
    fn from(value: wire::Prepare) -> Self {
        Self {
            command: from_wire(value.command),
            args: list_from_wire(value.args),
            env: entries_from_wire(value.env),
            stdin: from_wire(value.stdin),
            creates: from_wire(value.creates),
        }
    }
}

impl From<Parameter> for wire::Parameter {
    fn from(value: Parameter) -> Self {
        Self {
            secret: value.secret,
            description: value.description,
            generate_length: value.generate_length,
            generate_special: value.generate_special,
            default_value: expression(value.default_value),
        }
    }
}

impl From<wire::Parameter> for Parameter {
    fn from(value: wire::Parameter) -> Self {
        Self {
            secret: value.secret,
            description: value.description,
            generate_length: value.generate_length,
            generate_special: value.generate_special,
            default_value: from_wire(value.default_value),
        }
    }
}

impl From<Location> for wire::Location {
    fn from(value: Location) -> Self {
        Self {
            resource: value.resource,
            pointer: value.pointer,
        }
    }
}

impl From<Error> for wire::PluginError {
    fn from(value: Error) -> Self {
        let Error {
            code,
            message,
            location,
            help,
        } = value;
        Self {
            code,
            message,
            location: location.map(Into::into),
            help,
        }
    }
}

impl From<Diagnostic> for wire::Diagnostic {
    fn from(value: Diagnostic) -> Self {
        let Diagnostic {
            severity,
            code,
            message,
            location,
            help,
        } = value;
        Self {
            severity: severity.as_str().to_owned(),
            code,
            message,
            location: location.map(Into::into),
            help,
        }
    }
}
