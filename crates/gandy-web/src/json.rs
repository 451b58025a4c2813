//! A job's JSON as people read it: the bytes as they are, numbers exact, cut where it is long, without what is hidden.
//!
//! By hand and not by a parser of values: those round large integers and recurse on nesting, and payloads come from strangers.

use crate::redact::{HIDDEN, Hides};

/// What a piece of JSON is, as the style sheet calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Punct,
    Name,
    Text,
    Atom,
    Hidden,
}

impl Kind {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Punct => "j-p",
            Self::Name => "j-n",
            Self::Text => "j-s",
            Self::Atom => "j-a",
            Self::Hidden => "j-h",
        }
    }
}

/// A piece and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// JSON to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) pieces: Vec<Piece>,
    /// There is more.
    pub(crate) cut: bool,
    /// Something is left out.
    pub(crate) redacted: bool,
}

impl Shown {
    pub(crate) fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| piece.text.as_str())
            .collect()
    }
}

/// Where arguments stand in what is shown, so that positions can be hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The array of arguments alone.
    Args,
    /// A whole payload, with the arguments under `args`.
    Payload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open(char),
    Close(char),
    Comma,
    Colon,
    Text(&'a str),
    Atom(&'a str),
}

/// Splits JSON. What is no JSON comes out as atoms: nothing is lost and nothing panics.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        let (token, length) = match first {
            '{' | '[' => (Token::Open(first), 1),
            '}' | ']' => (Token::Close(first), 1),
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '"' => {
                let end = end_of_text(self.rest);
                (Token::Text(&self.rest[..end]), end)
            }
            _ => {
                let ends = |char: char| char.is_whitespace() || "{}[],:\"".contains(char);
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                let end = end.max(first.len_utf8());
                (Token::Atom(&self.rest[..end]), end)
            }
        };
        self.rest = &self.rest[length..];
        Some(token)
    }
}

fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Which arguments an array holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Args {
    #[default]
    None,
    Outer,
    /// Those that ActiveJob keeps within its one argument.
    Inner,
}

/// A level of nesting.
#[derive(Debug, Clone, Copy)]
struct Level {
    object: bool,
    /// Elements before the present one.
    index: usize,
    /// Whether it is an array of arguments, whose positions rules name.
    args: Args,
    empty: bool,
}

/// Writes JSON for people.
struct Printer<'h> {
    shown: Shown,
    levels: Vec<Level>,
    hides: &'h Hides<'h>,
    what: What,
    indent: bool,
    left: usize,
    /// The value that comes is hidden.
    hide_next: bool,
    /// While a hidden value is passed over: how deep it is.
    skipping: Option<usize>,
    depth: usize,
    args_next: Args,
    expects_name: bool,
}

/// On one line, `most` bytes of it: `[42, "hello"]`.
pub(crate) fn line(json: &str, hides: &Hides<'_>, what: What, most: usize) -> Shown {
    print(json, hides, what, false, most)
}

/// Over many lines, two spaces deeper for each level.
pub(crate) fn pretty(json: &str, hides: &Hides<'_>, what: What, most: usize) -> Shown {
    print(json, hides, what, true, most)
}

/// Bytes that are no job, as they are; where a rule hides something of them, what is left of them by these lights.
pub(crate) fn raw(bytes: &[u8], hides: &Hides<'_>, most: usize) -> Shown {
    let text = String::from_utf8_lossy(bytes);
    let hidden = || Shown {
        pieces: vec![Piece {
            kind: Kind::Hidden,
            text: HIDDEN.to_owned(),
        }],
        cut: false,
        redacted: true,
    };
    if hides.all {
        return hidden();
    }
    // What is no JSON may be anything, such as Ruby's or YAML: by names alone nobody knows where a value ends.
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    if !is_json && hides.mentions(&text) {
        return hidden();
    }
    let shown = print(&text, hides, What::Payload, false, most);
    if shown.redacted {
        return shown;
    }
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Shown {
        pieces: vec![Piece {
            kind: Kind::Text,
            text: text[..end].to_owned(),
        }],
        cut: end < text.len(),
        redacted: false,
    }
}

/// Without white space between its parts.
pub(crate) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for token in (Tokens { rest: json }) {
        match token {
            Token::Open(char) | Token::Close(char) => out.push(char),
            Token::Comma => out.push(','),
            Token::Colon => out.push(':'),
            Token::Text(text) | Token::Atom(text) => out.push_str(text),
        }
    }
    out
}

/// Whole and as JSON again, for programs.
pub(crate) fn redacted(payload: &str, hides: &Hides<'_>) -> String {
    let shown = print(payload, hides, What::Payload, false, usize::MAX);
    let pieces = shown.pieces.iter();
    pieces
        .map(|piece| match piece.kind {
            Kind::Hidden => format!("\"{HIDDEN}\""),
            _ => piece.text.clone(),
        })
        .collect()
}

