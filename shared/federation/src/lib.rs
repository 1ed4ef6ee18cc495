//! Federated learning as pure maths and rules. No network, no clock, no disk.

pub mod privacy;
