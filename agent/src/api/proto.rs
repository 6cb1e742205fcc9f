//! What `proto/trimtab/v1/trimtab.proto` compiles to.
#![expect(
    missing_docs,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("trimtab.v1");
