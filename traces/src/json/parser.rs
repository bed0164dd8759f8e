//! The parser: one pass, strict, with bounded depth.

use super::{Json, Member, Node};
use crate::error::{Fault, Span, quoted};
use crate::limits::{NESTING_MAX, VALUE_COUNT_MAX};
use std::borrow::Cow;
use std::collections::HashSet;

/// Objects with more members than this look duplicate keys up in a hash set.
const LINEAR_SEARCH_MAX: usize = 16;

/// Where the parser is in a text.
pub(super) struct Parser<'t> {
    text: &'t str,
    pub(super) at: usize,
    value_count: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self, Fault> {
        let mut parser = Parser { text, at: 0, value_count: 0 };
        if text.starts_with('\u{feff}') {
            return Err(Fault::new(Span::new(0, 3), "the text begins with a byte order mark")
                .with_help(Some("save it as UTF-8 without one".to_owned())));
        }
        parser.space();
        if parser.at == text.len() {
            return Err(parser.fault("the document is empty"));
        }
        Ok(parser)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// A fault at the character that is read next.
    pub(super) fn fault(&self, message: &str) -> Fault {
        let length = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        Fault::new(Span::new(self.at, self.at + length), message)
    }

    /// A fault that says what was expected, or that the text ends.
    fn expected(&self, what: &str, inside: &str) -> Fault {
        match self.text[self.at..].chars().next() {
            None => self.fault(&format!("the text ends inside {inside}; expected {what}")),
            Some(_) => self.fault(&format!("expected {what}")),
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Result<Node<'t>, Fault> {
        self.value_count += 1;
        if self.value_count > VALUE_COUNT_MAX {
            return Err(self.fault(&format!("more than {VALUE_COUNT_MAX} values")));
        }
        if depth > NESTING_MAX {
            return Err(self.fault(&format!("nested more than {NESTING_MAX} deep")));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(byte) if byte.is_ascii_alphabetic() => self.word()?,
            Some(b'/') => {
                let help = Some("JSON has no comments".to_owned());
                return Err(self.fault("expected a value").with_help(help));
            }
            _ => return Err(self.expected("a value", "the document")),
        };
        Ok(Node { span: Span::new(start, self.at), value })
    }

    fn word(&mut self) -> Result<Json<'t>, Fault> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..length.unwrap_or(rest.len())];
        let value = match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => {
                let span = Span::new(self.at, self.at + word.len());
                let help = match word.to_ascii_lowercase().as_str() {
                    lower @ ("true" | "false" | "null") => format!("write {lower}"),
                    _ => "a string needs quotation marks".to_owned(),
                };
                return Err(Fault::new(span, "expected a value").with_help(Some(help)));
            }
        };
        self.at += word.len();
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.expected("a digit", "a number"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Json<'t>, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let first = self.at;
        self.digits()?;
        if leading_zero && self.at > first + 1 {
            let span = Span::new(start, self.at);
            return Err(Fault::new(span, "a number may not begin with 0"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'x' | b'X')) && self.at == first + 1 {
            return Err(self.fault("JSON has no hexadecimal numbers"));
        }
        Ok(Json::Number(&self.text[start..self.at]))
    }

    /// A string: borrowed from the text unless it has escapes.
    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        let open = self.at;
        self.at += 1;
        let mut from = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            match self.peek() {
                None | Some(b'\n' | b'\r') => {
                    return Err(Fault::new(Span::new(open, self.at), "this string is not closed"));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    let piece = &self.text[from..self.at];
                    let escaped = self.escape()?;
                    let unescaped = unescaped.get_or_insert_default();
                    unescaped.push_str(piece);
                    unescaped.push(escaped);
                    from = self.at;
                }
                Some(0..=0x1f) => return Err(self.fault("a control character in a string")),
                Some(_) => self.at += 1,
            }
        }
        let piece = &self.text[from..self.at];
        self.at += 1;
        Ok(match unescaped {
            None => Cow::Borrowed(piece),
            Some(unescaped) => Cow::Owned(unescaped + piece),
        })
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            None => return Err(self.expected("an escape", "a string")),
            Some(_) => return Err(self.fault("unknown escape")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let first = self.hex4()?;
        let is_high = (0xD800..0xDC00).contains(&first);
        let mut code = Some(first);
        if is_high && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 1;
            let low = self.hex4()?;
            let is_low = (0xDC00..0xE000).contains(&low);
            code = is_low.then(|| 0x10000 + ((first & 0x3FF) << 10) + (low & 0x3FF));
        }
        let half = || Fault::new(Span::new(start, self.at), "half of a surrogate pair");
        code.and_then(char::from_u32).ok_or_else(half)
    }

    /// Four hexadecimal digits behind the `u` of an escape.
    fn hex4(&mut self) -> Result<u32, Fault> {
        self.at += 1;
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else {
            return Err(self.expected("four hexadecimal digits", "a string"));
        };
        let code = digits
            .iter()
            .fold(0, |code, digit| code * 16 + char::from(*digit).to_digit(16).unwrap_or_default());
        self.at += 4;
        Ok(code)
    }

    fn list(&mut self, depth: usize) -> Result<Json<'t>, Fault> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::List(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1)?);
            if !self.more(b']', "\",\" or \"]\"", "a list")? {
                return Ok(Json::List(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json<'t>, Fault> {
        let mut members = Vec::new();
        let mut keys = Keys::default();
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            let member = self.member(depth)?;
            if keys.has(&members, &member.key) {
                let message = format!("{} is given twice", quoted(&member.key));
                return Err(Fault::new(member.key_span, message));
            }
            members.push(member);
            if !self.more(b'}', "\",\" or \"}\"", "an object")? {
                return Ok(Json::Object(members));
            }
        }
    }

    fn member(&mut self, depth: usize) -> Result<Member<'t>, Fault> {
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a field name in quotation marks", "an object"));
        }
        let start = self.at;
        let key = self.string()?;
        let key_span = Span::new(start, self.at);
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("\":\"", "an object"));
        }
        self.at += 1;
        self.space();
        Ok(Member { key, key_span, value: self.value(depth + 1)? })
    }

    /// Behind an item: whether another one follows.
    fn more(&mut self, close: u8, what: &str, inside: &str) -> Result<bool, Fault> {
        self.space();
        let next = self.peek();
        if next == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if next != Some(b',') {
            return Err(self.expected(what, inside));
        }
        let comma = Span::new(self.at, self.at + 1);
        self.at += 1;
        self.space();
        if self.peek() == Some(close) {
            return Err(Fault::new(comma, "a comma behind the last item"));
        }
        Ok(true)
    }
}

/// The keys of an object that have been seen.
#[derive(Default)]
struct Keys {
    seen: HashSet<String>,
}

impl Keys {
    fn has(&mut self, members: &[Member<'_>], key: &str) -> bool {
        if members.len() < LINEAR_SEARCH_MAX {
            return members.iter().any(|member| member.key == key);
        }
        if self.seen.is_empty() {
            self.seen.extend(members.iter().map(|member| member.key.to_string()));
        }
        !self.seen.insert(key.to_owned())
    }
}
