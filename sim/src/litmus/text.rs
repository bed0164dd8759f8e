//! The whole program, from its parts.

use super::names::{code_tables, comment, json_literal, literal};
use super::objects::{block_table, declarations, has_pipes, identifiers, life};
use super::routines::{prototypes, routines, thread_table, threads};
use super::steps::Steps;
use super::timing::Timing;
use super::uses::Uses;
use alertable_traces::scenario::{Object, Scenario, Start};
use std::fmt::Write;

const PRELUDE: &str = include_str!("harness/prelude.c");
const RECORD: &str = include_str!("harness/record.c");
const NATIVE: &str = include_str!("harness/native.c");
const OBJECTS: &str = include_str!("harness/objects.c");
const SPECIAL: &str = include_str!("harness/special.c");
const REQUESTS: &str = include_str!("harness/requests.c");
const PORTS: &str = include_str!("harness/ports.c");
const PIPES: &str = include_str!("harness/pipes.c");
const ALERTABLE_PIPES: &str = include_str!("harness/alertable_pipes.c");
const START: &str = include_str!("harness/start.c");
const END: &str = include_str!("harness/end.c");
const LATER: &str = include_str!("harness/later.c");
const REPORT: &str = include_str!("harness/report.c");
const MAIN: &str = include_str!("harness/main.c");

/// How many events of a thread are kept; a thread that has more does not end.
const EVENT_COUNT_MAX: u32 = 2_000;

/// How long requests may need to be over when their threads are, in real milliseconds.
const SETTLE_MS: u32 = 3;

