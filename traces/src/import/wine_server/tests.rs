use super::*;
use crate::trace::object::{EventAction, HandleEvent, ObjectKind, WaitMode};

/// A process with two threads: one waits for an event, the other sets it.
const LOG: &str = r#"wine: created the configuration directory
0024: init_first_thread( unix_pid=1, unix_tid=1, debug_level=1, reply_fd=7, wait_fd=9 )
0024: init_first_thread() = 0 { pid=0020, tid=0024, server_start=1 (-0.1), session_id=00000001, info_size=0, machines={8664} }
0024: create_event( access=001f0003, manual_reset=0, initial_state=0, objattr={rootdir=0000,attributes=00000080,sd={},name=L""} )
0024: create_event() = 0 { handle=0004 }
0024: get_startup_info( )
0024: get_startup_info() = 0 { info_size=0 }
0024: new_thread( process=ffffffff, access=001fffff, flags=00000001, request_fd=14, objattr={} )
0024: new_thread() = 0 { tid=0028, handle=0008 }
0028: select( flags=3, cookie=0169e63c, timeout=+0.0100000, size=8, prev_apc=0000, result={}, data={WAIT,handles={0004}}, contexts={} )
0028: select() = PENDING { call={APC_NONE}, apc_handle=0000, signaled=0, contexts={} }
0024: event_op( handle=0004, op=1 )
0028: *wakeup* signaled=0
0024: event_op() = 0 { state=0 }
0024: close_handle( handle=0004 )
0024: close_handle() = 0
0028: *killed* exit_code=7
0024: *killed* exit_code=0
"#;

fn imported(log: &str) -> (Vec<ObjectTraceEvent>, Report) {
    let mut events = Vec::new();
    let report = import(log.as_bytes(), None, |event| {
        events.push(event.clone());
        Ok::<(), Error>(())
    });
    (events, report.unwrap())
}

fn kinds(events: &[ObjectTraceEvent]) -> Vec<(u64, ObjectTraceKind)> {
    events.iter().map(|event| (event.n, event.what.clone())).collect()
}

#[test]
fn a_log_becomes_events_with_the_numbers_of_its_lines() {
    let (events, report) = imported(LOG);
    let kinds = kinds(&events);
    let object = "event:1".to_owned();
    let has = |n: u64, what: ObjectTraceKind| assert!(kinds.contains(&(n, what)), "{kinds:#?}");
    has(
        5,
        ObjectTraceKind::Object {
            object: object.clone(),
            kind: ObjectKind::Event,
            new: true,
            named: Some(false),
            manual: Some(false),
            signaled: Some(false),
            owned: None,
            count: None,
            limit: None,
        },
    );
    let (process, handle, what) = ("0020".to_owned(), 4, HandleEvent::Opened);
    has(5, ObjectTraceKind::Handle { process, handle, object: object.clone(), what });
    let call = ObjectCall::Wait {
        objects: vec![object.clone()],
        mode: WaitMode::Any,
        alertable: true,
        interruptible: true,
        timeout: Some(100_000),
        signal: None,
        finished: None,
        status: None,
        bytes: 0,
        stopped: false,
    };
    has(10, ObjectTraceKind::Call { call });
    let call = ObjectCall::Event { object: object.clone(), action: EventAction::Set };
    has(12, ObjectTraceKind::Call { call });
    has(13, ObjectTraceKind::Wake { status: "STATUS_SUCCESS".to_owned() });
    has(16, ObjectTraceKind::Gone { object });
    let ended = ObjectTraceKind::Process { process: "0020".to_owned(), what: Lifetime::Ended };
    has(18, ended);
    assert_eq!((report.line_count, report.foreign_line_count), (18, 1));
    assert_eq!(report.broken_line_count, 0);
    assert_eq!(report.not_followed, BTreeMap::from([("get_startup_info".to_owned(), 1)]));
    assert_eq!(report.followed["event_op"], 1);
}

#[test]
fn events_are_written_and_read_again() {
    use crate::trace::{TraceReader, TraceWriter};
    let (events, _) = imported(LOG);
    let mut writer = TraceWriter::new(Vec::new(), &Importer::header()).unwrap();
    events.iter().for_each(|event| writer.object_event(event).unwrap());
    let text = writer.finish().unwrap();
    let mut reader = TraceReader::new(&text[..], None).unwrap();
    assert_eq!(reader.header(), &Importer::header());
    let read: Vec<_> = std::iter::from_fn(|| reader.next_object_event().unwrap()).collect();
    assert_eq!(read, events);
}

