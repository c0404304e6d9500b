#!/usr/bin/env python3
"""The one door to the project: `dev.py run` starts the service, `dev.py test` tests it; Python >= 3.11 and pip suffice.

The first call makes `.venv` from `requirements.lock`; `test`, `check` and `bench` add `requirements-dev.lock`. A
changed lock, another Python or an interrupted installation makes it anew. Needs nothing but the standard library, and
is written in syntax that a Python too old for the service can still read, so that it can say so.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

USAGE = """usage: python3 dev.py COMMAND …

  run                         start the service (makes .venv first when needed)
  test [--all] [pytest …]     the tests; --all also those marked slow
  check [--all] [pytest …]    format, lint, types, import rules, then the tests: what CI runs
  bench [NAME …]              one benchmark, or the list of them
  lock [--upgrade …]          compile the *.in files into the *.lock files (needs uv)

Any other COMMAND is one of the service's own: it runs `python -m bot COMMAND …`."""

if sys.version_info < (3, 11):  # noqa: UP036 (this file alone may be started by an older Python)
    found = [name for name in ("python3.14", "python3.13", "python3.12", "python3.11") if shutil.which(name)]
    advice = f"Start it with: {found[0]} dev.py …" if found else "Install a newer Python and start dev.py with it."
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(f"dev.py: Python 3.11 or newer is needed, this one is {version}. {advice}")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
RUNTIME_LOCK, DEVELOPMENT_LOCK = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
UNFINISHED = VENV / ".unfinished"  # lies there while packages are being installed: what it marks cannot be trusted
# One pip handles one file at a time. On two cores two of them took 10 s where one took 16 s, and eight took 17 s.
PARALLEL_INSTALLERS = max(2, min(4, os.cpu_count() or 2))
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
STATIC_CHECKS = (
    ("format", ("-m", "ruff", "format", "--check", "--quiet", ".")),
    ("lint", ("-m", "ruff", "check", "--quiet", ".")),
    ("types", ("-m", "mypy", "--no-error-summary")),
    ("imports", ("-c", LINT_IMPORTS, "--no-logo")),
)
LOCK_OPTIONS = [
    "--universal",
    "--generate-hashes",
    "--no-header",
    "--no-annotate",
    "--python-version",
    "3.11",
    "--quiet",
]


