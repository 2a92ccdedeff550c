//! The functions that a plugin's one symbol names.

/// Declares the plugin of a library: `export_plugin!(Type, id: .., name: .., version: .., license: ..,
/// capabilities: ..)`.
///
/// [`declare!`](crate::declare) makes the same value without a symbol, for a program that brings its
/// plugins with it.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty, $($rest:tt)*) => {
        /// What the server looks for.
        #[unsafe(no_mangle)]
        #[used]
        #[allow(non_upper_case_globals, reason = "the name is the contract")]
        pub static chat_plugin_v1: $crate::abi::chat_plugin = $crate::declare!($plugin, $($rest)*);
    };
}

/// The description of a plugin as a value.
#[macro_export]
macro_rules! declare {
    (
        $plugin:ty,
        id: $id:expr,
        name: $name:expr,
        version: $version:expr,
        license: $license:expr,
        capabilities: $capabilities:expr $(,)?
    ) => {
        $crate::abi::chat_plugin {
            size: ::core::mem::size_of::<$crate::abi::chat_plugin>() as u32,
            abi: $crate::abi::CHAT_PLUGIN_ABI,
            id: ::core::concat!($id, "\0").as_ptr().cast(),
            name: ::core::concat!($name, "\0").as_ptr().cast(),
            version: ::core::concat!($version, "\0").as_ptr().cast(),
            license: ::core::concat!($license, "\0").as_ptr().cast(),
            capabilities: $capabilities,
            flags: 0,
            init: Some($crate::glue::init::<$plugin>),
            destroy: Some($crate::glue::destroy::<$plugin>),
            save: Some($crate::glue::save::<$plugin>),
            restore: Some($crate::glue::restore::<$plugin>),
        }
    };
}

/// What the macro names.
pub mod glue {
    use std::any::Any;
    use std::ffi::c_void;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::slice;

    use chat_plugin_abi as abi;

    use crate::deferred::tell;
    use crate::setup::Handlers;
    use crate::{Event, Host, Level, Plugin, Setup, Verdict};

    /// An instance, as the server hands it to each function.
    struct Instance<P: Plugin> {
        plugin: P,
        handlers: Handlers<P>,
    }

    /// # Safety
    ///
    /// Called by the server, with its table and a place for the instance.
    pub unsafe extern "C" fn init<P: Plugin>(
        host: *const abi::chat_host,
        instance: *mut *mut c_void,
    ) -> abi::chat_status {
        // SAFETY: the server's table.
        let host = unsafe { Host::new(host) };
        // SAFETY: see above; `size` is there in every version.
        let size = unsafe { (*host.raw()).size } as usize;
        if size < size_of::<abi::chat_host>() {
            return abi::CHAT_MISUSE;
        }
        let made = catch_unwind(|| {
            let mut handlers = Handlers::default();
            let plugin = P::init(&mut Setup::new(host, &mut handlers))?;
            Ok(Box::new(Instance { plugin, handlers }))
        });
        match made {
            Ok(Ok(made)) => {
                // SAFETY: the server's place for it.
                unsafe { *instance = Box::into_raw(made).cast() };
                abi::CHAT_OK
            }
            Ok(Err(text)) => {
                let text: String = text;
                host.log(Level::Error, &text);
                abi::CHAT_MISUSE
            }
            Err(panic) => {
                host.log(Level::Error, &told("init", &*panic));
                abi::CHAT_MISUSE
            }
        }
    }

