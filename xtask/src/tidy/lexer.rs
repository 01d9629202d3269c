//! Rust source to tokens: enough to find paths, modules and unsafe code, and no more.
//!
//! Comments are kept apart with the place they stand at; strings are one token each, so that a
//! path inside either is never taken for code.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// The text of a string literal, without its quotes.
    Text,
    /// One punctuation character, or `::`.
    Mark,
}

/// One token and the line it starts on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is_mark(&self, text: &str) -> bool {
        self.kind == Kind::Mark && self.text == text
    }

    pub(super) fn is_word(&self, text: &str) -> bool {
        self.kind == Kind::Word && self.text == text
    }
}

/// A comment, the line it ends on, and the index of the token that follows it.
#[derive(Clone, Debug)]
pub(super) struct Comment {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) before: usize,
}

/// A file taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) comments: Vec<Comment>,
}

/// Takes `source` apart. Never fails: text that is no Rust becomes some tokens.
pub(super) fn lex(source: &str) -> Lexed {
    let mut lexer = Lexer {
        rest: source.chars().collect(),
        at: 0,
        line: 1,
        out: Lexed::default(),
    };
    while let Some(next) = lexer.peek(0) {
        lexer.step(next);
    }
    lexer.out
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
    out: Lexed,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.out.tokens.push(Token { kind, text, line });
    }

    fn step(&mut self, next: char) {
        match (next, self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            _ if next == '_' || next.is_alphanumeric() => self.word(),
            _ if next.is_whitespace() => {
                self.bump();
            }
            (':', Some(':')) => {
                let line = self.line;
                self.at += 2;
                self.push(Kind::Mark, String::from("::"), line);
            }
            _ => {
                let line = self.line;
                self.bump();
                self.push(Kind::Mark, String::from(next), line);
            }
        }
    }

    fn comment(&mut self, text: String) {
        let (line, before) = (self.line, self.out.tokens.len());
        self.out.comments.push(Comment { text, line, before });
    }

    fn line_comment(&mut self) {
        let mut text = String::new();
        while let Some(next) = self.peek(0).filter(|next| *next != '\n') {
            text.push(next);
            self.bump();
        }
        self.comment(text);
    }

    fn block_comment(&mut self) {
        let mut text = String::new();
        let mut depth = 0_usize;
        while let Some(next) = self.bump() {
            text.push(next);
            match (next, self.peek(0)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => continue,
            }
            text.extend(self.bump());
            if depth == 0 {
                break;
            }
        }
        self.comment(text);
    }

    fn string(&mut self) {
        let line = self.line;
        self.bump();
        let mut text = String::new();
        while let Some(next) = self.bump() {
            match next {
                '"' => break,
                '\\' => text.extend(self.bump()),
                _ => text.push(next),
            }
        }
        self.push(Kind::Text, text, line);
    }

    /// `r`, `br` or `cr` was read; `hashes` of `#` follow, then the quote.
    fn raw_string(&mut self, hashes: usize) {
        let line = self.line;
        for _ in 0..=hashes {
            self.bump();
        }
        let mut text = String::new();
        while let Some(next) = self.bump() {
            if next == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                break;
            }
            text.push(next);
        }
        self.push(Kind::Text, text, line);
    }

    /// A character literal is skipped; a lifetime becomes a mark, so that it never reads as a path.
    fn quote(&mut self) {
        let line = self.line;
        self.bump();
        if self.peek(0) == Some('\\') {
            self.bump();
            self.bump();
            while self.bump().is_some_and(|next| next != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.bump();
        } else {
            while self
                .peek(0)
                .is_some_and(|next| next == '_' || next.is_alphanumeric())
            {
                self.bump();
            }
            self.push(Kind::Mark, String::from("'"), line);
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while let Some(next) = self
            .peek(0)
            .filter(|next| *next == '_' || next.is_alphanumeric())
        {
            text.push(next);
            self.bump();
        }
        let hashes = (0..)
            .take_while(|ahead| self.peek(*ahead) == Some('#'))
            .count();
        let quoted = self.peek(hashes) == Some('"');
        match text.as_str() {
            "r" | "br" | "cr" if quoted => self.raw_string(hashes),
            "b" | "c" if hashes == 0 && quoted => self.string(),
            "b" if self.peek(0) == Some('\'') => self.quote(),
            // A raw identifier: `r#type` names `type`.
            "r" if hashes == 1 => {
                self.bump();
                self.word();
            }
            _ => self.push(Kind::Word, text, line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let tokens = lex(source).tokens.into_iter();
        tokens
            .filter(|token| token.kind == Kind::Word)
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn comments_and_strings_hold_no_code() {
        let source =
            "a /* b /* c */ d */ \"e \\\" f\" r#\"g \" h\"# // i\n j b\"k\" br##\"l\"# m\"##";
        assert_eq!(words(source), ["a", "j"]);
    }

    #[test]
    fn lifetimes_and_character_literals_are_told_apart() {
        assert_eq!(
            words(r"fn f<'a>(x: &'a u8) { '\'' 'x' '{' b'\\' g }"),
            ["fn", "f", "x", "u8", "g"]
        );
    }

    #[test]
    fn raw_identifiers_lose_their_prefix() {
        assert_eq!(words("r#type r#\"no\"#"), ["type"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let lexed = lex("/* \n */ \"\n\" x");
        assert_eq!(lexed.tokens.last().map(|token| token.line), Some(3));
    }

    #[test]
    fn unfinished_text_ends_quietly() {
        for source in ["\"abc", "/* abc", "r#\"abc", "'", "'\\", "r#", "b'"] {
            lex(source);
        }
    }
}
