//! Certificates that a workload is to trust, as the files that OpenSSL and its kin look for: one
//! file for each, a link to it under the hash of its subject, and all of them in one bundle.
//!
//! Pure. Knows how a certificate names its subject and how that is hashed; nothing else of a
//! certificate is looked at, and none is checked.

mod der;

use std::collections::BTreeMap;

use aspire_api::health::PemCertificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The files of some certificates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Name and contents of a file for each.
    pub(crate) files: Vec<(String, String)>,
    /// Name of a link beside them, and the file that it leads to.
    pub(crate) links: Vec<(String, String)>,
    /// All of them.
    pub(crate) bundle: String,
    /// Why some were left out, in words.
    pub(crate) left_out: Vec<String>,
}

/// The files of some certificates.
///
/// # Errors
/// One can't be read, and may not be left out.
pub(crate) fn trust(certificates: &[PemCertificate], lenient: bool) -> Result<Trust, String> {
    let mut trust = Trust::default();
    let mut names = Links::default();
    for certificate in certificates {
        let hash = match subject_hash(&certificate.contents) {
            Ok(hash) => hash,
            Err(problem) => {
                let problem = format!("certificate {}: {problem}", certificate.thumbprint);
                if !lenient {
                    return Err(problem);
                }
                trust.left_out.push(problem);
                continue;
            }
        };
        let file = format!("{}.pem", certificate.thumbprint);
        if trust.files.iter().any(|(known, _)| *known == file) {
            continue;
        }
        trust.links.push((names.next(&hash), file.clone()));
        let contents = certificate.contents.trim_end();
        trust.files.push((file, format!("{contents}\n")));
        trust.bundle += contents;
        trust.bundle.push('\n');
    }
    Ok(trust)
}

/// The links of one folder: those of subjects that have one hash are numbered.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<String, usize>);

impl Links {
    /// The name of the next link for a hash.
    pub(crate) fn next(&mut self, hash: &str) -> String {
        let count = self.0.entry(hash.to_owned()).or_default();
        let name = format!("{hash}.{count}");
        *count += 1;
        name
    }
}

/// What `openssl x509 -hash` says of the first certificate in a text: eight digits.
///
/// # Errors
/// There is none, or it can't be read; in words.
pub(crate) fn subject_hash(pem: &str) -> Result<String, String> {
    let certificate = decode(pem)?;
    let subject = der::subject(&certificate).ok_or("it is no certificate of X.509")?;
    let canonical = der::canonical(subject).ok_or("its subject can't be read")?;
    let digest = Sha1::digest(canonical);
    let number = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    Ok(format!("{number:08x}"))
}

