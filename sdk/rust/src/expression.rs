//! Values that are not known yet.
//!
//! Plugins build expressions and pass them on; the host alone knows what they evaluate to. Build
//! them with [`expr!`](crate::expr!) and the functions of [`expr`](mod@crate::expr).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Bit of [`Segment::flags`]: percent-encode the value for use inside a URI.
pub const URI: u32 = 1;

/// One piece of an expression, as it crosses the boundary. See `record segment` in `wit/types.wit`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Segment {
    /// `lit`, `param`, `endpoint`, `prop`, `conn`, `output`, `path`, `port`, `if`, `else` or `end`.
    pub op: String,
    /// Text, parameter, resource or construct.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Endpoint, property, output, mount or file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Endpoint property, or the value that a branch compares with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arg: String,
    /// [`URI`] or nothing.
    #[serde(skip_serializing_if = "is_zero")]
    pub flags: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(flags: &u32) -> bool {
    *flags == 0
}

impl Segment {
    /// One of any op.
    pub fn new(
        op: impl Into<String>,
        subject: impl Into<String>,
        name: impl Into<String>,
        arg: impl Into<String>,
    ) -> Self {
        Self {
            op: op.into(),
            subject: subject.into(),
            name: name.into(),
            arg: arg.into(),
            flags: 0,
        }
    }

    /// Whether its value is percent-encoded.
    pub fn is_uri(&self) -> bool {
        self.flags & URI == URI
    }

    fn is_branch(&self) -> bool {
        matches!(self.op.as_str(), "if" | "else" | "end")
    }
}

/// The concatenation of its segments.
///
/// In JSON it is `{"$expr": [segment…]}`, so an option of format `expression` can be a field of
/// this type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Expression {
    #[serde(rename = "$expr")]
    segments: Vec<Segment>,
}

impl Expression {
    /// Nothing.
    pub const fn new() -> Self {
        Self {
            segments: Vec::new(),
        }
    }

    /// A text that means itself.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of([Segment::new("lit", text, "", "")])
    }

    /// From segments; neighbouring texts become one.
    pub fn of(segments: impl Into<Vec<Segment>>) -> Self {
        let segments = segments.into();
        let is_text = |segment: &Segment| segment.op == "lit";
        let joins = segments
            .windows(2)
            .any(|pair| is_text(&pair[0]) && is_text(&pair[1]))
            || segments
                .iter()
                .any(|segment| is_text(segment) && segment.subject.is_empty());
        if !joins {
            return Self { segments };
        }
        let mut joined = Self::new();
        joined.extend(segments);
        joined
    }

    fn extend(&mut self, segments: Vec<Segment>) {
        for segment in segments {
            self.push(segment);
        }
    }

    /// One after the other.
    pub fn concat(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::new(), Self::then)
    }

    /// With more behind.
    #[must_use]
    pub fn then(mut self, more: impl Into<Self>) -> Self {
        self.extend(more.into().segments);
        self
    }

    /// With every value in it percent-encoded for use inside a URI.
    #[must_use]
    pub fn uri(mut self) -> Self {
        for segment in self
            .segments
            .iter_mut()
            .filter(|segment| !segment.is_branch())
        {
            segment.flags |= URI;
        }
        self
    }

    fn push(&mut self, segment: Segment) {
        if segment.op == "lit" {
            if segment.subject.is_empty() {
                return;
            }
            if let Some(last) = self.segments.last_mut()
                && last.op == "lit"
                && last.flags == segment.flags
            {
                last.subject.push_str(&segment.subject);
                return;
            }
        }
        self.segments.push(segment);
    }

    /// Its segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Its segments, to keep.
    pub fn into_segments(self) -> Vec<Segment> {
        self.segments
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The text, if it is nothing but text.
    pub fn as_text(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [only] if only.op == "lit" && only.flags == 0 => Some(&only.subject),
            _ => None,
        }
    }

    /// The text, if it is nothing but text; otherwise it comes back.
    ///
    /// # Errors
    /// The expression.
    pub fn into_text(mut self) -> Result<String, Self> {
        match self.segments.as_mut_slice() {
            [] => Ok(String::new()),
            [only] if only.op == "lit" && only.flags == 0 => Ok(std::mem::take(&mut only.subject)),
            _ => Err(self),
        }
    }

    /// As the object `{"$expr": [segment…]}` of option and property payloads.
    pub fn to_json(&self) -> Json {
        json!({ "$expr": self.segments })
    }

    /// From that object, or from a plain string; none: it is neither.
    pub fn from_json(value: &Json) -> Option<Self> {
        if let Some(text) = value.as_str() {
            return Some(Self::text(text));
        }
        if value.as_object()?.len() != 1 {
            return None;
        }
        Self::deserialize(value).ok()
    }
}

impl From<&str> for Expression {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Expression {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&String> for Expression {
    fn from(text: &String) -> Self {
        Self::text(text)
    }
}

impl From<&Self> for Expression {
    fn from(other: &Self) -> Self {
        other.clone()
    }
}

/// The written form of `aspire.toml` and of printed models: `redis://{cache.uri:uri}`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            let Segment {
                op,
                subject,
                name,
                arg,
                ..
            } = segment;
            let uri = if segment.is_uri() { ":uri" } else { "" };
            match op.as_str() {
                "lit" if segment.is_uri() => write!(f, "{{\"{subject}\":uri}}")?,
                "lit" => f.write_str(&subject.replace('{', "{{"))?,
                "param" | "conn" => write!(f, "{{{subject}{uri}}}")?,
                "endpoint" => write!(f, "{{{subject}.{name}.{arg}{uri}}}")?,
                "prop" => write!(f, "{{{subject}.{name}{uri}}}")?,
                "if" if name.is_empty() => write!(f, "{{if {subject} = {arg}}}")?,
                "if" => write!(f, "{{if {subject}.{name} tls}}")?,
                "else" | "end" => write!(f, "{{{op}}}")?,
                _ => write!(f, "{{{op} {subject}.{name}{uri}}}")?,
            }
        }
        Ok(())
    }
}

/// Joins its arguments to one [`Expression`]: texts mean themselves, the rest comes from
/// [`expr`](mod@crate::expr).
///
/// ```
/// use aspire_sdk::expr;
/// use aspire_sdk::expr::{host, param, port};
///
/// let uri = expr!["redis://:", param("cache-password").uri(), "@", host("cache", "tcp"), ":", port("cache", "tcp")];
/// assert_eq!(uri.to_string(), "redis://:{cache-password:uri}@{cache.tcp.host}:{cache.tcp.port}");
/// ```
#[macro_export]
macro_rules! expr {
    ($($part:expr),* $(,)?) => {
        $crate::Expression::concat([$($crate::Expression::from($part)),*])
    };
}
