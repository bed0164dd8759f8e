//! Runs the program as its users do, and watches its time and memory.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// After so long a run is given up. The machines that test are slow and busy at times.
const DURATION_MAX: Duration = Duration::from_secs(60);

/// The folder of the workspace, where every run takes place.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("sim is a folder of the workspace")
}

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How it was called, for messages.
    command: String,
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) duration: Duration,
    /// The most memory that was seen; 0 where the system does not say.
    pub(crate) peak_bytes: u64,
}

impl Ran {
    /// Fails unless it ended with this exit status.
    #[track_caller]
    pub(crate) fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ran { command, status, stdout, stderr, duration, peak_bytes } = self;
        writeln!(f, "{command}: status {status} after {duration:?}, {peak_bytes} bytes")?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}", clipped(stdout), clipped(stderr))
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(4000).collect()
}

/// Runs the program; its output goes to pipes.
pub(crate) fn alertable<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    run(command().args(arguments))
}

/// The program, to be called from the folder of the workspace and in no special environment, but
/// for a terminal so wide that no text is folded at a place that hangs on the length of a path.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alertable"));
    command.current_dir(root()).env("COLUMNS", "200");
    for name in ["CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR", "FORCE_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end and gives it up when it takes too long.
pub(crate) fn run(command: &mut Command) -> Ran {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let (status, peak_bytes) = watched(&mut child, start);
    let duration = start.elapsed();
    let text = |reader: JoinHandle<String>| reader.join().expect("pipes can be read");
    Ran {
        command: format!("{command:?}"),
        status: status.code().unwrap_or(-1),
        stdout: text(stdout),
        stderr: text(stderr),
        duration,
        peak_bytes,
    }
}

/// Reads a pipe in a thread of its own, so that the program never waits for its reader.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    let mut pipe = pipe.expect("it is piped");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe can be read");
        String::from_utf8(bytes).expect("the program writes UTF-8")
    })
}

/// Waits for the end of a process and tells the most memory that it was seen with.
fn watched(child: &mut Child, start: Instant) -> (ExitStatus, u64) {
    let mut peak_bytes = 0;
    loop {
        peak_bytes = peak_bytes.max(peak_bytes_of(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return (status, peak_bytes);
        }
        if start.elapsed() > DURATION_MAX {
            child.kill().expect("it can be ended");
            let status = child.wait().expect("it can be waited for");
            return (status, peak_bytes);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The most memory that a process has had so far.
fn peak_bytes_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// A folder for one test's files, which goes when the test does.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// `name` is the test's, so that tests do not meet.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("the folder for temporary files can be written");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, contents).expect("the file can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever stays is below the target folder and in nobody's way.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
