"""The platform's own administration: each call against answers that its source gave, refused ones and lost ones included."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from action_bench import outcome, settings_for
from admin_server import CACHE, KEY, SPEED, TOKEN, AdminServer, serve

from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import CheckLevel, Outcome, Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.config.settings import Settings
from console.journal.sqlite import Journal
from queries.errors import Unreachable
from queries.http.endpoint import Endpoint, HttpConfig
from queries.model.action import ActionCall
from queries.platform.admin_calls import AdminCall, read_admin_calls
from queries.platform.administration import Administration

CALLS = read_admin_calls().calls
GIVEN = {
    "vectors-reload": {"backend": "memory"},
    "cache-apply": {"capacity": "500", "ttl_seconds": "60"},
    "cache-prewarm": {"strategy": "auto", "limit": "10"},
    "redis-clear": {"pattern": "ocr:*"},
    "analysis-results-clean": {"max_files": "10"},
    "orphans-clean": {"threshold": "0"},
    "vectors-migrate": {"ids": "a", "to_version": "v4"},
    "vectors-migrate-pending": {"limit": "5", "dry_run": "true"},
    "speed-mode": {"speed_mode": "fast"},
}
SENT = [call for call in CALLS.values() if not call.sealed]


class Counters:
    """Prometheus in its smallest form, over what the platform's metric objects counted."""

    def __init__(self, server: AdminServer) -> None:
        self._server = server
        self.stuck = False
        self.old: float | None = None
        """What every counter had before a scrape that failed, and has again once a call was sent."""
        self.new: float | None = None
        """What every counter has once a call was sent, if not the old value."""

    async def query(self, text: str) -> Any:
        if self.old is not None:
            there = self._server.writes or re.fullmatch(r"last_over_time\(\(.+\)\[1h:1m\]\)", text)
            value = self.old if self.new is None or not self._server.writes else self.new
            return SimpleNamespace(samples=[SimpleNamespace(value=value)] if there else [])
        name, _, label = re.findall(r"\((\w+)(\{(.*)\})?\)", text)[0]
        found = [
            value for series, value in self._server.metrics.items() if series.partition("{")[0] == name and label in series
        ]
        value = 0.0 if self.stuck else sum(found)
        return SimpleNamespace(samples=[SimpleNamespace(value=value)] if found or self.stuck else [])


@dataclass
class AdminBench:
    """One console whose platform is the recorded one."""

    server: AdminServer
    settings: Settings
    journal: Journal
    counters: Counters
    previews: list[Preview] = field(default_factory=list)

    async def call(self, name: str, *, settings: Settings | None = None, **parameters: str) -> list[RunStep]:
        told = settings or self.settings
        assert told.administration is not None
        administration = Administration(told.administration)
        reader = LiveClusterReader(
            kubernetes=None, alertmanager=None, prometheus=cast("Any", self.counters), specs=(), state=cast("Any", None),
            administration=administration, settings=told,
        )  # fmt: skip
        writer = Writer(told)

        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        request = Request("admin", f"call/{name}", parameters)
        try:
            steps = run(request, RunContext(told, reader, writer, self.journal), agree)
            return [step async for step in steps]
        finally:
            await writer.close()
            await administration.close()


@pytest.fixture
def server() -> Iterator[AdminServer]:
    with serve() as made:
        yield made


def endpoint(server: AdminServer, folder: Path, *, key: str = KEY, token: str = TOKEN) -> Endpoint:
    files = []
    for header, name, value in (("X-API-Key", "key", key), ("X-Admin-Token", "token", token)):
        if value:
            (folder / name).write_text(f"{value}\n")
            files.append((header, str(folder / name)))
    return Endpoint(server.url, HttpConfig(header_files=tuple(files)), 5.0)


@pytest.fixture
async def bench(server: AdminServer, tmp_path: Path) -> AsyncIterator[AdminBench]:
    settings = settings_for(tmp_path, None, administration=endpoint(server, tmp_path), verify_timeout_seconds=0.3)
    with Journal.open(settings.paths.journal_file) as journal:
        yield AdminBench(server, settings, journal, Counters(server))


