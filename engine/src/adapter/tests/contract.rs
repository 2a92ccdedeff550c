//! The contract of a store.

/// Makes each function a test of every adapter.
macro_rules! contract {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() {
                let (store, _place) = $crate::adapter::tests::town::memory();
                super::$name(store);
            })*
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[test] fn $name() {
                let (store, _place) = $crate::adapter::tests::town::sqlite();
                super::$name(store);
            })*
        }
    };
}

mod appending;
mod directory;
mod files;
mod reading;
mod search;
mod trim;

type Given = std::sync::Arc<dyn crate::port::Store>;
