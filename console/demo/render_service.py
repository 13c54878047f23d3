"""The demo's CAD render service: a small HTTP process outside the cluster, and the programs that change it.

A standalone script that needs only the standard library. Its folder holds the installed version, the backup, and the tokens.

    python render_service.py STEP FOLDER [ARGUMENT…]

The version `1.9.0` starts and says that it is healthy, but renders nothing: only a smoke test finds that out.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

# Imported where they are used: each step is a process of its own, and these take longer than most steps.
# ruff: noqa: PLC0415

BAD_VERSION = "1.9.0"
FIRST_VERSION = "1.8.2"
_START_SECONDS = 10.0


def create_folder(folder: Path, *, port: int, owner: int) -> None:
    """A folder with a version, a port, and one accepted token, which the client has; it ends with the process `owner`."""
    folder.mkdir(parents=True, exist_ok=True)
    token = _new_token()
    texts = {"version": FIRST_VERSION, "port": port, "owner": owner, "accepted": token, "client-token": token}
    for name, text in texts.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(f"{text}\n")


def serve(folder: Path) -> None:
    """Serves the version that was installed at the start, until the process that owns the folder is gone."""
    import json
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    version, owner = _read(folder, "version"), int(_read(folder, "owner"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self._answer(200, {"status": "healthy", "version": version})
            elif self.path != "/render":
                self._answer(404, {"error": "no such path"})
            elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in _read(folder, "accepted").split():
                self._answer(401, {"error": "unknown token"})
            elif version == BAD_VERSION:
                self._answer(500, {"error": "the renderer cannot load its fonts"})
            else:
                self._answer(200, {"rendered": "part-1.dwg", "version": version})

        def _answer(self, status: int, body: dict[str, str]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Its output is nobody's."""

    server = ThreadingHTTPServer(("127.0.0.1", int(_read(folder, "port"))), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "pid").write_text(str(os.getpid()))
    while _is_running(owner):
        time.sleep(0.5)


def save_version(folder: Path) -> None:
    """Saves the installed version; prints where, on the last line."""
    saved = folder / "backup"
    saved.write_text((folder / "version").read_text())
    print(f"saved version {_read(folder, 'version')}")  # noqa: T201
    print(saved)  # noqa: T201


def install(folder: Path, version: str) -> None:
    """Installs a version, without a restart."""
    (folder / "version").write_text(f"{version}\n")
    print(f"installed version {version}")  # noqa: T201


def restart(folder: Path) -> None:
    """Ends the running process, starts one with the installed version, and waits until it listens."""
    import subprocess

    stop(folder)
    subprocess.Popen(  # noqa: S603  # this script
        [sys.executable, "-E", "-s", __file__, "serve", str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", int(_read(folder, "port"))), timeout=1.0):
                print(f"started version {_read(folder, 'version')}")  # noqa: T201
                return
        except OSError:
            time.sleep(0.02)
    sys.exit("it does not listen")


def restore_version(folder: Path, saved: str) -> None:
    """Installs the version that was saved there."""
    install(folder, Path(saved).read_text().strip())


def smoke(folder: Path, token: str = "") -> None:
    """Renders once, with the client's token or the given one."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", int(_read(folder, "port")), timeout=5.0)
    try:
        connection.request("GET", "/render", headers={"Authorization": f"Bearer {token or _read(folder, 'client-token')}"})
        response = connection.getresponse()
        answer = response.read().decode()
    except OSError as error:
        sys.exit(f"GET /render: {error}")
    finally:
        connection.close()
    if response.status != 200:
        sys.exit(f"GET /render: {response.status} {answer}")
    print(f"GET /render: {answer}")  # noqa: T201


def make_token(folder: Path) -> None:
    """Accepts one more token, and prints it."""
    token = _new_token()
    _replace(folder / "accepted", [*_read(folder, "accepted").split(), token])
    print(token)  # noqa: T201


def withdraw_token(folder: Path, token: str) -> None:
    """Accepts the token no longer."""
    accepted = _read(folder, "accepted").split()
    if token not in accepted:
        sys.exit("it was not accepted before")
    _replace(folder / "accepted", [item for item in accepted if item != token])


def stop(folder: Path) -> None:
    """Ends the running process; does nothing if none runs."""
    try:
        pid = int(_read(folder, "pid"))
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    until = time.monotonic() + _START_SECONDS
    while _is_running(pid) and time.monotonic() < until:
        time.sleep(0.02)
    (folder / "pid").unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    """Whether it runs; an ended one that nobody has waited for yet does not, where the kernel says so."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _read(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


def _new_token() -> str:
    return os.urandom(24).hex()


def _replace(path: Path, lines: list[str]) -> None:
    staging = path.with_name(f"{path.name}.new")
    staging.touch(mode=0o600)
    staging.write_text("\n".join(lines) + "\n")
    staging.replace(path)


def main(words: list[str]) -> None:
    step, folder, rest = words[0], Path(words[1]), words[2:]
    match step:
        case "serve":
            serve(folder)
        case "backup":
            save_version(folder)
        case "update":
            install(folder, rest[0])
        case "restart":
            restart(folder)
        case "restore":
            restore_version(folder, rest[0])
        case "smoke":
            smoke(folder)
        case "smoke-token":
            smoke(folder, sys.stdin.readline().strip())
        case "make-token":
            make_token(folder)
        case "withdraw-token":
            withdraw_token(folder, sys.stdin.readline().strip())
        case _:
            sys.exit(f"unknown step {step}")


if __name__ == "__main__":
    main(sys.argv[1:])
