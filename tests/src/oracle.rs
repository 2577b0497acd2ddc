//! The same requests to a real Kubernetes API server and to ours, and what is different.
//!
//! `tests/oracle/requests` has the requests, one file a topic; `tests/oracle/answers` has what the
//! real server said (`tests/oracle/record`); `tests/oracle/differences.toml` has where ours may
//! say something else, and why. Knows nothing of how either server is made: a kubeconfig is all.

pub mod compare;
pub mod normal;
pub mod replay;
pub mod script;
pub mod server;
pub mod wire;
