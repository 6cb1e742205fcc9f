//! Finds the eBPF object that the agent embeds, and turns protobuf files into Rust.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    embed_probes();
    compile("proto/trimtab/v1/trimtab.proto");
    compile("proto/cri/v1/runtime.proto");
}

/// Compiles a file below `proto/` in pure Rust, so that no `protoc` has to be installed.
fn compile(file: &str) {
    println!("cargo::rerun-if-changed=proto");
    let compiled = protox::compile([file], ["proto"])
        .map_err(|error| format!("{error:?}"))
        .and_then(|descriptors| {
            tonic_prost_build::compile_fds(descriptors).map_err(|error| error.to_string())
        });
    if let Err(error) = compiled {
        println!("cargo::error={file}: {}", error.replace('\n', " "));
    }
}

/// Points `TRIMTAB_PROBES` at the compiled eBPF object, which `include_bytes!` then embeds.
fn embed_probes() {
    println!("cargo::rerun-if-env-changed=TRIMTAB_PROBES_OBJECT");
    let object = env::var_os("TRIMTAB_PROBES_OBJECT").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/trimtab-probes.o"),
        PathBuf::from,
    );
    println!("cargo::rerun-if-changed={}", object.display());
    match object.canonicalize() {
        Ok(path) => println!("cargo::rustc-env=TRIMTAB_PROBES={}", path.display()),
        Err(error) => println!(
            "cargo::error=the eBPF object {} cannot be read ({error}); `cargo xtask build` makes it, then builds the agent",
            object.display()
        ),
    }
}