fn decode(pem: &str) -> Result<Vec<u8>, String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let (_, rest) = pem.split_once(BEGIN).ok_or("it has no PEM certificate")?;
    let (body, _) = rest
        .split_once("-----END CERTIFICATE-----")
        .ok_or("its PEM certificate has no end")?;
    let digits: String = body.split_ascii_whitespace().collect();
    let decoded = STANDARD.decode(digits);
    decoded.map_err(|error| format!("its PEM certificate is no base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With this subject, as `openssl req -subj` takes it, and with more options.
    fn made(subject: &str, more: &[&str]) -> Option<(String, String)> {
        let run = |args: &[&str], input: &str| {
            use std::io::Write;
            let mut child = std::process::Command::new("openssl")
                .args(args)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .ok()?;
            child.stdin.take()?.write_all(input.as_bytes()).ok()?;
            let output = child.wait_with_output().ok()?;
            let text = String::from_utf8(output.stdout).ok()?;
            output.status.success().then_some(text)
        };
        let mut request = vec![
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "/dev/null",
            "-days",
            "1",
            "-subj",
            subject,
        ];
        request.extend(more);
        let pem = run(&request, "")?;
        let hash = run(&["x509", "-noout", "-hash"], &pem)?;
        Some((pem, hash.trim().to_owned()))
    }

    #[test]
    fn as_openssl_says() {
        for (subject, more) in [
            ("/CN=localhost", &[][..]),
            ("/C=US/O=  Some   Body /CN=LOCALHOST", &[]),
            ("/O=Müller & Söhne/CN=ÄÖÜ", &["-utf8"]),
            ("/O=Müller", &[]),
            ("/DC=org/DC=Example/emailAddress=A@B.c/CN=x", &["-utf8"]),
            ("/CN=b+O=a+OU=A  c", &["-multivalue-rdn"]),
            ("/serialNumber=12 34/CN=x", &[]),
        ] {
            // Where there is none, the fixed one below has to do.
            let Some((pem, expected)) = made(subject, more) else {
                continue;
            };
            assert_eq!(subject_hash(&pem).as_ref(), Ok(&expected), "{subject}");
        }
    }

    /// Made by `openssl req -x509 -subj "/C=DE/O=Some  Body/CN=Test CA"`.
    const FIXED: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBwDCCAWWgAwIBAgIUFuxhGQFrK+LRmnYv/7bJWvIt2BMwCgYIKoZIzj0EAwIw\n\
NDELMAkGA1UEBhMCREUxEzARBgNVBAoMClNvbWUgIEJvZHkxEDAOBgNVBAMMB1Rl\n\
c3QgQ0EwIBcNMjYxMTI0MTUwMTUxWhgPMjEyNjEwMzExNTAxNTFaMDQxCzAJBgNV\n\
BAYTAkRFMRMwEQYDVQQKDApTb21lICBCb2R5MRAwDgYDVQQDDAdUZXN0IENBMFkw\n\
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESXyfMFdT2FVexHO0kUdd7Flc3WGvGKbW\n\
y+A80iqk9XLTnuMiJXk5h0pUligzuQiAg4zIReYxtOk7iUu/R8c5K6NTMFEwHQYD\n\
VR0OBBYEFMkIW3QmX1RKW1H5e2QWkxjuTP/UMB8GA1UdIwQYMBaAFMkIW3QmX1RK\n\
W1H5e2QWkxjuTP/UMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIh\n\
AKzIO8OtRKgNfNPWV6N9zzzswCn7ckc0R6BjJMs6iUNRAiEA6LR+KpubMsrFzSqh\n\
5L5ZImPJw7erCgcnRlN+dg4hevE=\n\
-----END CERTIFICATE-----\n";

    #[test]
    fn a_certificate_of_old() {
        assert_eq!(subject_hash(FIXED).as_deref(), Ok("a388d59f"));
        for (text, expected) in [
            ("", "it has no PEM certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA",
                "its PEM certificate has no end",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "it is no certificate of X.509",
            ),
        ] {
            assert_eq!(subject_hash(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = decode(FIXED).unwrap();
        for length in 0..whole.len() {
            if let Some(subject) = der::subject(&whole[..length]) {
                let _ = der::canonical(subject);
            }
        }
        for place in 0..whole.len() {
            let mut broken = whole.clone();
            broken[place] = broken[place].wrapping_add(1);
            if let Some(subject) = der::subject(&broken) {
                let _ = der::canonical(subject);
            }
        }
    }

    #[test]
    fn files_links_and_what_is_left_out() {
        let certificate = |thumbprint: &str, contents: &str| PemCertificate {
            thumbprint: thumbprint.to_owned(),
            contents: contents.to_owned(),
        };
        let all = [
            certificate("AA", FIXED),
            certificate("BB", "rubbish"),
            certificate("CC", FIXED),
            certificate("AA", FIXED),
        ];
        let problem = "certificate BB: it has no PEM certificate";
        assert_eq!(trust(&all, false), Err(problem.to_owned()));
        let found = trust(&all, true).unwrap();
        assert_eq!(found.left_out, [problem]);
        let link = |number: usize, file: &str| (format!("a388d59f.{number}"), file.to_owned());
        assert_eq!(found.links, [link(0, "AA.pem"), link(1, "CC.pem")]);
        assert_eq!(found.files.len(), 2);
        assert_eq!(found.bundle.matches("BEGIN CERTIFICATE").count(), 2);
    }
}
