//! Another Rust library in the same program: it brings its own standard library along.

#[unsafe(no_mangle)]
pub extern "C" fn second_library() -> i32 {
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| {
        let numbers: Vec<i32> = std::thread::spawn(|| (0..7).collect()).join().unwrap();
        assert!(numbers.is_empty(), "it has {} numbers", numbers.len());
    });
    if caught.is_err() { 42 } else { 0 }
}