BARE = {
    "faiss-recover": (Outcome.FAILED, "did not do it: status skipped_or_failed"),
    "faiss-rebuild": (Outcome.FAILED, "did not do it: rebuilt false, reason backend_not_faiss"),
    "redis-clear": (
        Outcome.UNKNOWN,
        "503 the server is starting, stopping or behind a broken proxy (Cache client not available)",
    ),
    "analysis-results-clean": (Outcome.FAILED, "status disabled"),
    "classifier-cache-clear": (Outcome.FAILED, "status unavailable"),
    "speed-mode": (Outcome.FAILED, "status unavailable"),
}
"""What the source answers without a FAISS index, Redis, a result store and a classifier: a 200 is not yet a success."""


async def test_each_call_ends_as_its_source_answers(bench: AdminBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request is the one of the preview, the build serves it, and the outcome is what the answer says."""
    monkeypatch.setattr("console.actions.run_effect.APPLIED_SECONDS", 0.1)
    assert len(SENT) == 18
    for call in SENT:
        await check_call(bench, call)


async def check_call(bench: AdminBench, call: AdminCall) -> None:
    bench.server.requests.clear()
    bench.previews.clear()
    steps = await bench.call(call.id, **GIVEN.get(call.id, {}))
    end, text = outcome(steps)
    expected, why = BARE.get(call.id, (Outcome.DONE, "done in"))
    assert end is expected and why in text, f"{call.id}: {text}"
    (sent,) = [item for item in bench.server.requests if item[:2] == (call.method, call.path)]
    (preview,) = bench.previews
    request = preview.plan.differences[0].after
    query = "&".join(f"{name}={value.replace(':', '%3A').replace('*', '%2A')}" for name, value in sent[2].items())
    assert request == f"{call.method} {bench.server.url}{call.path}{f'?{query}' if query else ''}"
    if sent[3] is not None:
        assert json.loads(preview.plan.differences[1].after) == sent[3]
    served = next(check for check in preview.checks if check.how == "OpenAPI")
    assert (served.level, served.text) == (CheckLevel.OK, f"this build serves {call.method} {call.path}")
    assert any(note.startswith("to undo: ") for note in preview.plan.notes)
    assert bench.journal.events()[-1].data["target"] == f"call/{call.id}"


async def test_a_wrong_key_is_said_and_nothing_is_changed(bench: AdminBench, tmp_path: Path) -> None:
    """401 for a wrong key; for a call that needs the second one, 403 for a wrong one and a refusal without one."""
    assert sum(call.admin_token for call in SENT) == 6
    for call in SENT:
        await check_keys(bench, tmp_path, call)
    assert bench.server.writes and bench.server.accepted == 0


async def check_keys(bench: AdminBench, tmp_path: Path, call: AdminCall) -> None:
    given = GIVEN.get(call.id, {})
    wrong = replace(bench.settings, administration=endpoint(bench.server, tmp_path, key="another-key"))
    end, text = outcome(await bench.call(call.id, settings=wrong, **given))
    assert end is Outcome.FAILED and "401 the platform refused the call: Invalid API Key" in text, text
    assert "administration.api_key_file" in text
    if not call.admin_token:
        return
    wrong = replace(bench.settings, administration=endpoint(bench.server, tmp_path, token="another-token"))
    end, text = outcome(await bench.call(call.id, settings=wrong, **given))
    assert end is Outcome.FAILED and "403 the platform refused the call: Invalid admin token" in text, text
    seen = len(bench.server.writes)
    without = replace(bench.settings, administration=endpoint(bench.server, tmp_path, token=""))
    end, text = outcome(await bench.call(call.id, settings=without, **given))
    assert end is Outcome.REFUSED and "also needs the admin token" in text
    assert len(bench.server.writes) == seen


NAMED = (
    "POST /vectors/backend/reload", "POST /maintenance/vectors/backend/reload", "POST /analyze/vectors/faiss/rebuild",
    "POST /faiss/recover", "POST /features/cache/apply", "POST /features/cache/rollback", "POST /features/cache/prewarm",
    "GET /features/cache/tuning", "POST /maintenance/knowledge/reload", "POST /maintenance/cache/clear",
    "DELETE /maintenance/analysis-results", "DELETE /maintenance/orphans", "POST /vectors/migrate",
    "POST /vectors/migrate/pending/run", "POST /v16-classifier/cache/clear", "POST /v16-classifier/speed-mode",
    "POST /drift/reset", "POST /drift/baseline/export", "POST /model/reload",
)  # fmt: skip
"""What the platform's source and its runbooks name as administration, below /api/v1."""


def test_every_call_that_the_platform_names_is_known() -> None:
    """No more and no less, so that what follows leaves none out."""
    assert sorted(f"{call.method} {call.path.removeprefix('/api/v1')}" for call in CALLS.values()) == sorted(NAMED)


async def test_every_refusal_of_the_source_is_said(bench: AdminBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call meets each answer that its own route gave when it refused: 401, 403, 405, 422, and 503 where its store is gone.
    The outcome has the status, and never says done; nothing is sent twice.
    """
    monkeypatch.setattr("console.actions.run_effect.APPLIED_SECONDS", 0.1)
    seen: dict[int, int] = {}
    for call in SENT:
        for status, answer in bench.server.refusals(call.path).items():
            seen[status] = seen.get(status, 0) + 1
            bench.server.requests.clear()
            bench.server.forced, bench.server.forced_at = (status, answer), (call.method, call.path)
            end, text = outcome(await bench.call(call.id, **GIVEN.get(call.id, {})))
            expected = Outcome.UNKNOWN if status == 503 else Outcome.FAILED
            assert end is expected and f"{status} " in text, f"{call.id} {status}: {text}"
            if status != 503:
                assert "nothing was changed" in text, f"{call.id} {status}: {text}"
            assert len([item for item in bench.server.requests if item[:2] == (call.method, call.path)]) == 1, call.id
    assert seen[405] == seen[401] == len(SENT) and seen[403] == 6 and seen[422] == 6 and seen[503] == 1, seen


async def test_read_only_sends_no_call(bench: AdminBench) -> None:
    """Every call is refused with its preview, and the transport saw GETs alone; so it is past the runner."""
    told = replace(bench.settings, read_only=True)
    for call in SENT:
        end, text = outcome(await bench.call(call.id, settings=told, **GIVEN.get(call.id, {})))
        assert end is Outcome.REFUSED and "read-only: nothing will be sent" in text, call.id
    assert bench.server.requests and bench.server.writes == []
    writer = Writer(told)
    seen = len(bench.server.requests)
    for call in SENT:
        with pytest.raises(PermissionError, match="read-only"):
            await writer.call_platform(call.method, call.path, (), None)
    await writer.close()
    assert len(bench.server.requests) == seen


async def test_the_sealed_call_is_never_sent(bench: AdminBench) -> None:
    """The source answers 403 to whoever has both keys, so the console says so instead of asking."""
    end, text = outcome(await bench.call("model-reload"))
    assert end is Outcome.REFUSED and "model-reload is sealed: the platform answers 403 always" in text
    assert bench.server.requests == []


async def test_what_the_server_rejects_is_quoted(bench: AdminBench, tmp_path: Path) -> None:
    """A 422 names the field; a method that the build does not serve is refused in the preview, or sent and answered 405."""
    end, text = outcome(await bench.call("vectors-migrate-pending", limit="500"))
    assert end is Outcome.FAILED
    assert "422 (body.limit: Input should be less than or equal to 200)" in text
    own = tmp_path / "own.yaml"
    entry = "  {}: {{title: T, about: a, method: {}, path: {}, undo: {{says: nothing}}}}\n"
    put, nowhere = (
        entry.format(*words) for words in (("put-it", "PUT", "/api/v1/faiss/recover"), ("nowhere", "POST", "/nowhere"))
    )
    own.write_text(f"calls:\n{put}{nowhere}")
    told = replace(bench.settings, own=replace(bench.settings.own, admin_calls=(str(own),)))
    end, text = outcome(await bench.call("put-it", settings=told))
    assert end is Outcome.REFUSED and "this build does not serve PUT /api/v1/faiss/recover; it serves POST there" in text
    bench.server.documented = False
    end, text = outcome(await bench.call("put-it", settings=told))
    assert end is Outcome.FAILED and "405 the method is not allowed here (Method Not Allowed)" in text
    end, text = outcome(await bench.call("nowhere", settings=told))
    assert end is Outcome.FAILED and "404 nothing at this path" in text


async def test_bad_parameters_are_refused(bench: AdminBench) -> None:
    """A missing, unknown or impossible parameter and an unknown call are named, and nothing is sent."""
    cases: list[tuple[str, dict[str, str], str]] = [
        ("speed-mode", {}, "needs speed_mode"),
        ("speed-mode", {"speed_mode": "warp"}, "expected one of accurate, balanced, fast, v6_only"),
        ("cache-apply", {"capacity": "many"}, "expected a whole number"),
        ("orphans-clean", {"dry_run": "perhaps"}, "expected true or false"),
        ("faiss-recover", {"force": "true"}, "has no parameter force"),
        ("faiss-recovery", {}, "there is no call 'faiss-recovery'"),
    ]
    for name, given, why in cases:
        end, text = outcome(await bench.call(name, **given))
        assert end is Outcome.REFUSED and why in text, text
    assert bench.server.writes == []


async def test_a_setting_is_done_when_the_platform_reports_it(bench: AdminBench) -> None:
    """The state before stands in the preview, is the way back, and the state after is what counts as done."""
    bench.server.changed[SPEED] = {"status": "ok", "previous_mode": "accurate", "current_mode": "fast"}
    end, text = outcome(await bench.call("speed-mode", speed_mode="fast"))
    assert end is Outcome.DONE, text
    end, text = outcome(await bench.call("speed-mode", speed_mode="balanced"))
    assert end is Outcome.DONE, text
    plan = bench.previews[-1].plan
    assert [(item.name, item.before, item.after) for item in plan.differences[2:]] == [("current_mode", "fast", "balanced")]
    assert plan.notes[-1] == "to undo: cad-console act admin speed-mode --set speed_mode=fast"
    assert plan.undo == ActionCall("admin", "call/speed-mode", {"speed_mode": "fast"})
    await bench.call("cache-apply", capacity="500")
    back = "cad-console act admin cache-apply --set capacity=256 --set ttl_seconds=0"
    assert bench.previews[-1].plan.notes[-1] == f"to undo: {back}"


async def test_a_counter_that_does_not_move_proves_nothing(bench: AdminBench) -> None:
    """An accepted call whose signal stands still ends as unknown, never as done."""
    bench.counters.stuck = True
    end, text = outcome(await bench.call("vectors-reopen"))
    assert end is Outcome.UNKNOWN and "vector_store_reload_total" in text, text
    end, text = outcome(await bench.call("orphans-clean", threshold="0"))
    assert end is Outcome.DONE and "so nothing has to move" in text  # its answer says: none deleted


async def test_a_series_that_returns_after_a_gap_has_not_moved(bench: AdminBench) -> None:
    """The platform was not scraped at the preview: the value that comes back is the one of before the gap, not a rise."""
    bench.counters.old = 512.0
    end, text = outcome(await bench.call("vectors-reopen"))
    assert end is Outcome.UNKNOWN and 'vector_store_reload_total{status="success"}) 512' in text, text
    assert "rises (now 512)" in " ".join(bench.previews[-1].plan.notes)


async def test_a_value_that_is_no_number_has_not_changed(bench: AdminBench, tmp_path: Path) -> None:
    """NaN differs from everything, also from itself: a quotient without traffic proves no change of a team's own call."""
    own = tmp_path / "own.yaml"
    own.write_text(
        "calls:\n  warm-up:\n    title: Warm up\n    about: warms the cache\n    method: POST\n"
        "    path: /api/v1/maintenance/vectors/backend/reload\n    answers: {status: [ok]}\n"
        "    moves: [{query: 'sum(hit_ratio)', expect: changes}]\n    undo: {says: nothing}\n"
    )
    told = replace(bench.settings, own=replace(bench.settings.own, admin_calls=(str(own),)))
    bench.counters.old = 0.5
    bench.counters.new = math.nan
    end, text = outcome(await bench.call("warm-up", settings=told))
    assert end is Outcome.UNKNOWN and "sum(hit_ratio)" in text, text
    bench.counters.new = 0.7
    bench.server.requests.clear()
    end, text = outcome(await bench.call("warm-up", settings=told))
    assert end is Outcome.DONE, text
    bench.counters.old = math.nan
    bench.server.requests.clear()
    end, text = outcome(await bench.call("warm-up", settings=told))
    assert end is Outcome.UNKNOWN and "sum(hit_ratio)" in text, text


async def test_a_lost_answer_is_looked_up_and_never_sent_again(bench: AdminBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the call moves decides; where it moved nothing, the outcome is unknown."""
    monkeypatch.setattr("console.actions.run_effect.APPLIED_SECONDS", 0.1)
    bench.server.cuts = {"/api/v1/features/cache/apply", "/api/v1/maintenance/vectors/backend/reload"}
    end, text = outcome(await bench.call("cache-apply", capacity="500", ttl_seconds="60"))
    assert end is Outcome.DONE, text
    bench.counters.stuck = True
    end, text = outcome(await bench.call("vectors-reopen"))
    assert end is Outcome.UNKNOWN and "it may still arrive" in text
    assert [item[:2] for item in bench.server.writes] == [("POST", path) for path in sorted(bench.server.cuts)]


async def test_the_keys_are_nowhere(bench: AdminBench, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A platform that echoes both keys in an answer and an error puts them into no step, preview, journal or output."""
    bench.server.changed["/api/v1/maintenance/vectors/backend/reload"] = {"status": "ok", "echo": f"{KEY} {TOKEN}"}
    steps = await bench.call("vectors-reopen")
    assert "echo … …" in outcome(steps)[1]
    bench.server.changed["/api/v1/maintenance/vectors/backend/reload"] = {"status": f"no {KEY}", "error": {"message": TOKEN}}
    steps += await bench.call("vectors-reopen")
    assert steps[-1].outcome is Outcome.FAILED
    shown = [repr(steps), repr(bench.previews), repr(bench.settings.administration), *capfd.readouterr()]
    shown += [json.dumps(event.data) for event in bench.journal.events()]
    shown += [path.read_bytes().decode("latin-1") for path in (tmp_path / "state").iterdir()]
    assert all(secret not in text for text in shown for secret in (KEY, TOKEN))
    command = bench.previews[0].plan.command
    assert command.startswith('curl -fsS -X POST -H "X-API-Key: $(cat ') and "X-Admin-Token" not in command
    assert shlex.split(command)[-1].endswith("/api/v1/maintenance/vectors/backend/reload")


async def test_a_key_in_an_answer_or_a_parameter_is_nowhere(bench: AdminBench, tmp_path: Path) -> None:
    """A team's call that sends and returns a key of its own: it is sent, and no step, preview or journal has it."""
    own, path, canary = tmp_path / "own.yaml", "/api/v1/maintenance/vectors/backend/reload", "canary-5f1c77d2"
    given = "[{name: api_key, in: body, about: a}, {name: client_secret, in: query, about: a}]"
    own.write_text(
        f"calls:\n  key: {{title: T, about: a, method: POST, path: {path}, parameters: {given}, undo: {{says: nothing}}}}\n"
    )
    told = replace(bench.settings, own=replace(bench.settings.own, admin_calls=(str(own),)))
    bench.server.changed[path] = {"status": "ok", "api_key": canary, "error": {"message": f"password={canary}"}}
    steps = await bench.call("key", settings=told, api_key=canary, client_secret=canary)
    end, text = outcome(steps)
    assert end is Outcome.DONE and "status ok, api_key (hidden" in text, text
    assert bench.server.writes[0][2:4] == ({"client_secret": canary}, {"api_key": canary})
    shown = [repr([step.text for step in steps]), repr(bench.previews[0].plan.differences), bench.previews[0].plan.command]
    shown += [json.dumps(event.data) for event in bench.journal.events()]
    assert not [text for text in shown if canary in text]


async def test_what_was_not_read_before_the_call_never_counts_as_moved(bench: AdminBench) -> None:
    """Prometheus responds only after the call: a counter that stood above zero all along proves nothing."""
    query = bench.counters.query

    async def late(text: str) -> Any:
        if not bench.server.writes:
            raise Unreachable("refused", where="prometheus")
        return await query(text)

    bench.counters.query = late  # type: ignore[method-assign]
    end, text = outcome(await bench.call("vectors-reopen"))
    assert end is Outcome.UNKNOWN and "was not read before the call" in text, text


async def test_without_keys_it_says_what_to_configure(bench: AdminBench) -> None:
    """An environment that names no key refuses before anything is sent."""
    reader = LiveClusterReader(kubernetes=None, alertmanager=None, prometheus=None, specs=(), state=cast("Any", None))
    writer = Writer(replace(bench.settings, administration=None))

    async def never(preview: Preview) -> bool:
        raise AssertionError(preview)

    steps = run(Request("admin", "call/faiss-recover"), RunContext(bench.settings, reader, writer, bench.journal), never)
    end, text = outcome([step async for step in steps])
    assert end is Outcome.REFUSED and "administration.api_key_file" in text
    assert CACHE in {call.state.path for call in SENT if call.state}


@pytest.mark.parametrize(("digits", "refused"), [(15, False), (16, True)])
async def test_a_whole_number_has_at_most_15_digits(bench: AdminBench, digits: int, refused: bool) -> None:
    """Whoever reads it as a float still gets this very number."""
    _, text = outcome(await bench.call("cache-apply", capacity="9" * digits))
    assert ("expected a whole number" in text) is refused
    assert bool(bench.server.writes) is not refused


OWN_CALL = (
    "calls:\n  warm-up:\n    title: Warm up\n    about: warms the cache\n    method: POST\n"
    "    path: /api/v1/maintenance/vectors/backend/reload\n    answers: {status: [ok]}\n"
    "    moves: [{query: 'sum(hit_ratio)', expect: EXPECT}]\n    undo: {says: nothing}\n"
)


@pytest.mark.parametrize(
    ("expect", "before", "after", "moved"),
    [
        ("rises", 5.0, 5.0, False), ("rises", 5.0, 5.5, True), ("rises", 5.0, 4.5, False), ("falls", 5.0, 5.0, False),
        ("falls", 5.0, 4.5, True), ("falls", 5.0, 5.5, False), ("changes", 5.0, 5.0, False), ("changes", 5.0, 4.5, True),
    ],
)  # fmt: skip
async def test_only_what_moves_as_expected_proves_a_call(
    bench: AdminBench, tmp_path: Path, expect: str, before: float, after: float, moved: bool
) -> None:
    """A value that stands still neither rose nor fell, and one that goes the other way proves nothing."""
    own = tmp_path / "own.yaml"
    own.write_text(OWN_CALL.replace("EXPECT", expect))
    bench.counters.old, bench.counters.new = before, after
    told = replace(bench.settings, own=replace(bench.settings.own, admin_calls=(str(own),)))
    end, text = outcome(await bench.call("warm-up", settings=told))
    assert end is (Outcome.DONE if moved else Outcome.UNKNOWN), text