def main(arguments: list[str]) -> int:
    """Do what the command line asks; on POSIX the last program replaces this one, so every signal reaches it."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if arguments else 2
    os.chdir(ROOT)
    if command == "lock":
        return lock(rest)
    if command == "bench" and not rest:
        print("\n".join(sorted(file.stem for file in (ROOT / "bench").glob("*.py") if not file.stem.startswith("_"))))
        return 0
    prepare(development=command in ("test", "check", "bench"))
    if command == "bench":
        return become("-m", "bench." + rest[0], *rest[1:])
    if command in ("test", "check"):
        every = "--all" in rest
        chosen = [argument for argument in rest if argument != "--all"]
        if command == "check":
            failed = [name for name, check in STATIC_CHECKS if not passes(name, check)]
            if failed:
                print("dev.py: failed: " + ", ".join(failed), file=sys.stderr)
                return 1
        return become("-m", "pytest", *(["-m", ""] if every else []), *chosen)
    return become("-m", "bot", command, *rest)


def passes(name: str, check: tuple[str, ...]) -> bool:
    """Run one static check and tell whether it was content."""
    print("== " + name, flush=True)
    return subprocess.call([str(PYTHON), *check]) == 0


def become(*arguments: str) -> int:
    """Replace this process by the virtual environment's Python; on Windows, run that and give its exit code."""
    command = [str(PYTHON), *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(command[0], command)


def prepare(development: bool) -> None:
    """Make sure that `.venv` holds what the locks say: the runtime's packages, and the development ones when asked for.

    Two calls at the same time: the second waits for the first and then finds the work done.
    """
    with only_one():
        runtime, both = fingerprint(RUNTIME_LOCK), fingerprint(RUNTIME_LOCK, DEVELOPMENT_LOCK)
        usable = PYTHON.exists() and not UNFINISHED.exists() and stamp("runtime") == runtime
        if not usable or stamp("development") not in ("", both):
            install(RUNTIME_LOCK, anew=True)
            (VENV / ".runtime").write_text(runtime, "utf-8")
        if development and stamp("development") != both:
            install(DEVELOPMENT_LOCK, anew=False)
            (VENV / ".development").write_text(both, "utf-8")


@contextlib.contextmanager
def only_one():
    """Hold a lock on this very file; a system without file locks goes without."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with Path(__file__).open("rb") as file:
        with contextlib.suppress(OSError):  # some network file systems know no locks
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Waiting for another dev.py that is installing …", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)  # installers that outlive a killed dev.py keep holding the lock
        yield


def fingerprint(*locks: Path) -> str:
    """Give a digest of the locks and of the Python they are installed for."""
    digest = hashlib.sha256(sys.version.encode())
    for file in locks:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def stamp(name: str) -> str:
    """Read what was installed under this name, or nothing."""
    try:
        return (VENV / ("." + name)).read_text("utf-8")
    except OSError:
        return ""


def install(lock_file: Path, anew: bool) -> None:
    """Install one lock's packages, into a new `.venv` when asked; leave with a sentence when that cannot be done."""
    pinned = requirements(lock_file)
    print(f"Installing {len(pinned)} packages from {lock_file.name} into .venv …", file=sys.stderr, flush=True)
    started = time.monotonic()
    base = getattr(sys, "_base_executable", sys.executable) if Path(sys.prefix) == VENV else sys.executable
    if anew:
        make = [base, "-m", "venv", "--clear", "--without-pip", str(VENV)]  # --without-pip: Debian may lack ensurepip
        made = subprocess.run(make, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            sys.exit("dev.py: .venv cannot be made. Does it belong to somebody else?\n" + tail(made.stdout))
    UNFINISHED.touch()
    complaint = ""
    for installer, jobs in installers(base):
        complaint = install_with(installer, pinned, jobs)
        if not complaint:
            UNFINISHED.unlink()
            print(f"Installed in {time.monotonic() - started:.0f} s.", file=sys.stderr, flush=True)
            return
    sys.exit(explain(complaint))


def requirements(lock_file: Path) -> list[str]:
    """Split a lock into its requirements, each with its hashes."""
    joined = lock_file.read_text("utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def installers(base: str):
    """Give the ways to install on this machine, best first, each with the number of processes it likes."""
    # The lock is complete, so dependencies need no look; wheels only, so nobody's build script runs.
    wheels_only = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    uv = shutil.which("uv")
    if uv:
        yield [uv, "pip", "install", "--python", str(PYTHON), *wheels_only], 1
    # --no-compile: pip would compile every module, one after the other; Python compiles what it uses when it uses it.
    quiet = ["--no-input", "--no-compile", "--disable-pip-version-check", "--progress-bar", "off"]
    if runs([base, "-m", "pip", "--version"]):
        yield [base, "-m", "pip", "--python", str(PYTHON), "install", *quiet, *wheels_only], PARALLEL_INSTALLERS
    elif importlib.util.find_spec("ensurepip") and runs([str(PYTHON), "-m", "ensurepip", "--default-pip"]):
        yield [str(PYTHON), "-m", "pip", "install", *quiet, *wheels_only], PARALLEL_INSTALLERS


def runs(command: list[str]) -> bool:
    """Tell whether a command exits with success."""
    return subprocess.run(command, capture_output=True).returncode == 0


def install_with(installer: list[str], pinned: list[str], jobs: int) -> str:
    """Install them all, in so many processes at once; give the installer's complaint, or nothing when all went well."""
    elsewhere = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_SYSTEM_PYTHON")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    environment["PIP_USER"] = "0"  # a machine's `user = true` would be refused inside a virtual environment
    with tempfile.TemporaryDirectory(prefix="linshao-") as directory, terminating() as processes:
        for number in range(jobs):
            share, output = Path(directory, f"{number}.txt"), Path(directory, f"{number}.log")
            share.write_text("\n".join(pinned[number::jobs]) + "\n", "utf-8")
            command = [*installer, "-r", str(share)]
            with output.open("wb") as log:
                process = subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    close_fds=False,  # for the lock, see only_one
                    start_new_session=True,  # pip starts a process of its own; a group is ended as a whole
                )
            processes[output] = process
        failed = [output for output, process in processes.items() if process.wait()]
        return "\n".join(output.read_text("utf-8", "replace") or "it failed without a word" for output in failed)


@contextlib.contextmanager
def terminating():
    """Give a table for processes, and end those that still run when the block is left, by Ctrl-C or by SIGTERM too."""
    processes = {}
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield processes
    finally:
        for process in processes.values():
            if process.poll() is None:
                if os.name == "nt":
                    process.terminate()
                else:
                    os.killpg(process.pid, signal.SIGKILL)  # what they leave behind is marked as unfinished
                process.wait()
        signal.signal(signal.SIGTERM, previous)


def tail(output: str, lines: int = 6) -> str:
    """Give the last lines that are not warnings."""
    telling = [line for line in output.splitlines() if line.strip() and not line.startswith(("WARNING", "[notice]"))]
    return "\n".join(telling[-lines:])


def explain(complaint: str) -> str:
    """Turn an installer's complaint into a sentence that says what to do, with the end of what it said."""
    if not complaint:
        return "dev.py: pip is missing. Install it (on Debian and Ubuntu: apt install python3-pip), or uv, and try again."
    if re.search(r"do not match the hashes|hash mismatch", complaint, re.IGNORECASE):
        sentence = "a package is not the one that the lock names, so it was not installed."
    elif re.search(r"connection|network|dns|resolution|timed out|certificate|proxy", complaint, re.IGNORECASE):
        sentence = "the package index cannot be reached. Check the network (pip's own settings hold here) and try again."
    elif re.search(r"no matching distribution|no wheels|no usable wheels", complaint, re.IGNORECASE):
        sentence = "a package has no wheel for this Python and machine, or the package index does not have it."
    elif re.search(r"no space left", complaint, re.IGNORECASE):
        sentence = "the disk is full."
    else:
        sentence = "the packages could not be installed."
    return f"dev.py: {sentence}\n{tail(complaint)}"


def lock(options: list[str]) -> int:
    """Compile both locks, one version for both of what they share; locked versions stay unless `--upgrade` is given."""
    uv = shutil.which("uv")
    if not uv:
        sys.exit("dev.py: uv is needed to compile the locks (pip install uv).")
    inputs = {RUNTIME_LOCK: "requirements.in", DEVELOPMENT_LOCK: "requirements-dev.in"}
    with tempfile.TemporaryDirectory(prefix="linshao-") as directory:
        together = Path(directory, "together.txt")
        held = {line.split("==")[0]: line for file in inputs if file.exists() for line in requirements(file)}
        together.write_text("\n".join(held.values()), "utf-8")
        compile_lock = [uv, "pip", "compile", *LOCK_OPTIONS]
        first = [*compile_lock, *options, *inputs.values(), "-o", str(together)]
        code = subprocess.call(first, stdout=subprocess.DEVNULL)
        for output, source in inputs.items():
            output_options = ["--constraint", str(together), "-o", output.name, "--upgrade"]
            code = code or subprocess.call([*compile_lock, source, *output_options], stdout=subprocess.DEVNULL)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit("dev.py: " + str(error))
