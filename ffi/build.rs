//! How `libchat.so` is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if system == "macos" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libchat.0.dylib");
        return;
    }
    // Threads of the library live as long as the process: its code must never go away under them.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // cargo-c gives a SONAME of its own.
    if std::env::var_os("CARGO_FEATURE_CAPI").is_none() {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libchat.so.0");
    }
}
