//! A JSON text as a tree in which every key and value knows its place.
//!
//! Strict RFC 8259 in one linear pass, with bounded depth and a bounded number of values.
//! Duplicate keys are refused.

mod parser;

use crate::error::{Fault, Span};
use parser::Parser;
use std::borrow::Cow;

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) value: Json<'t>,
}

/// A JSON value. A number is kept as it is written.
#[derive(Debug)]
pub(crate) enum Json<'t> {
    Null,
    Bool(bool),
    Number(&'t str),
    String(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Object(Vec<Member<'t>>),
}

/// A key of an object with its value.
#[derive(Debug)]
pub(crate) struct Member<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node<'t>,
}

/// Parses a text that is one JSON value.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Fault> {
    let mut parser = Parser::new(text)?;
    let node = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.fault("the document ends here, but more text follows"));
    }
    Ok(node)
}

/// Parses the first JSON value of a text and leaves the rest unread.
pub(crate) fn parse_first(text: &str) -> Result<Node<'_>, Fault> {
    Parser::new(text)?.value(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::VALUE_COUNT_MAX;

    fn message(text: &str) -> String {
        parse(text).map(|_| ()).unwrap_err().locate(text, None, 1).to_string()
    }

    #[test]
    fn accepts_and_refuses_what_serde_json_does() {
        let texts = [
            "0",
            "-0",
            "01",
            "-",
            "1.",
            "1.5",
            "1e5",
            "1E+",
            "1e-2",
            ".5",
            "+1",
            "0x10",
            "tru",
            "true",
            "nulll",
            "[]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "\"\\u0041\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ude00\"",
            "\"\\x\"",
            "\"a",
            "\"a\nb\"",
            "\"\t\"",
            "\"\\n\"",
            "[",
            "{",
            "]",
            " 1 ",
            "1 1",
            "",
            "\"\\",
            "\"\\u12",
            "\"\\u00e4\\\\\"",
            "\u{a0}1",
            "{\"a\":{\"b\":[null,false]}}",
            "'a'",
            "/**/1",
            "NaN",
        ];
        for text in texts {
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            assert_eq!(parse(text).is_ok(), theirs.is_ok(), "{text}");
        }
    }

    #[test]
    fn strings_are_unescaped_as_serde_json_does() {
        let text = "\"a\\u00e4\\ud83d\\ude00\\\\\\/\\\"\\b\\f\\n\\r\\tz\"";
        let Json::String(ours) = parse(text).unwrap().value else { panic!("a string") };
        assert_eq!(ours, serde_json::from_str::<String>(text).unwrap());
    }

    #[test]
    fn duplicate_keys_are_refused_in_small_and_large_objects() {
        assert_eq!(message(r#"{"a":1,"a":2}"#), "line 1, column 8: \"a\" is given twice");
        let keys: Vec<_> = (0..100).map(|key| format!("\"k{key}\":0")).collect();
        let large = format!("{{{},\"k7\":1}}", keys.join(","));
        assert!(message(&large).ends_with("\"k7\" is given twice"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(10_000);
        assert_eq!(message(&deep), "line 1, column 130: nested more than 128 deep");
        let allowed = format!("{}{}", "[".repeat(129), "]".repeat(129));
        assert!(parse(&allowed).is_ok());
    }

    #[test]
    fn too_many_values_are_refused() {
        let many = format!("[{}0]", "0,".repeat(VALUE_COUNT_MAX));
        assert!(message(&many).ends_with("more than 1000000 values"));
    }

    #[test]
    fn a_text_that_ends_early_says_so() {
        assert_eq!(
            message("{\"a\":\n[1"),
            "line 2, column 3: the text ends inside a list; expected \",\" or \"]\""
        );
    }
}
