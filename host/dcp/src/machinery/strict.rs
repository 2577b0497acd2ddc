//! Strict decoding: JSON objects with fields that are there twice, or that nobody knows.
//!
//! Which fields are known is a schema's knowledge; see [`unknown_fields`].

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::schema::{Schema, unknown_fields};
use super::status::Status;

/// Reads JSON; of fields that are there twice, the last one counts, and their paths are told:
/// `spec.args`, `spec.ports[0].port`.
///
/// # Errors
/// It isn't JSON.
pub fn read_json(body: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let duplicates = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let seed = Place {
        path: String::new(),
        duplicates: &duplicates,
    };
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, duplicates.into_inner()))
}

/// What strict decoding has against an object, as warnings say it: `unknown field "spec.x"`.
pub fn complaints(schema: &Schema<'_>, object: &Value, duplicates: &[String]) -> Vec<String> {
    let unknown = unknown_fields(schema, object).into_iter();
    let unknown = unknown.map(|path| format!("unknown field \"{path}\""));
    let twice = duplicates
        .iter()
        .map(|path| format!("duplicate field \"{path}\""));
    twice.chain(unknown).collect()
}

/// 400 for an object that strict decoding has something against.
pub fn strict_decoding_error(kind: &str, version: &str, complaints: &[String]) -> Status {
    Status::bad_request(format!(
        "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
        complaints.join(", ")
    ))
}

/// Reads one value, knowing where it is.
struct Place<'a> {
    path: String,
    duplicates: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let place = Place {
                path: format!("{}[{}]", self.path, items.len()),
                duplicates: self.duplicates,
            };
            match access.next_element_seed(place)? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{name}", self.path);
            let place = Place {
                path: path.clone(),
                duplicates: self.duplicates,
            };
            let value = access.next_value_seed(place)?;
            if fields.insert(name, value).is_some() {
                self.duplicates.borrow_mut().push(path);
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn twice() {
        let body = br#"{"a": 1, "a": 2, "b": [{"c": null, "c": 1.5, "d": {"e": true}}, -1, "x"]}"#;
        let (value, duplicates) = read_json(body).unwrap();
        assert_eq!(value, serde_json::from_slice::<Value>(body).unwrap());
        assert_eq!(duplicates, ["a", "b[0].c"]);
        for bad in ["", "{", "{} x", "nul"] {
            assert!(read_json(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert!(
            read_json(deep.as_bytes()).is_err(),
            "refused, not a stack overflow"
        );
    }

    #[test]
    fn told() {
        let schema = json!({"properties": {"spec": {"properties": {"a": {}}}}});
        let schema = Schema::of_object(&schema);
        let (object, twice) = read_json(br#"{"spec": {"a": 1, "a": 2, "b": 1}}"#).unwrap();
        let complaints = complaints(&schema, &object, &twice);
        let status = strict_decoding_error("Executable", "v1", &complaints);
        assert_eq!(status.code, 400);
        assert_eq!(
            status.message,
            "Executable in version \"v1\" cannot be handled as a Executable: strict decoding \
             error: duplicate field \"spec.a\", unknown field \"spec.b\""
        );
    }
}
