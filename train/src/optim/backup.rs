//! Values to come back to.

use candle_core::{Result, Var};

use super::pairs::Pairs;

/// The values that variables had, in memory of their own that every step takes anew: a step may turn out to be none.
pub struct Backup(Pairs);

impl Backup {
    /// A backup of named variables, which holds their values. Fails where a variable is neither `f32` nor `f64`.
    pub fn new(vars: Vec<(String, Var)>) -> Result<Self> {
        Pairs::new("the backup", vars).map(Self)
    }

    /// Keeps the variables' values instead of those before.
    pub fn keep(&self) -> Result<()> {
        self.0.copy()
    }

    /// Gives the variables the values that were kept; what they had is kept instead.
    pub fn restore(&self) -> Result<()> {
        self.0.swap()
    }
}
