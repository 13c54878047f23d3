"""A real PostgreSQL server of this machine's packages, on a free port, as an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

PASSWORD = "sesame-3f9a"
USER = "console"


def binaries() -> Path | None:
    """The newest PostgreSQL that is installed; None where there is none."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found += [Path(path).parent for path in [shutil.which("initdb")] if path]
    return max(found, key=lambda path: float(path.parent.name) if path.parent.name.isdigit() else 0.0, default=None)


class Server:
    """A context manager. It refuses to run as root, so there it runs as `nobody`."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder
        self._home = Path(tempfile.mkdtemp(prefix="cad-console-postgresql-"))
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._home, nobody.pw_uid, nobody.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def __enter__(self) -> Server:
        secret = self._home / "secret"
        secret.write_text(PASSWORD)
        if self._as:
            os.chown(secret, self._as["user"], self._as["group"])
        words = ["initdb", "-D", "data", "-U", USER, "-A", "scram-sha-256", "--pwfile=secret", "--no-sync", "-E", "LATIN1"]
        self._run(*words, "--locale=C")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Back when it takes connections."""
        words = [str(self._bin / "postgres"), "-D", "data", "-p", str(self.port), "-k", "", "-h", "127.0.0.1", "-F"]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(words, cwd=self._home, stdout=log, stderr=log, **self._as)
        ends = time.monotonic() + 20.0
        while time.monotonic() < ends:
            try:
                self.ask("SELECT 1")
            except Exception:
                time.sleep(0.05)
                continue
            return
        raise AssertionError((self._home / "log").read_text())

    def stop(self) -> None:
        """At once, as a crash would: SIGQUIT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            answer = connection.execute(statement.encode())
            return answer.fetchall() if answer.description else []

    def database(self) -> str:
        """The name of a new one."""
        name = f"journal_{uuid.uuid4().hex[:8]}"
        self.ask(f"CREATE DATABASE {name}")
        return name

    def _run(self, program: str, *words: str) -> None:
        whole = [str(self._bin / program), *words]
        done = subprocess.run(whole, check=False, cwd=self._home, capture_output=True, text=True, **self._as)
        assert done.returncode == 0, done.stderr