/// The program for a scenario that has no obstacle.
#[allow(clippy::too_many_lines, reason = "it is the program from top to bottom")]
pub(super) fn program(scenario: &Scenario, timing: &Timing) -> String {
    let uses = Uses::of(scenario);
    let identifiers = identifiers(scenario, &uses);
    let mut steps = Steps {
        identifiers: &identifiers,
        uses: &uses,
        table: Vec::new(),
        buffers: String::new(),
        exits: Vec::new(),
        loop_count: 0,
    };
    let routines = routines(scenario, &uses, &mut steps);
    let threads = threads(scenario, &mut steps);
    let Steps { table, buffers, .. } = steps;
    let has_alertable_files = scenario
        .objects
        .values()
        .any(|object| matches!(object, Object::File { alertable: true, .. }));
    let needs_native = uses.native
        || has_alertable_files
        || uses.blocks.values().any(|is_overlapped| !is_overlapped);

    let mut text = head(scenario);
    text.push_str(&constants(scenario, &uses, timing));
    text.push_str(&scenario_text(scenario));
    let _ = write!(
        text,
        "enum start {{ NOW, SUSPENDED, LATER }};\n\n\
         /* `watch` is a handle of the program's own: steps can close the other one. */\n\
         static struct {{\n    const char *name;\n    LPTHREAD_START_ROUTINE entry;\n    \
         enum start start;\n    HANDLE handle, watch;\n    DWORD id;\n    \
         volatile LONG is_released;    /* it can take its first step */\n}} threads[] = {{\n{}}};\n\
         enum {{ {} }};\n\n",
        {
            // The entries are declared first.
            String::from("    /* THREADS */\n")
        },
        thread_numbers(scenario, &identifiers),
    );
    let table_text = thread_table(scenario, &identifiers);
    let mut entries = String::new();
    for name in scenario.threads.keys() {
        let _ =
            writeln!(entries, "static DWORD WINAPI run_{}(void *unused);", identifiers.of(name));
    }
    text = text.replace("    /* THREADS */\n", &table_text);
    text = text.replace("enum start { NOW,", &format!("{entries}\nenum start {{ NOW,"));
    text.push_str("/* The steps: the label of each, or -1, whether it can last for ever, and its call as traces have \
         it. */\n");
    text.push_str("static const struct { int label, can_block; const char *json; } steps[] = {\n");
    for row in &table {
        let _ = writeln!(text, "    {row},");
    }
    text.push_str("    { -1, 0, NULL }\n};\n\nstatic const char *const label_names[] = {\n");
    for label in &uses.labels {
        let _ = writeln!(text, "    {},", json_text(label));
    }
    text.push_str("    NULL\n};\n\n");
    let _ = writeln!(text, "/* Real milliseconds for a virtual one. */");
    let _ = writeln!(text, "static double scale = {:?};\n", timing.scale);
    text.push_str(PRELUDE);
    text.push('\n');
    text.push_str(RECORD);
    text.push('\n');
    if needs_native {
        text.push_str(NATIVE);
        text.push('\n');
    }
    text.push_str(OBJECTS);
    text.push('\n');
    for (part, is_needed) in [
        (SPECIAL, uses.special_apcs),
        (REQUESTS, uses.requests),
        (PORTS, uses.ports),
        (PIPES, has_pipes(scenario)),
        (ALERTABLE_PIPES, has_alertable_files),
        (START, true),
        (END, uses.stops_threads),
        (LATER, uses.created_later),
    ] {
        if is_needed {
            text.push_str(part);
            text.push('\n');
        }
    }
    text.push_str(&heading("The objects"));
    text.push_str(&declarations(scenario, &uses, &identifiers));
    text.push_str(&buffers);
    text.push('\n');
    text.push_str(&life(scenario, &uses, &identifiers));
    text.push('\n');
    text.push_str(&block_table(&uses, &identifiers));
    text.push('\n');
    text.push_str(&heading("The routines"));
    text.push_str(&prototypes(scenario, &uses, &identifiers));
    text.push('\n');
    text.push_str(&routines);
    text.push_str(&heading("The threads"));
    text.push_str(&threads);
    text.push_str("/* What the whole program needs. */\nstatic void prepare(void)\n{\n");
    if needs_native {
        text.push_str("    resolve_services();\n");
    }
    if uses.special_apcs {
        text.push_str("    resolve_special();\n");
    }
    if uses.stops_threads {
        text.push_str("    resolve_end();\n");
    }
    if scenario.machine.processors == Some(1) {
        text.push_str("    SetProcessAffinityMask(GetCurrentProcess(), 1);\n");
    }
    text.push_str("}\n\n");
    let (statuses, errors) = code_tables(&alertable_traces::scenario_to_json(scenario));
    text.push_str(&heading("Names"));
    text.push_str("struct name { DWORD value; const char *name; };\n\n");
    let _ = writeln!(
        text,
        "static const struct name status_names[] = {{\n{statuses}    {{ 0, NULL }}\n}};\n"
    );
    let _ = writeln!(
        text,
        "static const struct name error_names[] = {{\n{errors}    {{ 0, NULL }}\n}};\n"
    );
    text.push_str(REPORT);
    text.push('\n');
    text.push_str(MAIN);
    without_unused_functions(&text)
}

/// The text without the functions that nothing calls.
///
/// In the parts of the program a function begins in the first column with `static`, and ends
/// with a brace there; a comment that is right before it belongs to it.
fn without_unused_functions(text: &str) -> String {
    let mut paragraphs: Vec<&str> = text.split("\n\n").collect();
    loop {
        let code = without_comments(&paragraphs.join("\n\n"));
        let is_unused = |paragraph: &&str| {
            function_name(paragraph).is_some_and(|name| use_count(&code, name) == 1)
        };
        let Some(unused) = paragraphs.iter().position(is_unused) else {
            return paragraphs.join("\n\n");
        };
        // A blank line inside a function splits it.
        let is_end = |paragraph: &&str| paragraph.ends_with("\n}") || *paragraph == "}";
        let length = paragraphs[unused..].iter().position(is_end);
        paragraphs.drain(unused..=unused + length.unwrap_or(0));
    }
}

/// The name of the function whose definition begins in a paragraph.
fn function_name(paragraph: &str) -> Option<&str> {
    let head = paragraph.lines().find(|line| line.starts_with("static "))?;
    let is_definition = paragraph.contains("\n{\n");
    let (before, _) = head.split_once('(').filter(|_| is_definition)?;
    let name = before.rsplit([' ', '*']).next()?;
    (!before.contains('=') && !name.is_empty()).then_some(name)
}

