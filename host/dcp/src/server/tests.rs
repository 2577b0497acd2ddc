//! The API in process: what a client sees. Replays of kube-apiserver's own answers are elsewhere.
