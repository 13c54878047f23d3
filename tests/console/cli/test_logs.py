"""`logs` against the cluster in the process, whose kubelet and its bytes are simulated."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from steerable_cluster import SteerableCluster

from console.cli.main import main
from console.demo.loki import LineStore
from console.demo.loki_server import LokiApi

NAMESPACE = "cad-ml-platform"
RENDER = "deployment/cad-render"
Run = Callable[..., int]


@pytest.fixture
def cluster() -> Iterator[SteerableCluster]:
    made = SteerableCluster(NAMESPACE, autoscaler_seconds=60.0)
    made.use(lines=lambda pod, container, after, until: [])
    made.seed()
    with made:
        yield made


@pytest.fixture
def run(cluster: SteerableCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    for name in ("KUBERNETES_SERVICE_HOST", "CAD_CONSOLE_CONFIG", "PROMETHEUS_URL", "ALERTMANAGER_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    cluster.kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return lambda *words: main(["logs", *words])


def pods(cluster: SteerableCluster) -> list[str]:
    found = [item["metadata"] for item in cluster.objects("pods") if item["metadata"]["labels"]["app"] == "cad-render"]
    return sorted(item["name"] for item in found)


def test_a_moment_in_the_future_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is known of it: a comparison would call everything gone, or find no change."""
    assert run(RENDER, "--patterns", "--moment", "2999-01-01 00:00") == 2
    assert "--moment: '2999-01-01 00:00' is in the future" in capsys.readouterr().err