/// How often a function is named where it is defined, called, or given to somebody. Fields,
/// variables and words of comments can have its name too.
fn use_count(code: &str, name: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let uses = code.match_indices(name).filter(|(at, _)| {
        let (before, after) = (&code[..*at], &code[at + name.len()..]);
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        let is_field = before.ends_with('.') || before.ends_with("->");
        let is_given = before.trim_end().ends_with(['(', ',', '{', '=', '&', '?', ':'])
            && after.starts_with([',', ')', '}', ';']);
        is_whole && !is_field && (after.starts_with('(') || is_given)
    });
    uses.count()
}

/// The code without its comments.
fn without_comments(code: &str) -> String {
    let mut text = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, comment)) = rest.split_once("/*") {
        text.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    text + rest
}

/// A text as a C literal that can stand inside a JSON string.
fn json_text(text: &str) -> String {
    json_literal(text)
}

fn heading(title: &str) -> String {
    let dashes = "-".repeat(88_usize.saturating_sub(title.len()));
    format!("/* ---- {title} {dashes} */\n\n")
}

fn head(scenario: &Scenario) -> String {
    let mut text = format!("/* {}\n", comment(&scenario.title));
    for line in scenario.doc.iter().flat_map(|doc| doc.lines()) {
        let _ = writeln!(text, " *\n * {}", comment(line));
    }
    text.push_str(
        " *\n * Runs this scenario on the system and prints what it saw, as one line of JSON.\n \
         * Made by `alertable litmus`.\n *\n \
         *     x86_64-w64-mingw32-gcc -O1 -o litmus.exe THIS.c\n \
         *     cl /O1 THIS.c user32.lib\n */\n\n",
    );
    text
}

fn constants(scenario: &Scenario, uses: &Uses, timing: &Timing) -> String {
    let now = scenario.threads.values().filter(|thread| thread.start == Start::Now).count();
    let settle = if uses.requests { SETTLE_MS } else { 0 };
    format!(
        "#ifndef _WIN32_WINNT\n#define _WIN32_WINNT 0x0602\n#endif\n#define WIN32_LEAN_AND_MEAN\n\
         #define _CRT_SECURE_NO_WARNINGS\n#include <windows.h>\n#include <stdio.h>\n\
         #include <stdlib.h>\n#include <string.h>\n\n\
         #define THREAD_COUNT {}\n\
         #define NOW_COUNT {now}      /* threads that run when the scenario begins */\n\
         #define LABEL_COUNT {}\n\
         #define ENTRY_MAX {}      /* packets that a call takes */\n\
         #define RECORD_MAX {EVENT_COUNT_MAX}   /* events of a thread; who has more goes on for ever */\n\
         #define LONGEST_MS {}     /* virtual: nothing happens for so long, and then something does */\n\
         #define SETTLE_MS {settle}      /* real: what threads leave behind takes so long */\n\n",
        scenario.threads.len(),
        uses.labels.len(),
        uses.entry_count_max,
        timing.longest_ms,
    )
}

/// The scenario itself, in pieces that C compilers accept.
fn scenario_text(scenario: &Scenario) -> String {
    let mut text = format!("static const char title[] = {};\n\n", json_text(&scenario.title));
    text.push_str("/* The scenario, for the head of a trace. */\n");
    text.push_str("static const char *const scenario[] = {\n");
    let document = alertable_traces::scenario_to_json(scenario);
    for line in document.lines() {
        // Spaces between the parts of a line of JSON mean nothing.
        for piece in pieces(line.trim()) {
            let _ = writeln!(text, "    {},", literal(piece));
        }
    }
    text.push_str("    NULL\n};\n\n");
    text
}

/// A line in pieces of at most some thousand bytes, cut between characters.
fn pieces(line: &str) -> Vec<&str> {
    const PIECE_BYTES_MAX: usize = 2_000;
    let mut rest = line;
    let mut pieces = Vec::new();
    while rest.len() > PIECE_BYTES_MAX {
        let at = (0..=PIECE_BYTES_MAX).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

fn thread_numbers(scenario: &Scenario, identifiers: &super::names::Identifiers) -> String {
    let names: Vec<&str> = scenario.threads.keys().map(|name| identifiers.of(name)).collect();
    names.join(", ")
}
