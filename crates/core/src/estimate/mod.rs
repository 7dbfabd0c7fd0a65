//! The statistics: growth explained by columns that are never negative, with errors as levels that are read make them.

mod growth;
mod least_squares;
mod noise;
mod random;
pub mod student;

pub use growth::{Fit, Growth, Interval};
pub use least_squares::Normal;
pub use noise::{Factor, Noise};
pub use random::Random;
