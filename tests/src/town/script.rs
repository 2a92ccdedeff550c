//! Tests that read like a script.
