//! Why the lab could not do something.

use std::error::Error;
use std::fmt;

/// What was being done, and what came between.
#[derive(Debug)]
pub struct LabError {
    doing: String,
    cause: Box<dyn Error + Send + Sync>,
}

impl LabError {
    /// `doing` is a present participle: "plugging n1 into the switch".
    pub fn new(doing: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), cause: cause.into() }
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl Error for LabError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}
