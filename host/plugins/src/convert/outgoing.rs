//! From the model's types to the records of `wit/types.wit`.

use aspire_model::Expression;
use aspire_model::annotation::{
    Endpoint, File, Mount, Parameter, Prepare, Probe, ProbeAction, Wait,
};
use aspire_model::expression::WireSegment;

use crate::bindings::types as wit;

pub(crate) fn to_expression(value: &Expression) -> wit::Expression {
    let convert = |segment: WireSegment| {
        let WireSegment {
            op,
            subject,
            name,
            arg,
            flags,
        } = segment;
        wit::Segment {
            op,
            subject,
            name,
            arg,
            flags,
        }
    };
    value.to_wire().into_iter().map(convert).collect()
}

pub(crate) fn to_expressions(values: &[Expression]) -> Vec<wit::Expression> {
    values.iter().map(to_expression).collect()
}

pub(crate) fn to_endpoint(value: &Endpoint) -> wit::Endpoint {
    wit::Endpoint {
        scheme: value.scheme.clone(),
        protocol: value.protocol.as_str().to_owned(),
        port: value.port,
        target_port: value.target_port,
        external: value.external,
        proxied: value.proxied,
        tls: value.tls,
        env: value.env.clone().unwrap_or_default(),
    }
}

pub(crate) fn to_mount(value: &Mount) -> wit::Mount {
    wit::Mount {
        kind: value.kind.as_str().to_owned(),
        source: value.source.clone(),
        target: value.target.clone(),
        read_only: value.read_only,
    }
}

pub(crate) fn to_file(value: &File) -> wit::File {
    wit::File {
        target: value.target.clone(),
        contents: to_expression(&value.contents),
        source: value.source.clone(),
        mode: value.mode,
    }
}

pub(crate) fn to_wait(value: &Wait) -> wit::Wait {
    wit::Wait {
        condition: value.condition.as_str().to_owned(),
        exit_code: value.exit_code,
    }
}

pub(crate) fn to_probe(value: &Probe) -> wit::Probe {
    let Probe {
        action,
        interval,
        timeout,
        start_period,
        retries,
    } = value;
    let (kind, endpoint, path, status, command) = match action {
        ProbeAction::Http {
            endpoint,
            path,
            status,
        } => (
            "http",
            endpoint.clone(),
            path.clone(),
            status.unwrap_or(0),
            Vec::new(),
        ),
        ProbeAction::Tcp { endpoint } => ("tcp", endpoint.clone(), String::new(), 0, Vec::new()),
        ProbeAction::Command { command } => (
            "command",
            String::new(),
            String::new(),
            0,
            to_expressions(command),
        ),
    };
    wit::Probe {
        kind: kind.to_owned(),
        endpoint,
        path,
        status,
        command,
        interval: *interval,
        timeout: *timeout,
        start_period: *start_period,
        retries: *retries,
    }
}

pub(crate) fn to_prepare(value: &Prepare) -> wit::Prepare {
    wit::Prepare {
        command: to_expression(&value.command),
        args: to_expressions(&value.args),
        env: value
            .env
            .iter()
            .map(|(name, value)| (name.clone(), to_expression(value)))
            .collect(),
        stdin: to_expression(&value.stdin),
        creates: to_expression(&value.creates),
    }
}

pub(crate) fn to_parameter(value: &Parameter) -> wit::Parameter {
    wit::Parameter {
        secret: value.secret,
        description: value.description.clone(),
        generate_length: value.generate.map_or(0, |generate| generate.length),
        generate_special: value.generate.is_some_and(|generate| generate.special),
        default_value: value
            .default
            .as_ref()
            .map(to_expression)
            .unwrap_or_default(),
    }
}
