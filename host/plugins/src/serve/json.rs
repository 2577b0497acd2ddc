//! JSON that a plugin hands over: checked, with every expression in it, and put into one form.
//!
//! A text that has this form already is only read through: no tree is made of it. Doesn't know what
//! the properties mean.

use std::borrow::Cow;
use std::fmt;

use aspire_model::Expression;
use aspire_model::construct::Properties;
use aspire_model::expression::WireSegment;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::state::Mistake;

/// Marks an expression: the only name in its object.
const EXPRESSION: &str = "$expr";

/// An object; none: it is something else.
pub(super) fn object(text: String) -> Result<Option<Properties>, Mistake> {
    if text.starts_with('{') && is_compact(&text) && is_canonical(&text) {
        return Ok(Some(Properties::canonical(text)));
    }
    match value(&text)? {
        Json::Object(entries) => Ok(Some(Properties::of(&entries))),
        _ => Ok(None),
    }
}

/// Anything.
pub(super) fn value(text: &str) -> Result<Json, Mistake> {
    let value: Json =
        serde_json::from_str(text).map_err(|error| Mistake::new(format!("no JSON: {error}")))?;
    check_expressions(&value)?;
    Ok(value)
}

fn check_expressions(value: &Json) -> Result<(), Mistake> {
    match value {
        Json::Array(items) => items.iter().try_for_each(check_expressions),
        Json::Object(entries) => match entries.get(EXPRESSION) {
            Some(segments) if entries.len() == 1 => {
                check_expression(Vec::<WireSegment>::deserialize(segments))
            }
            _ => entries.values().try_for_each(check_expressions),
        },
        _ => Ok(()),
    }
}

fn check_expression(segments: serde_json::Result<Vec<WireSegment>>) -> Result<(), Mistake> {
    let segments = segments
        .map_err(|error| Mistake::new(format!("`$expr` is no list of segments: {error}")))?;
    Expression::from_wire(segments)
        .map(drop)
        .map_err(|error| Mistake::new(format!("`$expr`: {error}")))
}

/// No blank outside of a string, and no escape that could be written otherwise.
fn is_compact(text: &str) -> bool {
    let mut bytes = text.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => {
                let next = bytes.next();
                if !next.is_some_and(|next| br#""\nrtbf"#.contains(&next)) {
                    return false;
                }
            }
            b' ' | b'\n' | b'\r' | b'\t' if !in_string => return false,
            _ => {}
        }
    }
    true
}

/// It is JSON, names are in order and there once, numbers are whole, and expressions are right.
fn is_canonical(text: &str) -> bool {
    let mut reader = serde_json::Deserializer::from_str(text);
    let canonical = Canonical { within: false };
    canonical.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

#[derive(Clone, Copy)]
struct Canonical {
    /// Within an expression there is no other: so nothing is read more than three times, and how
    /// deep a text may be is the reader's limit, which begins anew in an expression.
    within: bool,
}

impl<'de> DeserializeSeed<'de> for Canonical {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Canonical {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON in the form that is kept")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let no = || A::Error::custom("not canonical");
        let mut before: Option<Cow<'de, str>> = None;
        let mut expression: Option<&'de str> = None;
        while let Some(Name(name)) = entries.next_key()? {
            expression = None;
            if before.is_none() && name == EXPRESSION {
                if self.within {
                    return Err(no());
                }
                let raw: &'de RawValue = entries.next_value()?;
                let mut reader = serde_json::Deserializer::from_str(raw.get());
                let read = Self { within: true }.deserialize(&mut reader);
                read.map_err(|_| no())?;
                expression = Some(raw.get());
            } else {
                entries.next_value_seed(self)?;
            }
            if before.is_some_and(|before| before >= name) {
                return Err(no());
            }
            before = Some(name);
        }
        match expression {
            Some(segments) => check_expression(serde_json::from_str(segments)).map_err(|_| no()),
            None => Ok(()),
        }
    }
}

/// A name, without a copy where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn kept(text: &str) -> String {
        let properties = object(text.to_owned()).unwrap().unwrap();
        properties.text().to_owned()
    }

    /// Whatever is only read through is what a tree of it would be written as.
    fn is_read_through(text: &str) -> bool {
        is_compact(text) && is_canonical(text)
    }

    #[test]
    fn one_form_for_each_object() {
        let expression = json!({ "$expr": [{ "op": "lit", "subject": "a b" }] });
        let table = [
            (r#"{"a":1,"b":[true,null,"x y"]}"#, true),
            (r#"{"b":1,"a":2}"#, false),
            (r#"{"a": 1}"#, false),
            (r#"{"a":1,"a":2}"#, false),
            (r#"{"a":1.50}"#, false),
            (r#"{"a":-0}"#, false),
            (r#"{"a":"\u0041"}"#, false),
            (r#"{"a":"\/"}"#, false),
            (r#"{"a":"one\ntwo \"three\" ü"}"#, true),
            ("{}", true),
        ];
        for (text, through) in table {
            assert_eq!(is_read_through(text), through, "{text}");
            let tree: Json = serde_json::from_str(text).unwrap();
            assert_eq!(kept(text), tree.to_string(), "{text}");
        }
        let text = json!({ "a": expression }).to_string();
        assert!(is_read_through(&text) && value(&text).is_ok(), "{text}");
        assert_eq!(kept(&text), text);
    }

    #[test]
    fn what_is_no_object_or_no_json() {
        for text in ["", "{", "{}x", r#"{"a"}"#] {
            assert!(object(text.to_owned()).is_err(), "{text}");
        }
        for text in ["[]", "1", "null", "\"{}\""] {
            assert!(object(text.to_owned()).unwrap().is_none(), "{text}");
        }
        let wrong = r#"{"a":{"$expr":"no list"}}"#;
        let error = object(wrong.to_owned()).unwrap_err();
        assert!(
            format!("{error:?}").contains("no list of segments"),
            "{error:?}"
        );
        // However deep it is.
        let deep = format!("{}1{}", r#"{"$expr":"#.repeat(100_000), "}".repeat(100_000));
        assert!(object(deep).is_err());
        // Beside other names it is none.
        let plain = r#"{"$expr":"no list","b":1}"#;
        assert_eq!(kept(plain), plain);
    }

    fn trees() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[$a-c\"\\\\\n]{0,2}", inner, 0..4)
                    .prop_map(|entries| Json::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_a_tree_would_be(tree in trees(), pretty in any::<bool>()) {
            let tree = json!({ "a": tree });
            let text = if pretty {
                serde_json::to_string_pretty(&tree).unwrap()
            } else {
                tree.to_string()
            };
            let read: Json = serde_json::from_str(&text).unwrap();
            if let Ok(Some(properties)) = object(text) {
                prop_assert_eq!(properties.text(), read.to_string());
            }
        }
    }
}