def test_the_log_of_a_workload(run: Run, cluster: SteerableCluster, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the times, as text and as JSON, or only what matches; the exit code says whether there was a line."""
    one, two = pods(cluster)
    now = time.time_ns()
    cluster.write_log(one, "cad-render", [b"INFO first"], at_ns=now - 3000 * 10**9)
    cluster.write_log(two, "cad-render", [b"ERROR \x1b[2Jsecond"], at_ns=now - 20 * 10**9)
    cluster.write_log(one, "cad-render", [b"INFO third"], at_ns=now - 10 * 10**9)
    assert run(RENDER) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"{one} INFO first", f"{two} ERROR \\e[2Jsecond", f"{one} INFO third",
    ]  # fmt: skip
    assert run(RENDER, "--format", "json", "--grep", "error", "--since", "10m") == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["source"], found["level"], found["text"]) == (two, "error", "ERROR \x1b[2Jsecond")
    assert run(f"pod/{two}", "--grep", "nothing like it") == 1
    assert run(one, "--tail", "1") == 0
    assert capsys.readouterr().out.endswith(f"{one} INFO third\n")


def test_what_cannot_be_read(run: Run, cluster: SteerableCluster, capsys: pytest.CaptureFixture[str]) -> None:
    """2 where nothing is, and 3 where a part is missing: stderr has the sentence of each log."""
    assert run("nope") == 2
    assert "neither a pod nor a workload nope" in capsys.readouterr().err
    assert run(RENDER, "--since", "soon") == 2
    assert run(RENDER, "--previous") == 2
    assert capsys.readouterr().err.count("previous terminated container") == 2
    one, _ = pods(cluster)
    cluster.write_log(one, "cad-render", [b"words"])
    cluster.restart_container(one, "cad-render")
    assert run(RENDER, "--previous") == 3
    assert capsys.readouterr().out.endswith(f"{one} words\n")
    cluster.deny("*", "pods/log")
    assert run(RENDER) == 2
    assert "ask for permission to get pods/log" in capsys.readouterr().err


def test_following_prints_what_comes(run: Run, cluster: SteerableCluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines are printed while they arrive; it ends when nothing more can come."""
    one, _ = pods(cluster)

    def write() -> None:
        while not cluster.followed_logs:
            time.sleep(0.01)
        cluster.write_log(one, "cad-render", [b"while following"])
        time.sleep(0.3)
        cluster.deny("*", "pods/log")
        cluster.drop_logs()

    writing = threading.Thread(target=write)
    writing.start()
    assert run(RENDER, "--follow") == 3
    writing.join()
    out = capsys.readouterr()
    assert out.out.endswith(f"{one} while following\n") and "pods/log" in out.err


@pytest.fixture
def loki(monkeypatch: pytest.MonkeyPatch) -> Iterator[LineStore]:
    store = LineStore()
    api = LokiApi(store, clock=time.time)
    api.start()
    monkeypatch.setenv("LOKI_URL", api.url)
    yield store
    api.stop()


def test_the_lines_that_loki_keeps(
    run: Run, loki: LineStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a workload or of a query, which is Loki's without being told; it needs no cluster, and can end earlier."""
    monkeypatch.delenv("KUBECONFIG")
    now = time.time_ns()
    labels = {"namespace": NAMESPACE, "pod": "cad-render-7d9c6b5f4-x2x9k", "container": "cad-render"}
    loki.push(labels, [(now - 600 * 10**9, "INFO early"), (now - 5 * 10**9, "ERROR \x1b[2Jlate")])
    assert run(RENDER, "--source", "loki", "--namespace", NAMESPACE) == 0
    out, err = capsys.readouterr()
    lines = [line.split(" ", 1)[1] for line in out.splitlines()]
    assert lines == ["cad-render-7d9c6b5f4-x2x9k INFO early", "cad-render-7d9c6b5f4-x2x9k ERROR \\e[2Jlate"]
    assert "no matching line" not in err
    assert run('{container="cad-render"} |= "ERROR"', "--format", "json") == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (found["level"], found["text"]) == ("error", "ERROR \x1b[2Jlate")
    assert run('{container="cad-render"}', "--until", "5m", "--since", "1h") == 0
    assert capsys.readouterr().out.rstrip().endswith("INFO early")
    assert run('{container="nobody"}') == 1
    assert "Loki has no matching line in the last 30d" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{x}",), "parse error"),
        (('{app="x"}', "--source", "pods"), "a query is Loki's"),
        ((RENDER, "--until", "03:12"), "the pods' logs cannot end earlier"),
        ((RENDER, "--source", "loki", "--previous"), "Loki has the lines of every restart"),
        (('{app="x"}', "--until", "1h", "--follow"), "exclude each other"),
        (('{app="x"}', "--until", "lunch"), "not a time"),
        ((RENDER, "--patterns", "--source", "pods"), "compares what Loki keeps"),
        ((RENDER, "--patterns", "--tail", "5"), "--tail and --patterns exclude each other"),
        ((RENDER, "--moment", "5m"), "--moment belongs to --patterns"),
    ],
)
def test_what_does_not_go_together(
    run: Run, loki: LineStore, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence; Loki's own error stands as it is."""
    assert run(*words) == 2
    assert said in capsys.readouterr().err


def test_loki_that_is_not_configured(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Says what to set."""
    assert run('{app="x"}') == 2
    assert "set LOKI_URL" in capsys.readouterr().err


def test_what_is_new_in_a_log(run: Run, loki: LineStore, capsys: pytest.CaptureFixture[str]) -> None:
    """As text with a line of each pattern, control characters written out, and as JSON; without lines the exit code is 1."""
    now = time.time_ns()
    labels = {"namespace": NAMESPACE, "pod": "cad-render-7d9c6b5f4-x2x9k"}
    loki.push(labels, [(now - at * 10**9, f"INFO served {at}") for at in range(1, 1500, 10)])
    loki.push(labels, [(now - at * 10**9, f"ERROR \x1b[2Jbroken {at}") for at in range(1, 500, 100)])
    assert run(RENDER, "--patterns", "--moment", "10m") == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("155 lines: 15m before ") and first.endswith(" and 10m after")
    assert (second, third) == ("new, 5 lines of 1 pod", "    ERROR \\e[2Jbroken 401")
    assert run(RENDER, "--patterns", "--moment", "10m", "--format", "json") == 0
    told = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [(item["change"], item["before"], item["after"]) for item in told] == [("new", 0, 5), ("same", 90, 60)]
    assert run("deployment/other", "--patterns") == 1


def test_without_a_cluster_it_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No kubeconfig at all is an error with what to try, and no traceback."""
    monkeypatch.delenv("KUBECONFIG")
    assert run(RENDER) == 2
    *_, error = capsys.readouterr().err.splitlines()
    assert error == (
        "cad-console logs: Kubernetes is not configured: set KUBECONFIG or --kubeconfig, or run `cad-console init`"
    )


def test_a_line_of_any_length_needs_no_memory_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a line of 64 MiB, one a byte too long and one that just fits, 8 KiB are read; what was left out is said, in bytes."""
    path = tmp_path / "x.log"
    path.write_bytes(b"".join(b"INFO served %d\n" % number for number in range(3)))
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + (64 << 20))  # no blocks on the disk
        file.write(b"\r\n" + b"x" * (8 << 10) + b"y\n" + b"z" * (8 << 10) + b"\r\nERROR broken")
    main(["logs", str(tmp_path), "--patterns"])  # imports what it needs
    capsys.readouterr()
    tracemalloc.start()
    assert main(["logs", str(path), "--patterns"]) == 0
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20
    out, err = capsys.readouterr()
    found = [line for line in out.splitlines() if not line.startswith(" ")]
    assert len(found) == 5 and found[0] == "3 lines: INFO served <*>" and found[-1] == "1 line: ERROR broken"
    assert "(cut: the line has 67,108,864 bytes)" in out and "(cut: the line has 8,193 bytes)" in out
    assert err == "cad-console: 2 lines are longer than 8 KiB: 67,100,673 bytes of them were left out\n"
    assert main(["logs", str(path), "--patterns", "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.get("size_bytes") for row in rows] == [None, 64 << 20, (8 << 10) + 1, None, None]
    assert max(len(row["line"]) for row in rows) == 8 << 10


def test_the_patterns_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The most frequent first, as text and JSON, with a line of each as text; no server is needed."""
    path = tmp_path / "x.log"
    path.write_bytes(b"".join(b"INFO served %d\n" % number for number in range(20)) + b"ERROR \x1b[2J broken 7\r\n")
    assert main(["logs", str(path), "--patterns"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "20 lines: INFO served <*>" and "1 line: ERROR" in out and "\x1b" not in out
    assert main(["logs", str(path), "--patterns", "--format", "json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["lines"], row["level"]) for row in rows] == [(20, "info"), (1, "error")]
    assert main(["logs", str(path)]) == 2 and "--log FILE" in capsys.readouterr().err
    assert main(["logs", str(tmp_path / "none"), "--patterns"]) == 2
    (tmp_path / "empty").touch()
    assert main(["logs", str(tmp_path / "empty"), "--patterns"]) == 1