fn print(json: &str, hides: &Hides<'_>, what: What, indent: bool, most: usize) -> Shown {
    let mut printer = Printer {
        shown: Shown::default(),
        levels: Vec::new(),
        hides,
        what,
        indent,
        left: most,
        hide_next: false,
        skipping: None,
        depth: 0,
        args_next: match what {
            What::Args => Args::Outer,
            What::Payload => Args::None,
        },
        expects_name: false,
    };
    for token in (Tokens { rest: json }) {
        if printer.shown.cut {
            break;
        }
        printer.token(token);
    }
    if printer.shown.cut {
        printer.shown.pieces.push(Piece {
            kind: Kind::Punct,
            text: "…".to_owned(),
        });
    }
    printer.shown
}

impl Printer<'_> {
    fn put(&mut self, kind: Kind, text: &str) {
        if self.shown.cut {
            return;
        }
        let mut end = text.len().min(self.left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.shown.cut = end < text.len();
        self.left -= end;
        match self.shown.pieces.last_mut() {
            Some(last) if last.kind == kind => last.text.push_str(&text[..end]),
            _ => self.shown.pieces.push(Piece {
                kind,
                text: text[..end].to_owned(),
            }),
        }
    }

    fn break_line(&mut self) {
        if self.indent {
            // What is nested deeper than anybody can read is not indented further.
            let spaces = " ".repeat(2 * self.levels.len().min(40));
            self.put(Kind::Punct, &format!("\n{spaces}"));
        }
    }

    fn token(&mut self, token: Token<'_>) {
        if self.skip(token) {
            return;
        }
        match token {
            Token::Open(char) => self.open(char),
            Token::Close(char) => self.close(char),
            Token::Comma => self.comma(),
            Token::Colon => self.put(Kind::Punct, ": "),
            Token::Text(text) if self.expects_name => self.name(text),
            Token::Text(text) => self.value(Kind::Text, text),
            Token::Atom(text) => self.value(Kind::Atom, text),
        }
    }

    /// Passes over a value that is hidden.
    fn skip(&mut self, token: Token<'_>) -> bool {
        match (&mut self.skipping, token) {
            (Some(_), Token::Open(_)) => self.depth += 1,
            (Some(_), Token::Close(_)) if self.depth > 1 => self.depth -= 1,
            (Some(_), Token::Close(_)) => self.skipping = None,
            (Some(_), _) => {}
            (None, _) => return false,
        }
        true
    }

    /// Whether the value that begins now is shown; if not, that is noted.
    fn begins_hidden(&mut self) -> bool {
        let by_position = self.levels.last().is_some_and(|level| match level.args {
            Args::None => false,
            Args::Outer => self.hides.position(level.index),
            Args::Inner => self.hides.inner(level.index),
        });
        let hidden = std::mem::take(&mut self.hide_next) || by_position;
        self.begin();
        if hidden {
            self.shown.redacted = true;
            self.put(Kind::Hidden, HIDDEN);
        }
        hidden
    }

    /// An element of an array stands on a line of its own; a member's line began with its name.
    fn begin(&mut self) {
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        level.empty = false;
        if !level.object {
            self.break_line();
        }
    }

    fn value(&mut self, kind: Kind, text: &str) {
        // JSON or YAML within a text: what it hides cannot be taken out, so nothing of it is shown.
        self.hide_next |= kind == Kind::Text && self.hides.within(text);
        if !self.begins_hidden() {
            self.put(kind, text);
        }
        self.args_next = Args::None;
    }

    fn name(&mut self, text: &str) {
        self.expects_name = false;
        if let Some(level) = self.levels.last_mut() {
            level.empty = false;
        }
        self.break_line();
        self.put(Kind::Name, text);
        let decoded: String = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
        let top = self.levels.len() == 1 && self.what == What::Payload;
        let parent = self
            .levels
            .len()
            .checked_sub(2)
            .map(|at| self.levels[at].args);
        self.args_next = match &*decoded {
            "args" if top => Args::Outer,
            "arguments" if self.hides.wrapped && parent == Some(Args::Outer) => Args::Inner,
            _ => Args::None,
        };
        self.hide_next = match top {
            true => self.hides.field(&decoded),
            false => self.hides.name(&decoded),
        };
    }

    fn open(&mut self, char: char) {
        let args = std::mem::take(&mut self.args_next);
        if self.begins_hidden() {
            self.skipping = Some(self.levels.len());
            self.depth = 1;
            return;
        }
        self.put(Kind::Punct, char.encode_utf8(&mut [0; 4]));
        let object = char == '{';
        self.levels.push(Level {
            object,
            index: 0,
            args: if object { Args::None } else { args },
            empty: true,
        });
        self.expects_name = object;
    }

    fn close(&mut self, char: char) {
        let level = self.levels.pop();
        if level.is_some_and(|level| !level.empty) {
            self.break_line();
        }
        self.put(Kind::Punct, char.encode_utf8(&mut [0; 4]));
        self.expects_name = false;
    }

    fn comma(&mut self) {
        self.put(Kind::Punct, if self.indent { "," } else { ", " });
        if let Some(level) = self.levels.last_mut() {
            level.index += 1;
            self.expects_name = level.object;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::redact::Redaction;

    fn shown(json: &str, what: What, indent: bool, rules: &[&str]) -> Shown {
        let mut redaction = Redaction::none();
        for rule in rules {
            redaction = redaction.rule(rule).unwrap();
        }
        print(json, &redaction.of("A", "A"), what, indent, 10_000)
    }

    #[test]
    fn numbers_and_texts_keep_their_bytes() {
        let json = r#"[ 9007199254740993,1.10 ,"a\u0041,\"]",{"b":[ ]},null]"#;
        assert_eq!(
            shown(json, What::Args, false, &[]).text(),
            r#"[9007199254740993, 1.10, "a\u0041,\"]", {"b": []}, null]"#
        );
        assert_eq!(
            shown(r#"{"a":[1,{}],"b":"x"}"#, What::Payload, true, &[]).text(),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": \"x\"\n}"
        );
    }

    #[test]
    fn it_is_compact_without_a_byte_of_a_value_changed() {
        let json = "[ 1.10 ,\n {\"a b\" : \" x \"} , [ ] ]";
        assert_eq!(compact(json), "[1.10,{\"a b\":\" x \"},[]]");
    }

    #[test]
    fn what_a_rule_names_is_not_shown_at_any_depth() {
        let args = shown(
            r#"[1,{"x":{"Pass":[1,{"y":2}]},"z":3},[4]]"#,
            What::Args,
            false,
            &["A:2", "*:pass"],
        );
        assert_eq!(
            args.text(),
            r#"[1, {"x": {"Pass": [redacted]}, "z": 3}, [redacted]]"#
        );
        assert!(args.redacted);
        let payload = r#"{"class":"A","pass":"x","args":[7,{"pass":8}],"jid":"j"}"#;
        let payload = shown(payload, What::Payload, false, &["A:0", "*:pass"]);
        assert_eq!(
            payload.text(),
            r#"{"class": "A", "pass": [redacted], "args": [[redacted], {"pass": [redacted]}], "jid": "j"}"#
        );
        let all = shown(r#"{"args":[1,"two"]}"#, What::Payload, false, &["A:args"]);
        assert_eq!(all.text(), r#"{"args": [[redacted], [redacted]]}"#);
        assert!(shown(r#"[{"p\u0061ss":1}]"#, What::Args, false, &["*:pass"]).redacted);
    }

    #[test]
    fn what_activejob_wraps_is_hidden_by_its_own_positions() {
        let redaction = Redaction::none().rule("Mailer:1").unwrap();
        let hides = redaction.of("Wrapper", "Mailer");
        let args =
            r#"[{"job_class":"Mailer","arguments":["a",["b"],"c"],"x":{"arguments":[1,2]}}]"#;
        assert_eq!(
            print(args, &hides, What::Args, false, 1_000).text(),
            r#"[{"job_class": "Mailer", "arguments": ["a", [redacted], "c"], "x": {"arguments": [1, 2]}}]"#
        );
    }

    #[test]
    fn bytes_that_are_no_job_keep_their_secrets() {
        let redaction = Redaction::default();
        let hides = redaction.of_bytes();
        for bytes in [
            &br#"{"class":"Bill","args":{"password":"CANARY"}}"#[..],
            br#"{"class":"Bill","args":[{"api_token":"CANARY"#,
            b"\xff{\"secret\": \"CANARY\"",
            br#""{\"class\":\"Bill\",\"args\":[{\"password\":\"CANARY\"}]}""#,
            br#"{"a":1 "password":"CANARY"}"#,
            b"{:password=>\"CANARY\"}",
            b"---\npassword: CANARY\n",
        ] {
            let shown = raw(bytes, &hides, 1_000);
            assert!(
                shown.redacted && !shown.text().contains("CANARY"),
                "{}",
                shown.text()
            );
        }
        let plain = raw(b" { no job", &hides, 1_000);
        assert_eq!(
            (plain.text(), plain.redacted),
            (" { no job".to_owned(), false)
        );
        let strict = Redaction::none().rule("A:0").unwrap();
        assert_eq!(raw(b"[1]", &strict.of_bytes(), 9).text(), HIDDEN);
    }

    #[test]
    fn it_is_cut_and_what_is_no_json_does_no_harm() {
        let long = print(
            "[\"äöü\"]",
            &Redaction::none().of("A", "A"),
            What::Args,
            false,
            5,
        );
        assert_eq!((long.text(), long.cut), ("[\"ä…".to_owned(), true));
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(shown(&deep, What::Args, true, &[]).cut);
        for nonsense in [
            "", "}", "]]]", "{\"", "\"\\", "a:b,,", "{1:2}", "[}", "\u{0}",
        ] {
            shown(nonsense, What::Payload, true, &["A:0"]);
        }
    }
}