#[test]
fn a_request_is_followed_from_issue_to_result() {
    let log = r"0024: read( async={handle=0010,event=0014,iosb=5000,user=7000,apc=00000000,apc_context=0000abcd}, pos=00000000 )
0024: read() = PENDING { wait=0000, options=00000000, data={} }
0024: select( flags=2, cookie=1, timeout=infinite, size=8, prev_apc=0000, result={}, data={WAIT,handles={0014}}, contexts={} )
0024: select() = KERNEL_APC { call={APC_ASYNC_IO,user=7000,sb=5000,status=ALERTED,result=5}, apc_handle=0018, signaled=1, contexts={} }
0024: select( flags=2, cookie=1, timeout=infinite, size=8, prev_apc=0018, result={APC_ASYNC_IO,status=PIPE_BROKEN,total=5}, data={WAIT,handles={0014}}, contexts={} )
";
    let (events, _) = imported(log);
    let request = Some("request:3".to_owned());
    let calls: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            ObjectTraceKind::Return { reply, .. } if reply.request.is_some() => {
                assert_eq!(reply.block, Some(0x5000));
                Some(reply.request.clone())
            }
            ObjectTraceKind::Call { call: ObjectCall::Wait { finished, status, .. } } => {
                let ended = status.as_deref() == Some("STATUS_PIPE_BROKEN");
                assert_eq!(finished.is_some(), ended);
                finished.clone().map(Some)
            }
            _ => None,
        })
        .collect();
    assert_eq!(calls, [request.clone(), request]);
}

#[test]
fn a_log_may_begin_and_end_anywhere() {
    let lines: Vec<&str> = LOG.lines().collect();
    for first in 1..lines.len() {
        for last in first..lines.len() {
            let (_, report) = imported(&lines[first..=last].join("\n"));
            assert_eq!(report.broken_line_count, 0, "lines {first} to {last}");
        }
    }
}

#[test]
fn lines_that_cannot_be_read_are_gaps() {
    let cut = "0024: event_op( handle=0004, op=1 )\n0024: event_op( handle=00\n0024: event_op() = 0 { state=0 }\n";
    let (events, report) = imported(cut);
    assert_eq!(report.broken_line_count, 1);
    assert!(events.iter().any(|event| matches!(event.what, ObjectTraceKind::Gap { .. })));
    let (_, report) = imported(&format!("{cut}0024: event_op() = 0 {{ state=0 }}\n"));
    assert_eq!(report.broken_line_count, 2, "an answer without its call");
}

#[test]
fn damaged_logs_are_read_to_their_end() {
    // Every line with every one of its bytes replaced or cut off at.
    for (at, line) in LOG.lines().enumerate() {
        for byte in 0..line.len() {
            for with in ["", "{", "}", "\"", "ffffffffffffffffff", "\u{fffd}"] {
                let mut damaged = line.to_owned();
                damaged.replace_range(byte..=byte, with);
                let before = LOG.lines().take(at).collect::<Vec<_>>().join("\n");
                let after = LOG.lines().skip(at + 1).collect::<Vec<_>>().join("\n");
                let log = format!("{before}\n{damaged}\n{after}\n{}", &line[..byte]);
                let report = imported(&log).1;
                assert!(report.line_count >= 18);
            }
        }
    }
}

#[test]
fn what_is_kept_does_not_grow_with_the_log() {
    let mut importer = Importer::new();
    let mut kept_max = 0;
    for round in 0..2_000 {
        for line in LOG.lines() {
            importer.line(line);
            importer.take_events().for_each(drop);
        }
        // A request that is never over goes with its process.
        importer.line("0024: init_first_thread( unix_pid=1 )");
        importer.line("0024: init_first_thread() = 0 { pid=0020, tid=0024 }");
        importer.line("0024: read( async={handle=0010,event=0014,iosb=5000,user=7000,apc=0,apc_context=0}, pos=0 )");
        importer.line("0024: read() = PENDING { wait=0000, options=00000000, data={} }");
        importer.line("0024: *killed* exit_code=0");
        importer.take_events().for_each(drop);
        if round == 1 {
            kept_max = importer.kept();
        }
    }
    assert!(importer.kept() <= kept_max, "{} after {kept_max}", importer.kept());
}

#[test]
fn what_is_no_log_is_refused() {
    let message = |bytes: &[u8]| {
        import(bytes, Some("x.log"), |_| Ok::<(), Error>(())).unwrap_err().to_string()
    };
    let none = "x.log: there is no line of a Wine server log (WINEDEBUG=+server) in it";
    assert_eq!(
        message(b""),
        "x.log: there is no line of a Wine server log (WINEDEBUG=+server) in it"
    );
    assert_eq!(message(b"\x00\xff\n{}\n"), none);
    let long = vec![b'a'; 3_000_000];
    assert_eq!(message(&long), "x.log:1:1: this line has more than 1048576 bytes");
}

#[test]
fn compressed_logs_are_unpacked_and_damaged_ones_refused() {
    use crate::import::input::unpacked;
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(LOG.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let read = |bytes: &[u8]| {
        let log = unpacked(bytes, Some("x.gz"))?;
        import(log, Some("x.gz"), |_| Ok::<(), Error>(()))
    };
    assert_eq!(read(&packed).unwrap().line_count, 18);
    let error = read(&packed[..packed.len() / 2]).unwrap_err().to_string();
    assert!(error.starts_with("x.gz: cannot be read after line "), "{error}");
    let xz = b"\xFD7zXZ\x00garbage that is no header";
    assert!(read(xz).unwrap_err().to_string().starts_with("x.gz: cannot be read after line 0"));
}
