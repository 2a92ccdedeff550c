//! Contents of files: as good as random, and made again wherever they are compared.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Makes a file of this size. The same seed makes the same content.
///
/// # Panics
///
/// When it can't be written.
pub fn write_content(path: &Path, size: u64, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut file = File::create(path).expect("the file can be made");
    let mut block = vec![0; 64 * 1024];
    let mut left = size;
    while left > 0 {
        rng.fill(&mut block);
        let length = left.min(block.len() as u64);
        file.write_all(&block[..length as usize])
            .expect("the file can be written");
        left -= length;
    }
}

/// BLAKE3 of a file, in hexadecimal digits.
///
/// # Panics
///
/// When it can't be read.
#[must_use]
pub fn hash_of(path: &Path) -> String {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; 256 * 1024];
    loop {
        match file.read(&mut block) {
            Ok(0) => return hasher.finalize().to_hex().to_string(),
            Ok(length) => {
                hasher.update(&block[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
}
