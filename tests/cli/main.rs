//! The program as users see it, a module for each section of its contract.

#[path = "../support/mod.rs"]
mod support;

mod config;
