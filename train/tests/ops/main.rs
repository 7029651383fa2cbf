//! The operations: golden numbers, finite differences, shapes, hostile values, thread counts.
#![expect(clippy::unwrap_used, reason = "tests")]

mod channels_last;
mod golden;
mod gradients;
mod hostile;
mod optim;
mod shapes;
mod support;
mod wide;
