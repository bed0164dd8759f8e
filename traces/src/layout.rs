//! Laying out JSON for people: what fits on a line stands on one line.

use crate::json::{Json, Node, parse};

/// The longest line that is made where a break is possible, in characters.
const LINE_LENGTH_MAX: usize = 100;

/// How much deeper an inner line begins.
const INDENT: usize = 2;

/// A value as JSON without any space.
pub(crate) fn one_line<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our documents have nothing but strings as keys")
}

/// Lays out a JSON text, which ends with a line end then. A text that is no JSON (or beyond the
/// limits of documents) stays as it is.
pub(crate) fn lay_out(text: &str) -> String {
    let Ok(node) = parse(text) else { return text.to_owned() };
    let mut layout = Layout { text, out: String::new() };
    layout.document(&node);
    layout.out.push('\n');
    layout.out
}

struct Layout<'t> {
    text: &'t str,
    out: String,
}

impl<'t> Layout<'t> {
    /// The outermost object stands on several lines, however short.
    fn document(&mut self, node: &Node<'_>) {
        match &node.value {
            Json::Object(members) if !members.is_empty() => self.broken(node, 0),
            _ => self.node(node, 0, 0),
        }
    }

    /// Writes a node that begins at a column and is followed by at most a comma.
    fn node(&mut self, node: &Node<'_>, indent: usize, column: usize) {
        let mut flat = String::new();
        let room = LINE_LENGTH_MAX.saturating_sub(column + 1);
        if self.flat(node, &mut flat, room) {
            self.out.push_str(&flat);
        } else {
            self.broken(node, indent);
        }
    }

    fn broken(&mut self, node: &Node<'_>, indent: usize) {
        let inner = indent + INDENT;
        let mut separator = "";
        match &node.value {
            Json::List(items) => {
                self.out.push('[');
                for item in items {
                    self.line(separator, inner);
                    self.node(item, inner, inner);
                    separator = ",";
                }
                self.line("", indent);
                self.out.push(']');
            }
            Json::Object(members) => {
                self.out.push('{');
                for member in members {
                    self.line(separator, inner);
                    let key = self.source(member.key_span);
                    self.out.push_str(key);
                    self.out.push_str(": ");
                    self.node(&member.value, inner, inner + key.chars().count() + 2);
                    separator = ",";
                }
                self.line("", indent);
                self.out.push('}');
            }
            _ => self.out.push_str(self.source(node.span)),
        }
    }

    fn line(&mut self, separator: &str, indent: usize) {
        self.out.push_str(separator);
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    /// Writes a node on one line; false when it has no room. What cannot be broken has.
    fn flat(&self, node: &Node<'_>, out: &mut String, room: usize) -> bool {
        let mut separator = "";
        match &node.value {
            Json::List(items) => {
                out.push('[');
                for item in items {
                    out.push_str(separator);
                    if !self.flat(item, out, room) {
                        return false;
                    }
                    separator = ", ";
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for member in members {
                    out.push_str(separator);
                    out.push_str(self.source(member.key_span));
                    out.push_str(": ");
                    if !self.flat(&member.value, out, room) {
                        return false;
                    }
                    separator = ", ";
                }
                out.push('}');
            }
            _ => out.push_str(self.source(node.span)),
        }
        out.chars().count() <= room
    }

    fn source(&self, span: crate::error::Span) -> &'t str {
        &self.text[span.start as usize..span.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stands_on_one_line() {
        let long = "x".repeat(60);
        let text = format!(r#"{{"a":[1,{{"b":"{long}"}},["{long}"]],"c":{{}},"d":[]}}"#);
        let expected = format!(
            "{{\n  \"a\": [\n    1,\n    {{\"b\": \"{long}\"}},\n    [\"{long}\"]\n  ],\n  \"c\": {{}},\n  \"d\": []\n}}\n"
        );
        assert_eq!(lay_out(&text), expected);
    }
}
