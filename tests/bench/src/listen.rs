//! (f) From the launch of `control-plane` to a server that listens and a file that says where.

use crate::clock::median;
use crate::plane::Plane;
use crate::report::{Target, figure};
use crate::{Bench, Result};

/// Measures and tells.
pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let places = &bench.places;
    let once = |more: &[&str]| -> Result<f64> {
        let folder = places.folder("listen")?;
        let plane = Plane::start(places, &folder, more)?;
        // The file says so, and it is so.
        let port = plane.port()?;
        std::net::TcpStream::connect(("127.0.0.1", port))
            .map_err(|error| format!("port {port}: {error}"))?;
        Ok(plane.listening)
    };
    // The folders are made.
    once(&[])?;
    let rounds = bench.repeat(|| Ok((once(&[])?, once(&["--server-only"])?)))?;
    let whole = median(rounds.iter().map(|round| round.0));
    let alone = median(rounds.iter().map(|round| round.1));
    bench.report.columns(&["launch to file"]);
    let server = "the same with --server-only";
    bench.report.row(server, &[figure(alone)]);
    let quoted = "DCP, as measured for dcp.md";
    bench.report.row(quoted, &["750 to 3700".to_owned()]);
    let target = Target {
        limit: 20.0,
        unit: "ms",
    };
    let name = "control-plane: launch to listening";
    bench.report.target(name, whole, target);
    Ok(())
}