    /// # Safety
    ///
    /// Called by the server, with what `init` made, and never again with it.
    pub unsafe extern "C" fn destroy<P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
    ) {
        // SAFETY: the server's table.
        let host = unsafe { Host::new(host) };
        // SAFETY: made by `init` from a box; this is its end.
        let instance = unsafe { Box::from_raw(instance.cast::<Instance<P>>()) };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(instance))) {
            host.log(Level::Error, &told("drop", &*panic));
        }
    }

    /// # Safety
    ///
    /// Called by the server, with what `init` made.
    pub unsafe extern "C" fn save<P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
    ) -> abi::chat_status {
        // SAFETY: promised by the server, which calls one function at a time.
        let (instance, host) = unsafe { instance_of::<P>(instance, host) };
        match catch_unwind(AssertUnwindSafe(|| instance.plugin.save())) {
            Ok(Ok(state)) => {
                // SAFETY: the server's table.
                let keep = unsafe { (*host.raw()).keep };
                match keep.filter(|_| !state.is_empty()) {
                    // SAFETY: the table's own function; `state` has that many bytes.
                    Some(keep) => unsafe {
                        keep(host.raw(), state.as_ptr().cast(), state.len() as u64)
                    },
                    None => abi::CHAT_OK,
                }
            }
            Ok(Err(text)) => {
                host.log(Level::Error, &text);
                abi::CHAT_MISUSE
            }
            Err(panic) => {
                host.log(Level::Error, &told("save", &*panic));
                abi::CHAT_MISUSE
            }
        }
    }

    /// # Safety
    ///
    /// Called by the server, with what `init` made and `len` bytes at `data`.
    pub unsafe extern "C" fn restore<P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
        data: *const c_void,
        len: u64,
    ) -> abi::chat_status {
        // SAFETY: promised by the server, which calls one function at a time.
        let (instance, host) = unsafe { instance_of::<P>(instance, host) };
        let state = match (data.is_null(), usize::try_from(len)) {
            (false, Ok(len)) => {
                // SAFETY: promised by the server.
                unsafe { slice::from_raw_parts(data.cast::<u8>(), len) }
            }
            _ => &[],
        };
        match catch_unwind(AssertUnwindSafe(|| instance.plugin.restore(state))) {
            Ok(Ok(())) => abi::CHAT_OK,
            Ok(Err(text)) => {
                host.log(Level::Error, &text);
                abi::CHAT_MISUSE
            }
            Err(panic) => {
                host.log(Level::Error, &told("restore", &*panic));
                abi::CHAT_MISUSE
            }
        }
    }

    /// # Safety
    ///
    /// Called by the server for a hook that `Setup` asked for.
    pub unsafe extern "C" fn hook<P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
        event: *const abi::chat_plugin_event,
    ) -> abi::chat_verdict {
        // SAFETY: promised by the server, which calls one function at a time.
        let (instance, host) = unsafe { instance_of::<P>(instance, host) };
        // SAFETY: the server's event.
        let number = unsafe { (*event).hook };
        let handler = instance.handlers.hooks.get(&number).copied();
        // SAFETY: the server's event lives until this function returns.
        unsafe { run(instance, host, event, handler) }
    }

    /// # Safety
    ///
    /// Called by the server for a command that `Setup` offered.
    pub unsafe extern "C" fn command<P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
        event: *const abi::chat_plugin_event,
    ) -> abi::chat_verdict {
        // SAFETY: promised by the server, which calls one function at a time.
        let (instance, host) = unsafe { instance_of::<P>(instance, host) };
        // SAFETY: the server's event lives until this function returns.
        let name = unsafe { Event::new(host, event) }
            .name()
            .unwrap_or_default();
        let handler = instance.handlers.commands.get(name).copied();
        // SAFETY: see above.
        unsafe { run(instance, host, event, handler) }
    }

    /// # Safety
    ///
    /// Called by the server for a timer that `Setup` started.
    pub unsafe extern "C" fn timer<P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
        timer: u64,
    ) {
        // SAFETY: promised by the server, which calls one function at a time.
        let (instance, host) = unsafe { instance_of::<P>(instance, host) };
        let Some(handler) = instance.handlers.timers.get(&timer).copied() else {
            return;
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handler(&mut instance.plugin, timer)))
        {
            host.log(Level::Error, &told("a timer", &*panic));
        }
    }

    unsafe fn run<P: Plugin>(
        instance: &mut Instance<P>,
        host: Host,
        event: *const abi::chat_plugin_event,
        handler: Option<crate::Handler<P>>,
    ) -> abi::chat_verdict {
        let Some(handler) = handler else {
            return abi::CHAT_FAULT;
        };
        let called = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: promised by the caller.
            let shown = unsafe { Event::new(host, event) };
            handler(&mut instance.plugin, &shown)
        }));
        let verdict = match called {
            Ok(verdict) => verdict,
            Err(panic) => Verdict::Fault(told("a hook", &*panic)),
        };
        // SAFETY: promised by the caller.
        unsafe { tell(host, event, &verdict) }
    }

    unsafe fn instance_of<'a, P: Plugin>(
        instance: *mut c_void,
        host: *const abi::chat_host,
    ) -> (&'a mut Instance<P>, Host) {
        // SAFETY: the callers' callers promise that `init` made it, that it lives, and that nobody
        // else is in here meanwhile.
        unsafe { (&mut *instance.cast::<Instance<P>>(), Host::new(host)) }
    }

    fn told(place: &str, panic: &(dyn Any + Send)) -> String {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        format!("{place} panicked: {text}")
    }
}
