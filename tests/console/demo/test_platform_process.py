"""The simulated platform as a process of its own, as the compose file runs it."""

from __future__ import annotations

import subprocess
import sys
import time

import httpx

from console.demo.process import free_port


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "console.demo.platform_process", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_serves_metrics_until_it_is_told_to_end() -> None:
    """It says where it listens, its counters go up between two scrapes, and SIGTERM ends it with 0."""
    address = f"127.0.0.1:{free_port()}"
    with start("--listen", address, "--scenario", "provider-timeout") as process:
        try:
            assert process.stdout is not None and address in process.stdout.readline()
            first = total(address)
            deadline = time.monotonic() + 20.0
            while total(address) <= first:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            process.terminate()
        assert process.wait(10) == 0


def total(address: str) -> float:
    text = httpx.get(f"http://{address}/metrics", timeout=5.0, follow_redirects=True).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("ocr_requests_total{"))


def test_an_address_that_is_taken_is_said() -> None:
    """One line and exit code 1, no traceback."""
    address = f"127.0.0.1:{free_port()}"
    with start("--listen", address) as process:
        assert process.stdout is not None and process.stdout.readline()
        second = subprocess.run(
            [sys.executable, "-m", "console.demo.platform_process", "--listen", address],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        process.terminate()
        process.wait(10)
    assert second.returncode == 1 and second.stderr.count("\n") == 1 and address in second.stderr
