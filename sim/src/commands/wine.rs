//! Real systems that run litmus programs: Wine, and Windows itself.

use super::Failure;
use alertable_traces::observation::Observation;
use std::env;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What has to be installed for Wine.
const PACKAGES: &str = "wine wine64 gcc-mingw-w64-x86-64-win32";

/// The compiler for Windows programs.
const CROSS_COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// The status with which a program ends that lacks something.
const EXIT_UNSUPPORTED: i32 = 3;

/// The status with which a program ends whose last round says nothing.
const EXIT_HELD_UP: i32 = 4;

/// How often that may happen to a program.
const HELD_UP_COUNT_MAX: u64 = 20;

/// How often a program may not end at all.
const OVERDUE_COUNT_MAX: u64 = 2;

/// How much longer than it should a program may take.
const GRACE: Duration = Duration::from_secs(30);

/// The headers of every program, compiled once.
const HEADERS: &str = "#ifndef _WIN32_WINNT\n#define _WIN32_WINNT 0x0602\n#endif\n\
                       #define WIN32_LEAN_AND_MEAN\n#define _CRT_SECURE_NO_WARNINGS\n\
                       #include <windows.h>\n#include <stdio.h>\n#include <stdlib.h>\n\
                       #include <string.h>\n";

/// A system that can run programs, with a folder of its own that goes when it does.
#[derive(Debug)]
pub(super) struct Host {
    folder: PathBuf,
    compiler: PathBuf,
    /// Wine and its server; none where programs run by themselves.
    wine: Option<(PathBuf, PathBuf)>,
    next: AtomicU32,
}

/// How a program is run.
#[derive(Clone, Debug)]
pub(super) struct RunArguments {
    pub(super) rounds: u64,
    /// A seed for noise.
    pub(super) stress: Option<u64>,
    /// How long it may be quiet, in milliseconds, beside its own times.
    pub(super) patience_ms: u64,
    /// Where the trace goes.
    pub(super) trace: Option<PathBuf>,
    /// How long one round takes, in milliseconds.
    pub(super) round_ms: f64,
}

/// What came of a program.
#[derive(Debug)]
pub(super) enum Ran {
    /// What it saw, and in how many more rounds something else than the scenario held threads up.
    Seen(Vec<Observation>, u64),
    /// The system lacks something that it needs.
    Unsupported(String),
    /// It went wrong.
    Failed(String),
}

/// The program of that name in the search path.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let suffix = env::consts::EXE_SUFFIX;
    env::split_paths(&path)
        .map(|folder| folder.join(format!("{name}{suffix}")))
        .find(|file| file.is_file())
}

