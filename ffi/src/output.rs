//! What goes out: only on success.

use std::ffi::{CString, c_char};

use crate::api::event::chat_event;
use crate::guard::{Outcome, may_wait};
use crate::handle::{self, Handled};
use crate::input::invalid;

/// Writes a value.
///
/// # Safety
///
/// A non-NULL `out` may be written.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) -> Outcome<()> {
    if out.is_null() {
        return Err(invalid("the pointer to the result is NULL"));
    }
    // SAFETY: it is not NULL, and the caller promises the rest.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes a value, unless nobody wants it.
///
/// # Safety
///
/// As [`put`].
pub(crate) unsafe fn put_if<T>(out: *mut T, value: T) -> Outcome<()> {
    if !out.is_null() {
        // SAFETY: it is not NULL, and the caller promises the rest.
        unsafe { out.write(value) };
    }
    Ok(())
}

/// Writes bytes.
///
/// # Safety
///
/// A non-NULL `out` has room for them.
pub(crate) unsafe fn put_bytes(out: *mut u8, bytes: &[u8]) -> Outcome<()> {
    if out.is_null() {
        return Err(invalid("the pointer to the result is NULL"));
    }
    // SAFETY: it is not NULL, and the caller promises the rest.
    unsafe { out.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(())
}

/// Makes an object and writes its handle. Nothing is made when there is nowhere to write it.
///
/// # Safety
///
/// As [`put`].
pub(crate) unsafe fn make<T: Handled>(
    out: *mut *mut T::Opaque,
    make: impl FnOnce() -> Outcome<T>,
) -> Outcome<()> {
    if out.is_null() {
        return Err(invalid("the pointer to the handle is NULL"));
    }
    may_wait("making a handle")?;
    let made = handle::insert(make()?)?;
    // SAFETY: as the caller promises.
    unsafe { put(out, made) }
}

/// Takes an event and writes its handle, or NULL. None is taken when there is nowhere to write it.
///
/// # Safety
///
/// As [`put`].
pub(crate) unsafe fn event(
    out: *mut *mut chat_event,
    take: impl FnOnce() -> Outcome<*mut chat_event>,
) -> Outcome<()> {
    if out.is_null() {
        return Err(invalid("the pointer to the event is NULL"));
    }
    // SAFETY: as the caller promises.
    unsafe { put(out, take()?) }
}

/// A string for the caller to free.
pub(crate) fn string(text: &str) -> *mut c_char {
    CString::new(text).unwrap_or_default().into_raw()
}
