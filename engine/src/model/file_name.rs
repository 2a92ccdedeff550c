//! Names of files that somebody else chose.

use std::fmt;

/// A name under which a file may be put into a folder, whoever chose it: one part of a path, which
/// looks like what it is, and which no system takes for something else.
///
/// A long name is shortened to [`FileName::BYTES`], its ending kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileName(String);

/// Why a name is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadFileName {
    /// Nothing in it, or only dots.
    Empty,
    /// It leads into another folder.
    Path,
    /// It has characters that are not seen, or that turn the direction of what follows.
    Invisible,
    /// It would be a hidden file, which programs read as settings.
    Hidden,
    /// It is a device on some systems.
    Device,
}

impl FileName {
    /// Longest name. With an ending like `.part` it still fits the 255 bytes of common file systems.
    pub const BYTES: usize = 240;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// Why it is refused. It is not mended: two names could become one, and what is shown would not be
    /// what is written.
    pub fn new(offered: &str) -> Result<Self, BadFileName> {
        let rest = offered.trim_start_matches(['.', ' ']);
        if rest.is_empty() {
            return Err(BadFileName::Empty);
        }
        if offered.contains(['/', '\\']) {
            return Err(BadFileName::Path);
        }
        if offered.chars().any(is_invisible) || offered.ends_with([' ', '.']) {
            return Err(BadFileName::Invisible);
        }
        if rest.len() != offered.len() {
            return Err(BadFileName::Hidden);
        }
        let stem = offered.split(['.', ':']).next().unwrap_or_default();
        if is_device(stem.trim_end()) {
            return Err(BadFileName::Device);
        }
        Ok(Self(shorten(offered)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for BadFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the file's name is empty",
            Self::Path => "the file's name leads into another folder",
            Self::Invisible => "the file's name has characters that can't be seen",
            Self::Hidden => "the file's name is that of a hidden file",
            Self::Device => "the file's name is that of a device",
        })
    }
}

impl std::error::Error for BadFileName {}

/// Control characters, separators of lines, and what changes the direction of writing: with one of
/// them `cod.exe` is shown as `exe.doc`.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What Windows takes for a device in every folder, also with an ending. A folder may be shared.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let numbered = |name: &str| {
        stem.strip_prefix(name).is_some_and(|number| {
            matches!(number.chars().next(), Some('0'..='9' | '¹' | '²' | '³'))
                && number.chars().count() == 1
        })
    };
    matches!(
        stem.as_str(),
        "con" | "prn" | "aux" | "nul" | "conin$" | "conout$" | "clock$"
    ) || numbered("com")
        || numbered("lpt")
}

/// Cuts the middle out of a long name.
fn shorten(name: &str) -> String {
    if name.len() <= FileName::BYTES {
        return name.to_owned();
    }
    let ending = match name.rfind('.') {
        Some(dot) if name.len() - dot <= ENDING_BYTES => name.get(dot..).unwrap_or_default(),
        _ => "",
    };
    let mut end = FileName::BYTES - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    let start = name.get(..end).unwrap_or_default();
    format!("{}{ending}", start.trim_end_matches([' ', '.']))
}

/// Longest ending that says what kind of file it is.
const ENDING_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_stay_in_the_folder_and_look_like_what_they_are() {
        use BadFileName::{Device, Empty, Hidden, Invisible, Path};
        for (name, bad) in [
            ("", Empty),
            (".", Empty),
            ("..", Empty),
            (" .. ", Empty),
            ("../../etc/passwd", Path),
            ("/etc/passwd", Path),
            ("a\\b", Path),
            ("a/..", Path),
            ("a\0b", Invisible),
            ("a\nb", Invisible),
            ("a\u{7f}b", Invisible),
            ("a\u{9b}b", Invisible),
            ("report\u{202e}fdp.exe", Invisible),
            ("a\u{2066}b", Invisible),
            ("a\u{200b}.txt", Invisible),
            ("a\u{2028}b", Invisible),
            ("a.txt.", Invisible),
            ("a.txt ", Invisible),
            (".bashrc", Hidden),
            (" a", Hidden),
            ("con", Device),
            ("CON", Device),
            ("nul.txt", Device),
            ("Aux .tar.gz", Device),
            ("com1", Device),
            ("lpt¹.x", Device),
            ("con:x", Device),
        ] {
            assert_eq!(FileName::new(name), Err(bad), "{name:?}");
        }
        for name in [
            "a",
            "a.txt",
            "con1",
            "common",
            "com10",
            "console.log",
            "ü 日本.png",
            "a..b",
            "-rf",
            "~",
        ] {
            assert_eq!(FileName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_long_name_is_cut_between_letters_and_keeps_its_ending() {
        let long = format!("{}.tar", "😀".repeat(75));
        let name = FileName::new(&long).unwrap();
        assert_eq!(name.as_str(), format!("{}.tar", "😀".repeat(59)));
        let name = FileName::new(&"😀".repeat(75)).unwrap();
        assert_eq!(name.as_str().len(), 240);
        let name = FileName::new(&format!("a.{}", "é".repeat(200))).unwrap();
        assert_eq!(name.as_str().len(), 240);
    }
}
