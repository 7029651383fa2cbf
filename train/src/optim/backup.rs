//! Values to come back to.

use candle_core::{Result, Var};

use super::pairs::Pairs;

/// Values that variables had, to give back to them where a step turns out to be none. Each [`Backup::keep`] writes over those of
/// the one before and takes no new memory.
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
