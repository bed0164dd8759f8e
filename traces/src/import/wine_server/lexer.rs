//! The lines of a Wine server log.
//!
//! `0024: select( flags=2, … )` is a call of thread 24, `0024: select() = PENDING { … }` its
//! answer, `0024: *wakeup* signaled=0` something that happened to it. Lines of other programs
//! may stand between them.

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A call: its name and its arguments.
    Call { thread: u32, name: &'a str, fields: Fields<'a> },
    /// The answer to one: its status and what else it says.
    Return { thread: u32, name: &'a str, status: &'a str, fields: Fields<'a> },
    /// Something that the server did, named between asterisks. Of some, the number is a process.
    Note { id: u32, name: &'a str, text: &'a str },
    /// A line that begins like one of the server's and does not go on so.
    Broken,
    /// Not the server's.
    Foreign,
}

impl<'a> Line<'a> {
    /// Reads a line without its end.
    pub(super) fn read(text: &'a str) -> Self {
        let Some((id, rest)) = text.split_once(": ") else { return Line::Foreign };
        // Other parts of Wine write `0024:err:…`.
        if !(4..=8).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Line::Foreign;
        }
        let Ok(id) = u32::from_str_radix(id, 16) else { return Line::Foreign };
        if let Some((name, text)) = rest.strip_prefix('*').and_then(|note| note.split_once('*')) {
            return Line::Note { id, name, text: text.trim() };
        }
        Self::call_or_return(id, rest).unwrap_or(Line::Broken)
    }

    fn call_or_return(thread: u32, text: &'a str) -> Option<Self> {
        let (name, rest) = text.split_once('(')?;
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        let Some(answer) = rest.strip_prefix(") = ") else {
            let fields = Fields::read(rest.strip_suffix(')')?)?;
            return Some(Line::Call { thread, name, fields });
        };
        let (status, fields) = match answer.split_once(" { ") {
            Some((status, fields)) => (status, fields.strip_suffix('}')?),
            None => (answer, ""),
        };
        let is_status = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if status.is_empty() || !status.bytes().all(is_status) {
            return None;
        }
        Some(Line::Return { thread, name, status, fields: Fields::read(fields)? })
    }
}

/// The fields of a call or an answer, or of a structure in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// Takes a text as fields if its brackets and quotation marks match.
    fn read(text: &'a str) -> Option<Self> {
        let mut scan = Scan::new(text);
        while scan.next_item().is_some() {}
        scan.is_whole().then_some(Fields(text))
    }

    /// The value of a field as it stands there.
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        let mut scan = Scan::new(self.0);
        while let Some(item) = scan.next_item() {
            if let Some((key, value)) = item.split_once('=')
                && key == name
            {
                return Some(value);
            }
        }
        None
    }

    /// A hexadecimal number.
    pub(super) fn hex(self, name: &str) -> Option<u64> {
        hexadecimal(self.get(name)?)
    }

    /// A hexadecimal number that a 32-bit field holds.
    pub(super) fn hex32(self, name: &str) -> Option<u32> {
        self.hex(name).and_then(|number| u32::try_from(number).ok())
    }

    /// A decimal number, where negative ones stand for large unsigned ones.
    pub(super) fn decimal(self, name: &str) -> Option<u32> {
        decimal(self.get(name)?)
    }

    /// The fields of a structure.
    pub(super) fn structure(self, name: &str) -> Option<Fields<'a>> {
        braced(self.get(name)?).map(Fields)
    }

    /// The items of a list, or of a structure whose first items have no names.
    pub(super) fn items(self, name: &str) -> Vec<&'a str> {
        let Some(list) = self.get(name).and_then(braced) else { return Vec::new() };
        let mut scan = Scan::new(list);
        std::iter::from_fn(|| scan.next_item()).collect()
    }

    /// The text between quotation marks, as the log escapes it.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.get(name)?.trim_start_matches('L').strip_prefix('"')?.strip_suffix('"')
    }

    /// Whether there is a field of this name.
    pub(super) fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

fn braced(value: &str) -> Option<&str> {
    value.strip_prefix('{')?.strip_suffix('}')
}

pub(super) fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

pub(super) fn decimal(text: &str) -> Option<u32> {
    let number = text.parse::<i64>().ok()?;
    // The log prints unsigned values as if they were signed.
    i32::try_from(number).map(i32::cast_unsigned).ok().or_else(|| u32::try_from(number).ok())
}

/// Finds the commas that separate items: those outside brackets and quotation marks.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    quoted: bool,
    failed: bool,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        Scan { text, at: 0, depth: 0, quoted: false, failed: false }
    }

    fn next_item(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'\\' if self.quoted => self.at += 1,
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'{' | b'(' => self.depth += 1,
                b'}' | b')' if self.depth == 0 => {
                    self.failed = true;
                    return None;
                }
                b'}' | b')' => self.depth -= 1,
                b',' if self.depth == 0 => {
                    let item = self.text[start..self.at].trim();
                    self.at += 1;
                    return Some(item);
                }
                _ => {}
            }
            self.at += 1;
        }
        // An escape at the end of the text.
        self.at = self.at.min(bytes.len());
        let item = self.text[start..].trim();
        (!item.is_empty()).then(|| {
            self.at = bytes.len();
            item
        })
    }

    fn is_whole(&self) -> bool {
        !self.failed && !self.quoted && self.depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_fields_and_structures() {
        let text = r#"0024: read( async={handle=0010,event=0014,apc=00000000}, pos=00000000, name=L"a, \"b)" )"#;
        let Line::Call { thread: 0x24, name: "read", fields } = Line::read(text) else {
            panic!("{:?}", Line::read(text));
        };
        let of_async = fields.structure("async").unwrap();
        assert_eq!((of_async.hex("handle"), of_async.hex("event")), (Some(0x10), Some(0x14)));
        assert_eq!(fields.hex("pos"), Some(0));
        assert_eq!(fields.text("name"), Some(r#"a, \"b)"#));
        assert!(!fields.has("handle"));
    }

    #[test]
    fn an_answer_has_a_status_and_lists() {
        let text = "002c: select() = PENDING { data={WAIT,handles={0004,0014}}, signaled=-5 }";
        let Line::Return { thread: 0x2c, name: "select", status: "PENDING", fields } =
            Line::read(text)
        else {
            panic!("{:?}", Line::read(text));
        };
        assert_eq!(fields.items("data"), ["WAIT", "handles={0004,0014}"]);
        assert_eq!(fields.structure("data").unwrap().items("handles"), ["0004", "0014"]);
        assert_eq!(fields.decimal("signaled"), Some(0xFFFF_FFFB));
        assert_eq!(
            Line::read("0024: close_handle() = 0"),
            Line::Return { thread: 0x24, name: "close_handle", status: "0", fields: Fields("") }
        );
    }

    #[test]
    fn notes_broken_and_foreign_lines_are_told_apart() {
        let note = Line::Note { id: 0x24, name: "wakeup", text: "signaled=258" };
        assert_eq!(Line::read("0024: *wakeup* signaled=258"), note);
        for broken in
            ["0024: select( flags=2, data={WAIT", "0024: sel", "0024: x() = a b", "0024: "]
        {
            assert_eq!(Line::read(broken), Line::Broken, "{broken}");
        }
        for foreign in ["", "wine: created", "0024:err:module: x", "00: x()", "é: y( )"] {
            assert_eq!(Line::read(foreign), Line::Foreign, "{foreign}");
        }
    }
}
