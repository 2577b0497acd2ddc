//! Answers about objects: why a workload is in its state, and what has to be done to come from
//! one set of objects to another.
//!
//! Pure, and made of what acts: causes come from the gates by which the controllers start
//! workloads, and who makes an app or an edit of it makes the moves of these steps. The simulation
//! of the controllers shows that both are true. Doesn't know how an answer is worded.

mod again;
mod causes;
mod steps;

pub use again::fresh;
pub use causes::{Cause, Standing, cause};
pub use steps::{Action, Difference, LOWERED, Move, Step, changed, diff, moves, wishes};
