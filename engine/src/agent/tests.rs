//! The agent against a scripted server, without bytes and without time.

mod desk;
mod files;
mod linking;
mod reading;
mod sending;
