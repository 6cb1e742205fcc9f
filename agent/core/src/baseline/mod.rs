//! What we are compared with: the laws that people would use instead, one file each, each behind the same
//! [`Controller`](crate::node::Controller) as our own engine.
