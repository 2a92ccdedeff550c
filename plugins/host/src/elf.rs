//! Looks at a file without running any of it.

use chat_plugin_abi as abi;
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectKind, ObjectSection, ObjectSymbol, SymbolFlags};

/// Judges the bytes of a file.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(match bytes {
            [] => "it is empty".to_owned(),
            _ => "it is not a shared library: no ELF file".to_owned(),
        });
    }
    let file = ElfFile64::<Endianness>::parse(bytes)
        .map_err(|error| format!("it is a damaged ELF file: {error}"))?;
    if !same_machine(&file) {
        return Err(format!(
            "it is built for {:?}, and this server runs on {}",
            file.architecture(),
            std::env::consts::ARCH
        ));
    }
    if file.kind() != ObjectKind::Dynamic {
        return Err("it is not a shared library: build it with -shared -fPIC".to_owned());
    }
    let mut found = None;
    let mut later = false;
    let mut unique = Vec::new();
    for symbol in file.dynamic_symbols() {
        let name = symbol.name().unwrap_or_default();
        if let SymbolFlags::Elf { st_info, .. } = symbol.flags()
            && st_info.0 >> 4 == STB_GNU_UNIQUE
            && symbol.is_definition()
        {
            unique.push(name.to_owned());
        }
        if symbol.is_undefined() {
            continue;
        }
        match name {
            "chat_plugin_v1" => found = Some(symbol),
            _ => later |= name.starts_with("chat_plugin_v"),
        }
    }
    let symbol = match (found, later) {
        (Some(symbol), _) => symbol,
        (None, true) => {
            return Err(
                "it is for a later plugin ABI than this server's; update the server".to_owned(),
            );
        }
        (None, false) => {
            return Err(
                "it does not export chat_plugin_v1; CHAT_PLUGIN_DECLARE at the end of the source does that"
                    .to_owned(),
            );
        }
    };
    if let Some(first) = unique.first() {
        return Err(format!(
            "it has {} STB_GNU_UNIQUE symbols ({first}), which two versions of it would share in one \
             process; build it with -fno-gnu-unique",
            unique.len()
        ));
    }
    if symbol.size() < size_of::<abi::chat_plugin>() as u64 {
        return Err(format!(
            "its chat_plugin_v1 has {} bytes and not {}; CHAT_PLUGIN_DECLARE writes it right",
            symbol.size(),
            size_of::<abi::chat_plugin>()
        ));
    }
    let version = symbol
        .section_index()
        .and_then(|index| file.section_by_index(index).ok())
        .and_then(|section| section.data_range(symbol.address() + 4, 4).ok().flatten())
        .and_then(|bytes| Some(u32::from_ne_bytes(bytes.try_into().ok()?)));
    match version {
        Some(version) if version > abi::CHAT_PLUGIN_ABI => Err(format!(
            "it needs plugin ABI {version}, this server has {}; update the server",
            abi::CHAT_PLUGIN_ABI
        )),
        // An older one, or one that only the loader can find: judged again once it is loaded.
        _ => Ok(()),
    }
}

fn same_machine(file: &ElfFile64<'_, Endianness>) -> bool {
    use object::Architecture::{Aarch64, X86_64};
    match std::env::consts::ARCH {
        "x86_64" => file.architecture() == X86_64,
        "aarch64" => file.architecture() == Aarch64,
        // The loader knows.
        _ => true,
    }
}

/// From glibc's <elf.h>; g++ makes them for statics of inline functions and templates.
const STB_GNU_UNIQUE: u8 = 10;
