//! What `proto/cri/v1/runtime.proto` compiles to.
#![expect(
    unused_qualifications,
    unreachable_pub,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("runtime.v1");
