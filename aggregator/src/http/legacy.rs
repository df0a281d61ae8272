//! The REST contracts of three older systems: the monitoring stack, the hardware monitor and the
//! service monitor. Each has a translator from its bodies to what the inventory takes.
//!
//! * `stack`, `reading` - the monitoring stack: what it reads and deletes, what it pushes
//! * `devices`, `sample`, `newest` - the hardware monitor: what it reads, what it pushes, and other
//!   hosts in its words
//! * `services`, `service` - the service monitor: its paths, and what it pushes
//! * `metrics` - `/metrics`, where all of them meet
//! * `fields` - the fields of a body

pub(super) mod devices;
mod fields;
pub(super) mod metrics;
mod newest;
mod reading;
mod sample;
mod service;
pub(super) mod services;
pub(super) mod stack;

use super::params::Whole as Body;
