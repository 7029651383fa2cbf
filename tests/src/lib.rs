//! What crosses programs.
