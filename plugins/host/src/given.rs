//! What plugins hand over: descriptions, texts and blocks. All of it is judged, and copied.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::slice;

use chat_plugin_abi as abi;

use crate::frame::About;

/// A description that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plugin {
    pub(crate) raw: abi::chat_plugin,
}

impl Plugin {
    /// Judges a description.
    ///
    /// # Safety
    ///
    /// `raw` points to at least [`abi::chat_plugin`]'s first eight bytes, and to as many as its size
    /// says; its texts end with a NUL; all of it lives as long as the process.
    pub(crate) unsafe fn new(raw: *const abi::chat_plugin) -> Result<Self, String> {
        let raw: *const u8 = raw.cast();
        // SAFETY: promised by the caller; a symbol may lie anywhere, so nothing is assumed of its alignment.
        let (size, version) = unsafe {
            (
                ptr::read_unaligned(raw.cast::<u32>()),
                ptr::read_unaligned(raw.add(4).cast::<u32>()),
            )
        };
        if version != abi::CHAT_PLUGIN_ABI {
            return Err(format!(
                "it needs plugin ABI {version}, this server has {}; {}",
                abi::CHAT_PLUGIN_ABI,
                match version > abi::CHAT_PLUGIN_ABI {
                    true => "update the server",
                    false => "build the plugin anew",
                }
            ));
        }
        let known = size_of::<abi::chat_plugin>();
        let size = size as usize;
        if size < known || size > SIZE_MOST {
            return Err(format!(
                "its description has {size} bytes and not {known}: CHAT_PLUGIN_DECLARE writes it right"
            ));
        }
        // SAFETY: promised by the caller.
        let tail = unsafe { slice::from_raw_parts(raw.add(known), size - known) };
        if tail.iter().any(|&byte| byte != 0) {
            return Err(
                "it says things that this server does not know; update the server".to_owned(),
            );
        }
        // SAFETY: promised by the caller; all bit patterns of these fields are values.
        let raw = unsafe { ptr::read_unaligned(raw.cast::<abi::chat_plugin>()) };
        if raw.flags != 0 {
            return Err(
                "it has flags that this server does not know; update the server".to_owned(),
            );
        }
        if raw.init.is_none() {
            return Err("it has no init function".to_owned());
        }
        let plugin = Self { raw };
        let id = plugin.about().id;
        let good = |sign: char| sign.is_ascii_alphanumeric() || ".-_".contains(sign);
        if id.is_empty() || id.len() > 128 || !id.chars().all(good) {
            return Err(format!(
                "its id {id:?} is not made of letters, digits, '.', '-' and '_', like org.example.shout"
            ));
        }
        Ok(plugin)
    }

    /// What the description says.
    pub(crate) fn about(&self) -> About {
        let text = |text: *const c_char| match text.is_null() {
            true => String::new(),
            // SAFETY: promised to `new`.
            false => unsafe { CStr::from_ptr(text) }
                .to_string_lossy()
                .chars()
                .filter(|sign| !sign.is_control())
                .take(128)
                .collect(),
        };
        About {
            id: text(self.raw.id),
            title: text(self.raw.name),
            version: text(self.raw.version),
            license: text(self.raw.license),
            capabilities: self.raw.capabilities,
            ..About::default()
        }
    }
}

/// No description of ours will ever be larger; a number above it is garbage.
const SIZE_MOST: usize = 4096;

/// A plugin's text.
///
/// # Safety
///
/// `text` is NULL or ends with a NUL.
pub(crate) unsafe fn text_of(text: *const c_char, most: usize) -> Result<String, abi::chat_status> {
    if text.is_null() {
        return Err(abi::CHAT_MISUSE);
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(text) };
    checked(text.to_bytes(), most)
}

/// A plugin's text that may be missing.
///
/// # Safety
///
/// As [`text_of`].
pub(crate) unsafe fn maybe_text_of(
    text: *const c_char,
    most: usize,
) -> Result<Option<String>, abi::chat_status> {
    match text.is_null() {
        true => Ok(None),
        // SAFETY: promised by the caller.
        false => unsafe { text_of(text, most) }.map(Some),
    }
}

/// A plugin's block of bytes. Its length is judged before it is read.
///
/// # Safety
///
/// `data` points to `len` bytes, or is NULL.
pub(crate) unsafe fn bytes_of<'a>(
    data: *const c_void,
    len: u64,
    most: usize,
) -> Result<&'a [u8], abi::chat_status> {
    let len = usize::try_from(len).map_err(|_| abi::CHAT_TOO_LONG)?;
    if len > most {
        return Err(abi::CHAT_TOO_LONG);
    }
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(abi::CHAT_MISUSE),
        // SAFETY: promised by the caller.
        (false, _) => Ok(unsafe { slice::from_raw_parts(data.cast::<u8>(), len) }),
    }
}

pub(crate) fn checked(bytes: &[u8], most: usize) -> Result<String, abi::chat_status> {
    if bytes.len() > most {
        return Err(abi::CHAT_TOO_LONG);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| abi::CHAT_BAD_UTF8)?;
    match text.contains('\0') {
        true => Err(abi::CHAT_BAD_UTF8),
        false => Ok(text.to_owned()),
    }
}
