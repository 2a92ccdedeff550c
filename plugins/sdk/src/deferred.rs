//! Answers that come later.

use chat_plugin_abi as abi;

use crate::host::{c_string_lossy, check};
use crate::{Failed, Host, Verdict};

/// An event whose answer comes later, from any thread. Dropped without an answer, it counts as a fault.
#[derive(Debug)]
pub struct Deferred {
    host: Host,
    event: *const abi::chat_plugin_event,
    table: &'static abi::chat_ext_defer,
    done: bool,
}

// SAFETY: the event lives until `resolve`, which the contract allows from any thread; nothing else here
// looks at it.
unsafe impl Send for Deferred {}

impl Deferred {
    pub(crate) fn new(host: Host, event: *const abi::chat_plugin_event) -> Option<Self> {
        let table = host.extension(c"chat.defer/1").ok()?;
        Some(Self {
            host,
            event,
            table,
            done: false,
        })
    }

    /// The answer.
    ///
    /// # Errors
    ///
    /// [`Failed::TooLate`] when the deadline has decided.
    pub fn resolve(mut self, verdict: &Verdict) -> Result<(), Failed> {
        self.answer(verdict)
    }

    fn answer(&mut self, verdict: &Verdict) -> Result<(), Failed> {
        let resolve = self.table.resolve.ok_or(Failed::Unsupported)?;
        self.done = true;
        // SAFETY: the event lives until `resolve`, which is called once, right here.
        let number = unsafe { tell(self.host, self.event, verdict) };
        // SAFETY: the table's own function.
        check(unsafe { resolve(self.host.raw(), self.event, number) })
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        if !self.done {
            let fault = Verdict::Fault("a deferred answer was dropped".to_owned());
            // When it comes too late, the deadline has counted it.
            let _ = self.answer(&fault);
        }
    }
}

/// Hands over what belongs to a verdict, and answers its number.
///
/// # Safety
///
/// `event` is an event of the server that lives.
pub(crate) unsafe fn tell(
    host: Host,
    event: *const abi::chat_plugin_event,
    verdict: &Verdict,
) -> abi::chat_verdict {
    // SAFETY: the table that the server handed over lives as long as the process.
    let table = unsafe { &*host.raw() };
    match verdict {
        Verdict::Pass => abi::CHAT_PASS,
        Verdict::Handled => abi::CHAT_HANDLED,
        Verdict::Defer => abi::CHAT_DEFER,
        Verdict::Modified(text) => {
            let Some(set_text) = table.set_text else {
                return abi::CHAT_FAULT;
            };
            // SAFETY: the table's own function; the text has that many bytes.
            let status =
                unsafe { set_text(host.raw(), event, text.as_ptr().cast(), text.len() as u64) };
            match status {
                abi::CHAT_OK => abi::CHAT_MODIFIED,
                _ => abi::CHAT_FAULT,
            }
        }
        Verdict::Reject(reason) => {
            if let Some(set_reason) = table.set_reason.filter(|_| !reason.is_empty()) {
                let reason = c_string_lossy(reason);
                // SAFETY: the table's own function; the text ends with a NUL.
                unsafe { set_reason(host.raw(), event, reason.as_ptr()) };
            }
            abi::CHAT_REJECT
        }
        Verdict::Fault(text) => {
            host.log(crate::Level::Error, text);
            abi::CHAT_FAULT
        }
    }
}
