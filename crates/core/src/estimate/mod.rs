//! The statistics: least squares with coefficients that are never negative, and intervals by resampling.

mod bootstrap;
mod least_squares;

pub use bootstrap::{Interval, Random, interval};
pub use least_squares::{Problem, solve};
