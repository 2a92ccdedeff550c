//! Reads just enough of Rust to know which paths a file names.

/// A path that a file names.
pub(crate) struct Named {
    /// As written, the groups of `use` written out.
    pub(crate) parts: Vec<String>,
    /// From the root of the crate on, when it begins with `crate`, `self` or `super`.
    pub(crate) own: Option<Vec<String>>,
    pub(crate) line: usize,
}

/// A name or a sign.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Every path in a file's text, test modules left out.
pub(crate) fn named_paths(module: &[String], text: &str) -> Vec<Named> {
    let tokens = without_tests(tokens(text));
    let mut module = module.to_vec();
    let mut found = Vec::new();
    // How deep the braces were where each inner module began.
    let (mut depth, mut inner) = (0, Vec::new());
    let mut index = 0;
    while index < tokens.len() {
        let before = index
            .checked_sub(1)
            .map_or("", |at| tokens[at].text.as_str());
        let after = tokens
            .get(index + 2)
            .map_or("", |token| token.text.as_str());
        let mut paths = Vec::new();
        match tokens[index].text.as_str() {
            "mod" if after == "{" => {
                module.push(tokens[index + 1].text.clone());
                inner.push(depth);
                index += 2;
                continue;
            }
            "use" => index = branches(&tokens, index + 1, &[], &mut paths),
            "crate" if before == "extern" => {
                index = branches(&tokens, index + 1, &[], &mut paths);
            }
            "{" => {
                depth += 1;
                index += 1;
            }
            "}" => {
                depth -= 1;
                index += 1;
                if inner.last() == Some(&depth) {
                    inner.pop();
                    module.pop();
                }
            }
            _ if is_name(&tokens[index]) && !matches!(before, "." | "::") => {
                index = chain(&tokens, index, &mut paths);
            }
            _ => index += 1,
        }
        found.extend(paths.into_iter().map(|(parts, line)| Named {
            own: absolute(&module, &parts),
            parts,
            line,
        }));
    }
    found
}

/// The modules down to a file, `mod.rs` being its folder's. Empty for `lib.rs`.
pub(crate) fn module_path(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs");
    let mut parts: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

/// Names and signs, without comments and without what stands in quotes.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut index, mut line) = (0, 1);
    while index < chars.len() {
        let from = index;
        let mut keep = false;
        match at(index) {
            '/' if at(index + 1) == '/' => {
                while index < chars.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            '/' if at(index + 1) == '*' => index = after_comment(&chars, index),
            '"' => index = after_quoted(&chars, index),
            'r' if hashes_of_raw(&chars, index).is_some() => index = after_raw(&chars, index),
            // A lifetime has no closing quote after one character or escape.
            '\'' if at(index + 1) == '\\' => {
                index += 3;
                while index < chars.len() && at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            '\'' if at(index + 2) == '\'' => index += 3,
            c if c.is_alphabetic() || c == '_' => {
                keep = true;
                while at(index).is_alphanumeric() || at(index) == '_' {
                    index += 1;
                }
            }
            c => {
                keep = !c.is_whitespace();
                index += if c == ':' && at(index + 1) == ':' {
                    2
                } else {
                    1
                };
            }
        }
        index = index.min(chars.len());
        let passed = &chars[from..index];
        if keep {
            let text = passed.iter().collect();
            tokens.push(Token { text, line });
        }
        line += passed.iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn after_comment(chars: &[char], mut index: usize) -> usize {
    let mut depth = 0;
    while index < chars.len() {
        match chars.get(index..index + 2) {
            Some(['/', '*']) => (depth, index) = (depth + 1, index + 2),
            Some(['*', '/']) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            break;
        }
    }
    index
}

fn after_quoted(chars: &[char], mut index: usize) -> usize {
    index += 1;
    while let Some(c) = chars.get(index) {
        match c {
            '\\' => index += 2,
            '"' => return index + 1,
            _ => index += 1,
        }
    }
    index
}

/// How many `#` the raw string has that begins here.
fn hashes_of_raw(chars: &[char], index: usize) -> Option<usize> {
    let hashes = hashes(&chars[index + 1..]);
    (chars.get(index + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn after_raw(chars: &[char], index: usize) -> usize {
    let opened = hashes_of_raw(chars, index).unwrap_or_default();
    let mut at = index + opened + 2;
    while at < chars.len() {
        if chars[at] == '"' && hashes(&chars[at + 1..]) >= opened {
            return at + 1 + opened;
        }
        at += 1;
    }
    at
}

fn hashes(chars: &[char]) -> usize {
    chars.iter().take_while(|c| **c == '#').count()
}

/// Leaves out each item that stands under `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter();
    while let Some(token) = rest.next() {
        kept.push(token);
        let Some(start) = kept.len().checked_sub(MARK.len()) else {
            continue;
        };
        if !kept[start..].iter().map(|token| &token.text).eq(MARK) {
            continue;
        }
        kept.truncate(start);
        let mut depth = 0;
        for token in rest.by_ref() {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.text.as_str(), "}" | ";") {
                break;
            }
        }
    }
    kept
}

type Path = (Vec<String>, usize);

/// Reads `a::b::c` from here on; answers where it ends.
fn chain(tokens: &[Token], mut index: usize, found: &mut Vec<Path>) -> usize {
    let line = tokens[index].line;
    let mut parts = vec![tokens[index].text.clone()];
    while tokens
        .get(index + 1)
        .is_some_and(|token| token.text == "::")
        && tokens.get(index + 2).is_some_and(is_name)
    {
        parts.push(tokens[index + 2].text.clone());
        index += 2;
    }
    // A name alone was imported or is a local one.
    if parts.len() > 1 {
        found.push((parts, line));
    }
    index + 1
}

/// Reads a `use` tree from here on; answers where it ends.
fn branches(tokens: &[Token], mut index: usize, before: &[String], found: &mut Vec<Path>) -> usize {
    let mut parts = before.to_vec();
    let mut grouped = false;
    while let Some(token) = tokens.get(index) {
        match token.text.as_str() {
            "::" => index += 1,
            "{" => {
                grouped = true;
                index += 1;
                while tokens.get(index).is_some_and(|token| token.text != "}") {
                    index = branches(tokens, index, &parts, found);
                    if tokens.get(index).is_some_and(|token| token.text == ",") {
                        index += 1;
                    }
                }
                index += 1;
            }
            // The new name does not matter.
            "as" => index += 2,
            "," | "}" | ";" => break,
            name => {
                // `{self, ..}` is what stands before the brace.
                if name != "self" || parts.is_empty() {
                    parts.push(name.to_owned());
                }
                index += 1;
            }
        }
    }
    if !grouped {
        found.push((parts, tokens[index - 1].line));
    }
    index
}

/// A path of this crate from its root on.
fn absolute(module: &[String], parts: &[String]) -> Option<Vec<String>> {
    let mut at = match parts.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for part in parts {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => {
                at.pop();
            }
            name => at.push(name.to_owned()),
        }
    }
    Some(at)
}

fn is_name(token: &Token) -> bool {
    token
        .text
        .starts_with(|c: char| c.is_alphabetic() || c == '_')
}
