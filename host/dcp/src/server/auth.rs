//! Who may call: whoever knows the token.

use axum::http::{HeaderMap, header};

use crate::machinery::status::Status;

/// The token that clients have to send.
#[derive(Clone)]
pub(super) struct Token(Vec<u8>);

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(token.as_bytes().to_vec())
    }

    /// Lets a request through, or says why not.
    ///
    /// # Errors
    /// 401 without the right token.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Status> {
        let value = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let value = value.unwrap_or_default();
        let given = value
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        match given {
            Some(token) if same(token.as_bytes(), &self.0) => Ok(()),
            _ => Err(Status::unauthorized()),
        }
    }
}

/// Compares in a time that depends on the lengths only.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    // Kept from being turned into a comparison that ends early.
    std::hint::black_box(differences) == 0 && one.len() == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let token = Token::new("secret");
        let code = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            let checked = token.check(&headers);
            checked.map_or_else(|status| status.code, |()| 200)
        };
        assert_eq!(code(None), 401);
        assert_eq!(code(Some("Bearer secret")), 200);
        assert_eq!(code(Some("bearer secret")), 200);
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "secret",
        ] {
            assert_eq!(code(Some(wrong)), 401, "{wrong}");
        }
    }
}
