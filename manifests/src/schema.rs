//! JSON Schemas of every manifest, so that editors complete and check them.
//!
//! They are committed under `schema/`; a test compares them, and `VITRINE_WRITE_SCHEMAS=1 cargo test
//! -p manifests schemas` rewrites them.

use schemars::{Schema, schema_for};

/// File stem and schema of each manifest.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("plan", schema_for!(crate::plan::Plan)),
        ("session", schema_for!(crate::session::Session)),
        ("shot", schema_for!(crate::session::Shot)),
        ("unplanned", schema_for!(crate::session::Unplanned)),
        ("recipe", schema_for!(crate::recipe::Recipe)),
        ("dataset", schema_for!(crate::dataset::Dataset)),
        ("sample", schema_for!(crate::dataset::Sample)),
        ("run", schema_for!(crate::run::Run)),
        ("record", schema_for!(crate::run::Record)),
    ]
}
