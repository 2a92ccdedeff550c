//! Text of others, made harmless for a terminal and for a line.

use std::borrow::Cow;

/// Shows control characters as pictures, so that nobody can move the cursor, change the title, forge a
/// line or turn its direction round.
pub(super) fn sanitize(text: &str) -> Cow<'_, str> {
    if text.chars().all(|sign| shown(sign) == sign) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(shown).collect())
}

fn shown(sign: char) -> char {
    match sign {
        '\t' => ' ',
        // Unicode has a picture of each C0 control, in the same order.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(sign)).unwrap_or(BAD),
        '\u{7f}' => '\u{2421}',
        '\u{2028}' | '\u{2029}' => '\u{240a}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        // Tags: invisible text.
        | '\u{e0001}' => BAD,
        sign => sign,
    }
}

const BAD: char = char::REPLACEMENT_CHARACTER;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(sanitize("a\nb\u{1b}[2J"), "a␊b␛[2J");
        assert_eq!(
            sanitize("\u{9b}1m\u{202e}x\u{7f}\u{2028}"),
            "\u{fffd}1m\u{fffd}x␡␊"
        );
        assert_eq!(sanitize("a\tb"), "a b");
        for number in (0..0x20).chain(0x7f..0xa0) {
            let text = char::from_u32(number).unwrap().to_string();
            assert!(!sanitize(&text).contains(char::is_control), "{number}");
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in ["hi", "größe 👍🏽", "日本語", "a\u{200d}b"] {
            assert!(matches!(sanitize(text), Cow::Borrowed(same) if same == text));
        }
    }
}
