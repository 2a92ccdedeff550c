//! Opens a plugin's file. The only place that names libloading.

use std::path::Path;

use chat_plugin_abi as abi;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::given::Plugin;

/// Opens a file and judges what it says about itself. It is never closed again: threads, thread-local
/// destructors and late host calls of a plugin may still need its code.
pub(crate) fn load(path: &Path) -> Result<Plugin, String> {
    // SAFETY: this runs the constructors of a foreign file. What they do can't be known; the file was
    // looked at before (`elf`) and has run in a process of its own (`probe`), and by default this is one,
    // too.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
    let library = library.map_err(|error| format!("it can't be opened: {error}"))?;
    let raw = {
        // SAFETY: a data symbol; what lies there is judged below before any of it is used.
        let symbol = unsafe { library.get::<*const abi::chat_plugin>(b"chat_plugin_v1\0") };
        *symbol.map_err(|_| "it does not export chat_plugin_v1".to_owned())?
    };
    std::mem::forget(library);
    if raw.is_null() {
        return Err("its chat_plugin_v1 is nowhere".to_owned());
    }
    // SAFETY: the file says by the symbol's name that a description of version 1 lies there, and `elf`
    // has seen that the symbol has the room; the library stays for ever.
    unsafe { Plugin::new(raw) }
}
