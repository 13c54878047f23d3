"""Servers that never outlive the program that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from limits import extend

from console.demo.process import StartFailed, end_supervisor, free_port, start_server, supervise

ROOT = Path(__file__).parents[3]
HTTP = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
PARENT = """
import sys, time
from pathlib import Path
from console.demo.process import supervise, start_server
folder = Path(sys.argv[1])
keeper = supervise(str(folder), folder=folder.parent)
server = start_server("web", lambda port: [sys.executable, "-c", sys.argv[2], str(port)], folder=folder / "web")
print(server.pid, flush=True)
time.sleep(60)
"""


def web(port: int) -> list[str]:
    return [sys.executable, "-c", HTTP, str(port)]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone_within(seconds: float, pid: int, folder: Path | None = None) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if not alive(pid) and (folder is None or not folder.exists()):
            return True
        time.sleep(0.02)
    return False


def test_a_server_starts_and_stops(tmp_path: Path) -> None:
    """It is ready when start_server returns, its log lies in the folder, and it is gone when stop returns."""
    server = start_server("web", web, folder=tmp_path)
    pid = server.pid
    assert alive(pid) and server.running and "listening" in (tmp_path / "web.log").read_text()
    server.stop()
    server.stop()
    assert not alive(pid) and not server.running and server.pid == 0


def test_a_crash_is_seen_and_the_same_port_can_be_used_again(tmp_path: Path) -> None:
    """kill() ends the server as a crash does; another one can take its port."""
    port = free_port()
    server = start_server("web", web, folder=tmp_path, port=port)
    server.kill()
    assert not server.running
    again = start_server("web", web, folder=tmp_path, port=port)
    assert again.url == server.url
    again.stop()


def test_what_does_not_start_says_why(tmp_path: Path) -> None:
    """A server that ends at once is a StartFailed with the last line that it wrote."""
    with pytest.raises(StartFailed, match="no such configuration"):
        start_server("bad", lambda port: [sys.executable, "-c", "raise SystemExit('no such configuration')"], folder=tmp_path)


def test_what_never_gets_ready_is_ended(tmp_path: Path) -> None:
    """A server that runs and does not answer is stopped, and told of."""
    marker = tmp_path / "pid"
    code = f"import os, time; open({str(marker)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(StartFailed, match="not ready after 1s"):
        start_server("mute", lambda port: [sys.executable, "-c", code], folder=tmp_path, ready_seconds=1.0)
    assert gone_within(2.0, int(marker.read_text()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_parent_dies(tmp_path: Path, number: signal.Signals) -> None:
    """However the parent ends, also by kill -9, within two seconds neither the server nor the folder is there."""
    folder = tmp_path / "run"
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), HTTP],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert alive(pid)
        os.killpg(parent.pid, number)
        parent.wait(5)
        assert gone_within(2.0, pid, folder)


def test_a_server_dies_with_its_keeper(tmp_path: Path) -> None:
    """Even when the keeper itself is killed with -9, the kernel ends the server."""
    server = start_server("web", web, folder=tmp_path)
    pid = server.pid
    os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    assert gone_within(2.0, pid)
    server.stop()


def test_a_server_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    """SIGTERM is asked first, SIGKILL follows: stop always comes back and nothing is left."""
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HTTP
    server = start_server("web", lambda port: [sys.executable, "-c", stubborn, str(port)], folder=tmp_path)
    pid = server.pid
    server.stop()
    assert not alive(pid)


def test_a_folder_goes_with_its_keeper(tmp_path: Path) -> None:
    """Released, the keeper removes the folder with everything in it, and nothing beside it."""
    folder, neighbour = tmp_path / "run", tmp_path / "other"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_text("x")
    neighbour.mkdir()
    end_supervisor(supervise(str(folder), folder=tmp_path))
    assert not folder.exists() and neighbour.exists()


ENDLESS_HEAD = """
import socketserver, sys
class Never(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1000)
        while True:
            self.request.sendall(b"HTTP/1.1 100 Continue\\r\\n\\r\\n" * 500)
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Never).serve_forever()
"""


def test_a_server_whose_answer_never_begins_is_not_ready(tmp_path: Path) -> None:
    """Informational answers for ever are no answer: whoever waits for the server is told in time."""
    began = time.monotonic()
    with pytest.raises(StartFailed, match="was not ready after 2s"):
        start_server("web", lambda port: [sys.executable, "-c", ENDLESS_HEAD, str(port)], folder=tmp_path, ready_seconds=2.0)
    assert time.monotonic() - began < extend(12)
