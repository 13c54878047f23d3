"""What `rules lint --live` makes of servers that store, answer and evaluate in other ways: answers in their own shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from page_server import Reply, Request, serve

from console.cli.main import main

Lint = Callable[..., tuple[int, str, str]]
TYPES = {"ocr_seconds": "histogram", "http_seconds": "histogram", "http_requests_total": "counter", "disk.free": "gauge"}
NEWER = "increase(http_requests_total[5m] anchored)"
REFUSED = b'{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": 1:4: parse error: unexpected end"}'


def success(data: object, **more: object) -> Reply:
    return Reply(json.dumps({"status": "success", "data": data, **more}).encode())


def vector(*names: str) -> Reply:
    return success({"resultType": "vector", "result": [{"metric": {"__name__": name}, "value": [1, "1"]} for name in names]})


class Server:
    """A server with these metric names; `answers` replace those of a path."""

    def __init__(self, names: tuple[str, ...], *, current: tuple[str, ...] = (), **answers: Callable[[Request], Reply]) -> None:
        self.names, self.current, self.answers = names, current or names, answers
        self.rules: list[dict[str, object]] = []

    def __call__(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.form).items()}
        path = request.path.removeprefix("/api/v1/")
        if (answer := self.answers.get(path.partition("/")[0])) is not None:
            return answer(request)
        if path == "metadata":
            return success({name: [{"type": kind, "help": "", "unit": ""}] for name, kind in TYPES.items()})
        if path == "label/__name__/values":
            return success(sorted(self.names))
        if path == "targets":
            return success({"activeTargets": []})
        if path == "rules":
            return success(
                {"groups": [{"name": "g", "file": "r.yaml", "interval": 15, "rules": self.rules}] if self.rules else []}
            )
        if path == "query":
            return self.query(form["query"])
        match = form.get("match[]", "")
        if "." in match and not match.startswith('{"'):
            return Reply(REFUSED, 400)
        return success(["__name__", "job"])

    def query(self, text: str) -> Reply:
        if text.startswith("group by (__name__)"):
            return vector(*(name for name in self.current if name in text))
        return Reply(REFUSED, 400) if text == "sum(" else vector()


@pytest.fixture
def lint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lint:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    for name in ("PROMETHEUS_URL", "CAD_CONSOLE_CONFIG", "XDG_CONFIG_HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)

    def call(server: Server, expressions: Mapping[str, str] | None = None, *words: str) -> tuple[int, str, str]:
        files = []
        if expressions is not None:
            rules = [{"record": f"job:{name}:now", "expr": text} for name, text in expressions.items()]
            path = tmp_path / "rules.yaml"
            path.write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
            files = [str(path)]
        with serve(server) as url:
            code = main(["rules", "lint", "--live", "--prometheus-url", url, *files, *words])
        return code, *capsys.readouterr()

    return call


def findings(output: str) -> set[tuple[str, str]]:
    return {(item["rule"], item["trap"]) for item in json.loads(output)["findings"]}


def test_a_name_in_utf8_is_quoted_and_never_ends_the_others(lint: Lint) -> None:
    """The labels of a dotted metric are looked up by a quoted selector; where the server refuses even that, they are unknown
    and the other rules are linted."""
    rules = {"dotted": 'sum by (disk) ({"disk.free"})', "other": "sum(nosuch_total)"}
    names = ("disk.free", "http_requests_total")
    code, out, _ = lint(Server(names), rules, "--format", "json")
    assert (code, findings(out)) == (1, {("job:dotted:now", "label-not-carried"), ("job:other:now", "metric-not-exported")})
    code, out, _ = lint(Server(names, labels=lambda _: Reply(REFUSED, 400)), rules, "--format", "json")
    assert (code, findings(out)) == (1, {("job:other:now", "metric-not-exported")})


@pytest.mark.parametrize("parts", [(), ("ocr_seconds_bucket", "ocr_seconds_sum", "ocr_seconds_count")])
def test_classic_series_of_a_native_histogram_are_found(lint: Lint, parts: tuple[str, ...]) -> None:
    """A server that converts histograms has `x` alone, from a change on also where the classic names are still stored: each
    rule over a part of it is dead, and the text says what to write instead. One that has both forms is fine."""
    names = ("ocr_seconds", *parts)
    rules = {
        "p95": 'histogram_quantile(0.95, sum by (le) (rate(ocr_seconds_bucket{job="a"}[5m])))',
        "mean": "rate(ocr_seconds_sum[5m]) / rate(ocr_seconds_count[5m])",
        "fast": 'rate(ocr_seconds_bucket{le="2.0"}[5m])',
        "native": "histogram_quantile(0.95, sum(rate(ocr_seconds[5m])))",
    }
    code, out, _ = lint(Server(names, current=("ocr_seconds",)), rules)
    assert code == 1
    assert out.count("ERROR native-histogram") == out.count("ERROR") == 4
    assert 'write histogram_quantile(0.95, sum(rate(ocr_seconds{job="a"}[5m])))' in out
    assert "write histogram_sum(rate(ocr_seconds[5m]))" in out
    assert "write histogram_fraction(-Inf, 2, rate(ocr_seconds[5m]))" in out
    if parts:
        assert "native-histogram" not in lint(Server(names), rules)[1]


def test_the_server_decides_about_its_own_language(lint: Lint) -> None:
    """An expression that our parser does not know is a note if the server evaluates it, and an error in the server's words if
    it refuses it; of a rule that the server has loaded it is not even asked."""
    names = ("http_requests_total",)
    code, out, _ = lint(Server(names), {"newer": NEWER, "broken": "sum("})
    assert code == 1
    assert "NOTE promql-unknown: job:newer:now: the server accepts this, promql-parser" in out
    assert "ERROR bad-promql: job:broken:now: the server refuses it: " in out and "unexpected end" in out
    server = Server(names, query=lambda _: Reply(REFUSED, 400))
    server.rules = [{"type": "recording", "name": "job:newer:now", "query": NEWER, "health": "ok"}]
    code, out, _ = lint(server)
    assert (code, out.count("NOTE promql-unknown"), "ERROR" in out) == (0, 1, False)


def test_nothing_is_concluded_from_a_partial_answer(lint: Lint) -> None:
    """What a partial list of names lacks may exist: no metric is called unexported, and the report says why."""
    partial = lambda _: success(["http_requests_total"], isPartial=True)  # noqa: E731
    code, out, _ = lint(Server((), label=partial), {"one": "sum(nosuch_total)"})
    assert code == 0
    assert "ERROR" not in out and "partial response" in out
    assert "series that the server does not list were not reported as missing" in out


def test_rules_that_are_not_visible_are_not_clean(lint: Lint) -> None:
    """A server that lists no rule has no clean rules either; where it stores alerts that fire, a ruler elsewhere has them."""
    code, out, err = lint(Server(("http_requests_total",)))
    assert (code, out) == (2, "")
    assert "the server lists no rule" in err and "rules lint --live FILE" in err
    code, out, err = lint(Server(("http_requests_total", "ALERTS"), query=lambda _: vector("ALERTS")))
    assert (code, out) == (2, "")
    assert "rules are not visible here: it stores alerts that fire" in err
