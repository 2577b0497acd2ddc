//! Answers: values and errors as HTTP responses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use crate::machinery::negotiate::MediaType;
use crate::machinery::status::Status;

/// A value as JSON or YAML.
pub(super) fn value(code: u16, value: &Value, media: MediaType) -> Response {
    let text = match media {
        MediaType::Json => value.to_string(),
        MediaType::Yaml => serde_saphyr::to_string(value).unwrap_or_default(),
    };
    bytes(code, media.as_str(), text)
}

/// A value as JSON.
pub(super) fn json(code: u16, object: &Value) -> Response {
    value(code, object, MediaType::Json)
}

/// Plain text.
pub(super) fn text(code: u16, text: impl Into<Body>) -> Response {
    bytes(code, "text/plain; charset=utf-8", text)
}

/// Anything, with its media type.
pub(super) fn bytes(code: u16, media: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

/// An error, as a `Status`.
pub(super) fn status(status: &Status) -> Response {
    let mut response = json(status.code, &status.to_value());
    if let Some(seconds) = status.retry_after_seconds() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// 404 of a path that isn't there. Clients don't look for an object in it.
pub(super) fn no_such_path() -> Response {
    text(404, "404 page not found\n")
}

/// Adds warnings, which kubectl prints.
pub(super) fn warn(mut response: Response, warnings: &[String]) -> Response {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(text) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, text);
        }
    }
    response
}