fn folder() -> Result<PathBuf, Failure> {
    let folder = env::temp_dir().join(format!("alertable-litmus-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    Ok(folder)
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other(format!("cannot {what} {}: {error}", path.display()))
}

impl Host {
    /// Wine, with a prefix of its own.
    pub(super) fn wine() -> Result<Self, Failure> {
        let missing = |name: &str| {
            Failure::Other(format!(
                "{name} is not in the search path; on Debian, install the packages {PACKAGES}"
            ))
        };
        let tool = |name: &str| find(name).ok_or_else(|| missing(name));
        let (wine, server) = (tool("wine")?, tool("wineserver")?);
        let compiler = tool(CROSS_COMPILER)?;
        let next = AtomicU32::new(0);
        let host = Host { folder: folder()?, compiler, wine: Some((wine, server)), next };
        host.precompile_headers();
        host.boot()?;
        Ok(host)
    }

    /// This system, where it is Windows.
    pub(super) fn native() -> Result<Self, Failure> {
        if !cfg!(windows) {
            let message = "this is not Windows; `--run wine` runs programs under Wine";
            return Err(Failure::Other(message.to_owned()));
        }
        let compiler = ["gcc", "clang", "cl"].into_iter().find_map(find).ok_or_else(|| {
            Failure::Other("no compiler in the search path: gcc, clang or cl".to_owned())
        })?;
        let host = Host { folder: folder()?, compiler, wine: None, next: AtomicU32::new(0) };
        host.precompile_headers();
        Ok(host)
    }

    /// Compiles the headers once, where the compiler can. Without them it just takes longer.
    fn precompile_headers(&self) {
        let header = self.folder.join("headers.h");
        if self.is_microsoft() || fs::write(&header, HEADERS).is_err() {
            return;
        }
        let mut compile = Command::new(&self.compiler);
        compile.args(["-O1", "-x", "c-header", "-o"]).arg(self.folder.join("headers.h.gch"));
        let _ = compile.arg(&header).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn is_microsoft(&self) -> bool {
        self.compiler.file_stem().is_some_and(|name| name == "cl")
    }

    /// Makes the prefix, and keeps its server until the end.
    fn boot(&self) -> Result<(), Failure> {
        let Some((wine, server)) = &self.wine else { return Ok(()) };
        let failed = |what: &str| Failure::Other(format!("Wine cannot be started: {what}"));
        let prefix = self.prefix();
        fs::create_dir_all(&prefix).map_err(|error| cannot("make", &prefix, &error))?;
        // Before anything else: one that a program brings up goes with it, and every program
        // would have to start the system's services anew.
        let persistent = self.command(server).arg("--persistent").status();
        persistent.map_err(|error| failed(&error.to_string()))?;
        let boot = self.command(wine).args(["wineboot", "--init"]).status();
        boot.map_err(|error| failed(&error.to_string()))?;
        if !prefix.join("drive_c").join("windows").is_dir() {
            return Err(failed("`wineboot --init` makes no prefix; is wine64 installed?"));
        }
        Ok(())
    }

    fn prefix(&self) -> PathBuf {
        self.folder.join("prefix")
    }

    /// A command with the environment of the prefix, that says nothing of its own.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("WINEPREFIX", self.prefix())
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=;winemenubuilder.exe=d")
            .env_remove("DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(&self.folder);
        command
    }

    /// Compiles a program.
    pub(super) fn compile(&self, source: &str) -> Result<PathBuf, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("litmus-{number}.c"));
        let program = self.folder.join(format!("litmus-{number}.exe"));
        fs::write(&file, source).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut compile = Command::new(&self.compiler);
        compile.current_dir(&self.folder).stdin(Stdio::null());
        if self.is_microsoft() {
            compile.args(["/nologo", "/O1"]).arg(format!("/Fe:{}", program.display()));
            compile.arg(&file).arg("user32.lib");
        } else {
            compile.args(["-O1", "-include", "headers.h", "-o"]).arg(&program).arg(&file);
        }
        let output = compile.output().map_err(|error| error.to_string())?;
        let _ = fs::remove_file(&file);
        if output.status.success() {
            Ok(program)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Runs a program until it has seen as much as was asked for: it ends early when a round
    /// leaves something behind.
    pub(super) fn run(
        &self,
        program: &Path,
        arguments: &RunArguments,
        mut goes_on: impl FnMut() -> bool,
    ) -> Ran {
        let mut seen = Vec::new();
        let mut seed = arguments.stress;
        let (mut held_up, mut overdue) = (0, 0);
        while (seen.len() as u64) < arguments.rounds && goes_on() {
            let rounds = arguments.rounds - seen.len() as u64;
            let output = match self.run_once(program, arguments, rounds, seed) {
                Ok(output) => output,
                Err(why) => return Ran::Failed(why),
            };
            if let Some(seconds) = output.overdue_s {
                overdue += 1;
                held_up += 1;
                if overdue > OVERDUE_COUNT_MAX {
                    return Ran::Failed(format!("it did not end in {seconds} seconds"));
                }
                continue;
            }
            let text = String::from_utf8_lossy(&output.text).into_owned();
            let complaint = String::from_utf8_lossy(&output.complaint).trim().to_owned();
            if output.code == Some(EXIT_UNSUPPORTED) {
                return Ran::Unsupported(complaint);
            }
            if output.code == Some(EXIT_HELD_UP) {
                held_up += 1;
                if held_up > HELD_UP_COUNT_MAX {
                    return Ran::Failed(complaint);
                }
            }
            match alertable_traces::read_observations(&text, None) {
                Ok(more) => seen.extend(more),
                // The first round was held up already.
                Err(_) if text.trim().is_empty() && output.code == Some(EXIT_HELD_UP) => {}
                // Now and then the system under test ends a program before its first round is over.
                Err(_) if text.trim().is_empty() && held_up < HELD_UP_COUNT_MAX => held_up += 1,
                Err(_) if text.trim().is_empty() => {
                    return Ran::Failed(format!("it printed nothing; {complaint}"));
                }
                Err(error) => return Ran::Failed(format!("{error} in {text}")),
            }
            seed = seed.map(|seed| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
        Ran::Seen(seen, held_up)
    }

    fn run_once(
        &self,
        program: &Path,
        arguments: &RunArguments,
        rounds: u64,
        seed: Option<u64>,
    ) -> Result<Output, String> {
        let mut command = match &self.wine {
            Some((wine, _)) => {
                let mut command = self.command(wine);
                command.arg(program);
                command
            }
            None => self.command(program),
        };
        command.arg("--rounds").arg(rounds.to_string());
        command.arg("--patience").arg(arguments.patience_ms.to_string());
        if let Some(seed) = seed {
            command.arg("--stress").arg((seed >> 33).to_string());
        }
        // A name of its own: other programs run in this folder at the same time.
        let written = program.with_extension("jsonl");
        if arguments.trace.is_some() {
            command.arg("--trace").args(written.file_name());
        }
        let round_ms = arguments.round_ms * 2.0 + arguments.patience_ms as f64;
        let expected = Duration::from_secs_f64(round_ms * rounds as f64 / 1000.0);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("it cannot be started: {error}"))?;
        let output = wait_for(child, expected + GRACE)?;
        if let Some(trace) = arguments.trace.as_ref().filter(|_| output.code == Some(0)) {
            let text = fs::read(&written).map_err(|error| format!("no trace: {error}"))?;
            let _ = fs::remove_file(&written);
            alertable::file::write_whole(trace, &text)
                .map_err(|error| format!("{}: {error}", trace.display()))?;
        }
        Ok(output)
    }
}

struct Output {
    text: Vec<u8>,
    complaint: Vec<u8>,
    code: Option<i32>,
    /// It did not end in so many seconds, and was ended.
    overdue_s: Option<u64>,
}

/// Waits for a program to end, and ends it when it takes too long.
fn wait_for(mut child: Child, longest: Duration) -> Result<Output, String> {
    let read_all = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                // What cannot be read is missed by the reader of the text.
                let _ = stream.read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let text = read_all(child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>));
    let complaint = read_all(child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>));
    let start = Instant::now();
    let code = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status.code(),
            None if start.elapsed() > longest => {
                let _ = child.kill();
                let _ = child.wait();
                let overdue_s = Some(longest.as_secs());
                return Ok(Output {
                    text: Vec::new(),
                    complaint: Vec::new(),
                    code: None,
                    overdue_s,
                });
            }
            None => std::thread::sleep(Duration::from_millis(3)),
        }
    };
    let [text, complaint] = [text, complaint].map(|reader| reader.join().unwrap_or_default());
    Ok(Output { text, complaint, code, overdue_s: None })
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some((_, server)) = &self.wine {
            // -k returns when the server has ended.
            let _ = self.command(server).arg("--kill").status();
            let _ = self.command(server).arg("--wait").status();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
