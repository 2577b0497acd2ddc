//! Lists in pages: `limit` and `continue`.
//!
//! Knows tokens and arithmetic. Whether a revision can still be listed is the caller's knowledge.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::status::Status;

const VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinueToken {
    /// The revision of the first page. None: whatever is the present one, after the first one was
    /// gone and the client accepted that.
    pub revision: Option<u64>,
    /// The last key of the page before.
    pub after: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

impl ContinueToken {
    /// The opaque text.
    pub fn encode(&self) -> String {
        let revision = self.revision.map(|r| i64::try_from(r).unwrap_or(i64::MAX));
        let wire = Wire {
            v: VERSION.to_owned(),
            rv: revision.unwrap_or(-1),
            start: self.after.clone(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).expect("strings and numbers only"))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400: it isn't one of ours.
    pub fn decode(text: &str) -> Result<Self, Status> {
        let bad = |why: &str| Status::bad_request(format!("continue key is not valid: {why}"));
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|error| bad(&error.to_string()))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
        if wire.v != VERSION {
            return Err(bad(&format!(
                "server does not recognize this encoded version {:?}",
                wire.v
            )));
        }
        Ok(Self {
            revision: match wire.rv {
                0 => return Err(bad("incorrect encoded start resourceVersion")),
                rv => u64::try_from(rv).ok(),
            },
            after: wire.start,
        })
    }

    /// The revision to list at: the token's, or the present one for a token without.
    ///
    /// # Errors
    /// 410 if the caller says that the token's revision is gone; it carries a token that goes on
    /// at the present revision.
    pub fn revision(&self, current: u64, is_gone: impl FnOnce(u64) -> bool) -> Result<u64, Status> {
        match self.revision {
            None => Ok(current),
            Some(revision) if is_gone(revision) => {
                let inconsistent = Self {
                    revision: None,
                    after: self.after.clone(),
                };
                Err(Status::continue_expired(&inconsistent.encode()))
            }
            Some(revision) => Ok(revision),
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// `metadata.continue`: where the next page begins; nothing on the last one.
    pub next: Option<String>,
    /// `metadata.remainingItemCount`; nothing on the last page.
    pub remaining: Option<usize>,
}

/// Cuts a page out of everything that there is at a revision, in the order of its keys. A limit
/// of 0 is none. With a selector, the count of what remains isn't told, as in Kubernetes: pass
/// items that match and drop it.
pub fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    revision: u64,
    limit: usize,
    token: Option<&ContinueToken>,
) -> Page<T> {
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| token.is_none_or(|token| *key > token.after));
    let mut page = Page {
        items: Vec::new(),
        next: None,
        remaining: None,
    };
    let mut last = String::new();
    if limit == 0 {
        page.items.extend(rest.map(|(_, item)| item));
        return page;
    }
    for (key, item) in rest.by_ref().take(limit) {
        page.items.push(item);
        last = key;
    }
    let remaining = rest.count();
    if remaining > 0 {
        let next = ContinueToken {
            revision: Some(revision),
            after: last,
        };
        page.next = Some(next.encode());
        page.remaining = Some(remaining);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters() -> Vec<(String, u8)> {
        (b'a'..=b'e')
            .map(|b| (char::from(b).to_string(), b))
            .collect()
    }

    #[test]
    fn pages() {
        assert_eq!(page(letters(), 7, 0, None).items.len(), 5);
        assert_eq!(page(letters(), 7, 5, None).next, None);
        let first = page(letters(), 7, 2, None);
        assert_eq!((&first.items[..], first.remaining), (&b"ab"[..], Some(3)));
        let token = ContinueToken::decode(&first.next.unwrap()).unwrap();
        assert_eq!(token.revision, Some(7));
        let second = page(letters(), 7, 2, Some(&token));
        assert_eq!((&second.items[..], second.remaining), (&b"cd"[..], Some(1)));
        let token = ContinueToken::decode(&second.next.unwrap()).unwrap();
        let third = page(letters(), 7, 2, Some(&token));
        assert_eq!(
            (&third.items[..], third.next, third.remaining),
            (&b"e"[..], None, None)
        );
    }

    #[test]
    fn a_revision_that_is_gone() {
        let token = ContinueToken {
            revision: Some(7),
            after: "b".to_owned(),
        };
        assert_eq!(token.revision(9, |_| false), Ok(7));
        let status = token.revision(9, |r| r < 8).unwrap_err();
        assert_eq!(status.code, 410);
        let again = ContinueToken::decode(&status.continue_token).unwrap();
        assert_eq!(again.after, "b");
        assert_eq!(again.revision(9, |_| true), Ok(9));
    }

    #[test]
    fn malformed() {
        for text in [
            "",
            "x",
            "e30",
            "%",
            &URL_SAFE_NO_PAD.encode(r#"{"v":"v0","rv":1,"start":"a"}"#),
            &URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":0,"start":"a"}"#),
        ] {
            let status = ContinueToken::decode(text).unwrap_err();
            assert_eq!(status.code, 400, "{text}");
            assert!(status.message.starts_with("continue key is not valid"));
        }
    }
}
