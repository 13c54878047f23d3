"""The order of stages, and what becomes of a run that goes wrong at each of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterable
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from action_bench import API, Bench, Facts, outcome, placed, quiet, second_revision
from cutting_proxy import CuttingProxy
from limits import extend
from page_server import Reply, serve

from console.actions import run_effect, runner
from console.actions.action import CLUSTER_TARGETS
from console.actions.cluster_reader import LiveClusterReader
from console.actions.plan import CheckLevel, Outcome, Preview, Request, Stage
from console.actions.preflight import check_alert_place
from console.actions.recovery import Trigger
from console.actions.registry import ACTIONS
from console.actions.writers.writer import Writer
from console.cli.act import check_confirmations
from console.config.services import LIMITS, Service, Token
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.monitor.state_store import StateStore
from console.runbooks.index import RunbookIndex
from queries.alertmanager import Alertmanager
from queries.errors import NotConfigured, RequestRejected, Unreachable
from queries.http.endpoint import Endpoint
from queries.model.alert import Alert, AlertState
from queries.prometheus.client import Prometheus
from queries.text.secrets import SecretText

TARGET = f"deployment/{API}"
JOB = "nightly-backup"
MERGE = "application/merge-patch+json"
GONE = "fp-of-an-alert"


def alert(fingerprint: str = GONE, name: str = "HighErrorRate") -> Alert:
    return Alert(fingerprint, AlertState.ACTIVE, (("alertname", name), ("severity", "critical")))


async def test_read_only_lets_nothing_but_looks_leave(bench: Bench, tmp_path: Path) -> None:
    """Every action, tried under read-only: the server saw GETs, access reviews and dry runs, nothing else; no program ran."""
    second_revision(bench.cluster)
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    steps_of = {kind: tuple((step, (str(program),)) for step in LIMITS if step != "make") for kind in ("render", "api")}
    service = Service("render", steps_of["render"])
    token = Token("api", steps_of["api"], secrets=("api-token/token",), restart=("deployment/cad-render", "external/render"))
    bench.settings = bench.facts.settings = replace(bench.settings, services=(service,), tokens=(token,))
    bench.cluster.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api-token"}, "data": {"token": "b2xk"}}])
    told = replace(bench.settings, read_only=True)
    bench.facts.silences = {
        "s1": {"id": "s1", "status": {"state": "active"}, "matchers": [], "endsAt": "2030-01-01T00:00:00Z"},
    }
    bench.cluster.patch("cronjobs", JOB, {"spec": {"suspend": False}}, content_type=MERGE)
    targets = {
        "deployment": TARGET,
        "cronjob": f"cronjob/{JOB}",
        "pod": f"pod/{next(item['metadata']['name'] for item in bench.cluster.objects('pods'))}",
        "node": "node/node-1",
        "rollout": "rollout/web",
        "service": f"service/{API}",
        "configmap": "configmap/circuit-breaker-config",
        "matchers": 'alertname="X"',
        "silence": "silence/s1",
        "update": "update/i1/u1",
        "external": "external/render",
        "token": "token/api",
    }
    parameters = {
        "scale": {"replicas": "5"},
        "image": {"image": ":2.0.0"},
        "limits": {"cpu": "250m", "memory": "256Mi"},
        "silence": {"duration": "2h", "comment": "why"},
        "notify": {"channel": "chat"},
        "switch": {"to": "cad-render"},
        "set-key": {"key": "failure_threshold", "value": "9"},
    }
    tried: dict[str, list[Any]] = {}
    for action in (item for item in ACTIONS if item.target_kind != "call"):  # test_admin enumerates every call
        before = len(bench.cluster.requests)
        if action.name == "resume":
            bench.cluster.patch("deployments", API, {"spec": {"paused": True}})
        if action.target_kind == "rollout":
            install_rollout(bench, aborted=action.name == "retry")
        if action.name == "uncordon":
            bench.cluster.patch("nodes", "node-1", {"spec": {"unschedulable": True}})
        if action.name == "unsuspend":
            bench.cluster.patch("cronjobs", JOB, {"spec": {"suspend": True}}, content_type=MERGE)
        steps = await bench.act(action.name, targets[action.target_kind], settings=told, **parameters.get(action.name, {}))
        result, text = outcome(steps)
        assert result is Outcome.REFUSED, action.name
        assert "read-only: nothing will be sent" in text, action.name
        assert bench.previews[-1].blocked, action.name
        sent = [item for item in bench.cluster.requests[before:] if "selfsubject" not in item.path]
        tried[action.name] = [item for item in sent if item.method != "GET"]
    assert bench.writes() == [] and not (tmp_path / "started").exists()
    methods = {"run-now": {"POST"}, "evict": {"POST"}, "delete-pod": {"DELETE"}}
    for action in ACTIONS:
        if action.target_kind in CLUSTER_TARGETS:
            assert {item.method for item in tried[action.name]} == methods.get(action.name, {"PATCH"}), action.name
    dry_runs = [item for found in tried.values() for item in found]
    assert all(item.query["dryRun"] == "All" for item in dry_runs)
    (deletion,) = [item for item in dry_runs if item.method == "DELETE"]
    assert json.loads(deletion.body)["dryRun"] == ["All"]  # its query alone would be ignored


def install_rollout(bench: Bench, *, aborted: bool) -> None:
    """A canary that its controller has paused, or aborted."""
    bench.cluster.install_rollouts()
    steps = [{"setWeight": 50}, {"pause": {}}]
    status = {"stableRS": "a", "currentPodHash": "b", "currentStepIndex": 1, "abort": aborted, "phase": "Paused"}
    spec = {"replicas": 1, "strategy": {"canary": {"steps": steps}}}
    meta = {"name": "web"}
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": meta, "spec": spec, "status": status}
    if bench.cluster.objects("rollouts"):
        bench.cluster.delete("rollouts", "web")
    bench.cluster.apply([rollout])


async def test_read_only_holds_in_the_client_too(bench: Bench) -> None:
    """Even a writer that is called past the runner sends nothing under read-only, neither to Kubernetes nor to Alertmanager."""
    writer = Writer(replace(bench.settings, read_only=True))
    seen = len(bench.cluster.requests)
    with pytest.raises(PermissionError, match="read-only"):
        await writer.patch("deployments", API, {"spec": {"replicas": 9}}, content_type="application/merge-patch+json")
    secret = SecretText("value")
    calls = (
        writer.post_silence({}), writer.expire_silence("x"), writer.post_update("chat", {}),
        writer.write_secret("a", "b", secret), writer.write_token_file("/nowhere", secret),
        writer.run_program("external/render", "update", {}),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(PermissionError, match="read-only"):
            await call
    await writer.close()
    assert len(bench.cluster.requests) == seen


@pytest.mark.parametrize(
    ("status", "words"), [(409, "modified since the preview"), (403, "(403)"), (422, "(422)"), (429, "(429)")]
)
async def test_a_write_that_the_server_refuses_failed(bench: Bench, status: int, words: str) -> None:
    """A 4xx on the write itself is 'failed, nothing was changed', journalled, and never sent again."""

    def refuse(request: Any) -> None:
        if request.method == "PATCH" and "dryRun" not in request.query:
            bench.cluster.fail_next(status)

    bench.cluster.on_request(refuse)
    steps = await bench.act("scale", TARGET, replicas="5")
    result, text = outcome(steps)
    assert result is Outcome.FAILED, text
    assert "nothing was changed" in text
    assert words in text
    assert len(bench.writes()) == 1
    assert bench.cluster.deployment(API).desired == 3
    assert bench.journal is not None
    assert [event.data.get("outcome") for event in bench.journal.events()] == [None, "failed"]


WEBHOOK = (
    'Internal error occurred: failed calling webhook "guard.example.com": failed to call webhook: Post '
    '"https://guard.policy.svc:443/validate?timeout=10s": context deadline exceeded'
)
"""As an API server 1.36 answers with 500 when a webhook does not answer in its `timeoutSeconds`."""


@pytest.mark.parametrize("action", [("scale", {"replicas": "5"}), ("rollback", {}), ("restart", {}), ("pause", {})])
@pytest.mark.parametrize("dry", [True, False], ids=["dry run", "execute"])
async def test_an_admission_webhook_that_does_not_answer_is_named(
    bench: Bench, action: tuple[str, dict[str, str]], dry: bool
) -> None:
    """In the dry run it blocks; in the write it is 'failed, nothing was changed', at once: admission precedes storage."""
    second_revision(bench.cluster)
    before = bench.cluster.objects("deployments")

    def refuse(request: Any) -> None:
        if request.method == "PATCH" and ("dryRun" in request.query) is dry:
            bench.cluster.fail_next(500, message=WEBHOOK)

    bench.cluster.on_request(refuse)
    name, parameters = action
    result, text = outcome(await bench.act(name, TARGET, **parameters))
    assert result is (Outcome.REFUSED if dry else Outcome.FAILED), text
    said = "the admission webhook guard.example.com did not answer: failed to call webhook: Post"
    assert said in text and "ask who runs it" in text
    assert "starting or stopping" not in text
    assert len(bench.writes()) == (0 if dry else 1)
    assert bench.cluster.objects("deployments") == before
    assert bench.journal is not None
    outcomes = [event.data.get("outcome") for event in bench.journal.events(kinds=["action.outcome"])]
    assert outcomes == ([] if dry else ["failed"])
    if not dry:
        assert "nothing was changed" in text


async def test_a_webhook_slower_than_the_console_leaves_it_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The console's own time limit is over first. In the dry run nobody knows what the server would do, and it blocks; in the
    write it is unknown until the change is seen.
    """
    monkeypatch.setattr(run_effect, "APPLIED_SECONDS", 0.5)

    def hang(request: Any, *, dry: bool) -> None:
        held = request.method == "PATCH" and ("dryRun" in request.query) is dry
        bench.cluster.delay(30.0 if held else 0.0)

    bench.cluster.on_request(lambda request: hang(request, dry=True))
    result, text = outcome(await bench.act("scale", TARGET, replicas="5"))
    assert result is Outcome.REFUSED, text
    assert "could not check whether the server would accept it: the API server did not answer within 3s" in text
    bench.cluster.on_request(lambda request: hang(request, dry=False))
    result, text = outcome(await bench.act("scale", TARGET, replicas="5"))
    assert result is Outcome.UNKNOWN, text
    assert "it may still arrive" in text
    assert bench.cluster.deployment(API).desired == 3


async def test_a_stale_precondition_is_refused_by_the_server(bench: Bench) -> None:
    """When somebody changes the Deployment between our last look and our write, the server says 409 and nothing happens."""
    second_revision(bench.cluster)
    await asyncio.sleep(0.5)
    others = iter("abcd")

    class Late(Writer):
        async def patch(self, *arguments: Any, dry_run: bool = False, **named: Any) -> dict[str, Any]:
            if not dry_run:
                bench.cluster.patch("deployments", API, {"metadata": {"labels": {"somebody": next(others)}}})
            return await super().patch(*arguments, dry_run=dry_run, **named)

    for action, parameters in (("scale", {"replicas": "5"}), ("rollback", {}), ("restart", {}), ("pause", {})):
        writer = Late(bench.settings)
        last = None
        async for step in runner.run(
            Request(action, TARGET, parameters), runner.RunContext(bench.settings, bench.facts, writer, bench.journal), _yes
        ):
            last = step
        await writer.close()
        assert last is not None
        assert (last.outcome, "(409)" in last.text) == (Outcome.FAILED, True), (action, last.text)
    state = bench.cluster.deployment(API)
    assert (state.desired, state.paused, state.restarted_at) == (3, False, "")


async def test_denied_blocks_before_anything_is_sent(bench: Bench) -> None:
    """Without the right to patch, the access review says so and the confirmation counts for nothing."""
    bench.cluster.deny("patch", "deployments/scale")
    result, text = outcome(await bench.act("scale", TARGET, replicas="5"))
    assert result is Outcome.REFUSED
    assert "you may not patch deployments/scale" in text
    assert bench.writes() == []


async def test_an_answer_that_is_lost_is_looked_for(bench: Bench) -> None:
    """The connection breaks after the server took the write: it is seen to have taken effect, and that is 'done'."""
    with CuttingProxy(bench.cluster.url) as proxy:
        settings = _through(bench, proxy)
        proxy.cut = lambda chunk: chunk.startswith(b"PATCH") and b"dryRun" not in chunk
        result, text = outcome(await bench.act("scale", TARGET, settings=settings, replicas="5"))
    assert result is Outcome.DONE, text
    assert proxy.cuts == 1
    assert len(bench.writes()) == 1


async def test_a_write_that_got_lost_is_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks and the change is not there: unknown, journalled so, and not sent again."""
    monkeypatch.setattr(run_effect, "APPLIED_SECONDS", 0.5)
    with CuttingProxy(bench.cluster.url) as proxy:
        settings = _through(bench, proxy)
        proxy.deliver = False
        proxy.cut = lambda chunk: chunk.startswith(b"PATCH") and b"dryRun" not in chunk
        result, text = outcome(await bench.act("restart", TARGET, settings=settings))
    assert result is Outcome.UNKNOWN, text
    assert (proxy.cuts, bench.writes()) == (1, [])
    assert bench.journal is not None
    assert bench.journal.events()[-1].data["outcome"] == "unknown"


async def test_a_lost_write_that_can_no_longer_land_is_known_to_have_changed_nothing(bench: Bench) -> None:
    """The write is swallowed, then the Deployment gets another version: the server would refuse ours now, and that is proof."""
    with CuttingProxy(bench.cluster.url) as proxy:
        settings = _through(bench, proxy)
        proxy.deliver = False

        def cut(chunk: bytes) -> bool:
            if not chunk.startswith(b"PATCH") or b"dryRun" in chunk:
                return False
            bench.cluster.patch("deployments", API, {"metadata": {"labels": {"touched": "yes"}}})
            return True

        proxy.cut = cut
        result, text = outcome(await bench.act("scale", TARGET, settings=settings, replicas="5"))
    assert result is Outcome.FAILED, text
    assert "nothing was changed" in text
    assert bench.cluster.deployment(API).desired == 3


async def test_a_lost_write_that_may_still_land_is_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Deployment is as it was, at the very version that the write names: it may still arrive, and that is said."""
    monkeypatch.setattr(run_effect, "APPLIED_SECONDS", 0.5)
    quiet(bench.cluster, past=0)
    with CuttingProxy(bench.cluster.url) as proxy:
        settings = _through(bench, proxy)
        proxy.deliver = False
        proxy.cut = lambda chunk: chunk.startswith(b"PATCH") and b"dryRun" not in chunk
        result, text = outcome(await bench.act("scale", TARGET, settings=settings, replicas="5"))
    assert result is Outcome.UNKNOWN, text
    assert "may still arrive" in text


async def test_a_connection_that_never_came_about_sent_nothing(bench: Bench) -> None:
    """Refused at the moment of the write: nothing was sent, in words, with the intent closed in the journal."""

    class Unplugged(Writer):
        async def patch(self, *arguments: Any, dry_run: bool = False, **named: Any) -> dict[str, Any]:
            if dry_run:
                return await super().patch(*arguments, dry_run=dry_run, **named)
            raise Unreachable("the API server refuses connections")

    writer = Unplugged(bench.settings)
    steps = [
        step
        async for step in runner.run(
            Request("scale", TARGET, {"replicas": "5"}),
            runner.RunContext(bench.settings, bench.facts, writer, bench.journal),
            _yes,
        )
    ]
    await writer.close()
    result, text = outcome(steps)
    assert (result, text.startswith("nothing was sent")) == (Outcome.REFUSED, True)
    assert bench.journal is not None
    assert bench.journal.unfinished() == ()
    assert bench.journal.events()[-1].data["outcome"] == "refused"


async def test_a_source_that_does_not_answer_is_the_fault_of_the_last_step(bench: Bench) -> None:
    """With the API server gone the plan is refused, and the step carries the fault for the exit code."""
    bench.cluster.stop()
    steps = await bench.act("scale", TARGET, replicas="5")
    assert outcome(steps)[0] is Outcome.REFUSED
    assert steps[-1].fault is not None


async def test_facts_that_move_are_shown_again(bench: Bench) -> None:
    """Somebody scales while one reads the preview: a second preview comes, and what is done is what that one said."""
    seen: list[str] = []

    async def confirm(preview: Preview) -> bool:
        seen.append(next(item.before for item in preview.plan.differences if item.name == "replicas"))
        if len(seen) == 1:
            bench.cluster.patch("deployments", API, {"spec": {"replicas": 4}})
            await asyncio.to_thread(quiet, bench.cluster, API, past=0)
        return True

    assert outcome(await bench.act("scale", TARGET, confirm=confirm, replicas="6"))[0] is Outcome.DONE
    assert seen == ["3", "4"]
    assert bench.cluster.deployment(API).desired == 6


async def test_declined_sends_nothing_and_leaves_no_intent(bench: Bench) -> None:
    """'No' is refused; the journal keeps that somebody looked, not an intent."""

    async def no(_: Preview) -> bool:
        return False

    result, text = outcome(await bench.act("scale", TARGET, confirm=no, replicas="5"))
    assert (result, text) == (Outcome.REFUSED, "not confirmed: nothing was sent")
    assert bench.writes() == []
    assert bench.journal is not None
    assert [event.kind for event in bench.journal.events()] == ["action.declined"]


async def test_no_write_without_its_journal_entry(bench: Bench, tmp_path: Path) -> None:
    """No journal, a closed one and a locked one: the action is blocked, and no write reaches the server."""
    bench.journal, bench.journal_fault = None, "read-only home"
    result, text = outcome(await bench.act("scale", TARGET, replicas="5"))
    assert (result, "read-only home" in text) == (Outcome.REFUSED, True)
    with (
        Journal.open(tmp_path / "other.sqlite3", busy_seconds=0.2) as journal,
        closing(sqlite3.connect(tmp_path / "other.sqlite3", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        bench.journal = journal
        result, text = outcome(await bench.act("scale", TARGET, replicas="5"))
        other.execute("ROLLBACK")
    assert (result, "locked" in text) == (Outcome.REFUSED, True)
    assert bench.writes() == []


async def test_a_journal_that_fails_at_the_intent_stops_the_write(bench: Bench, tmp_path: Path) -> None:
    """It is lost between preflight and intent: refused, nothing sent."""
    journal = bench.journal
    assert journal is not None

    async def confirm(_: Preview) -> bool:
        journal.close()
        return True

    result, text = outcome(await bench.act("scale", TARGET, confirm=confirm, replicas="5"))
    assert (result, "no write without its journal entry" in text) == (Outcome.REFUSED, True)
    assert bench.writes() == []


async def test_leaving_while_it_is_verified_is_unknown(bench: Bench) -> None:
    """Whoever listens goes away after the write was sent: the journal says unknown, at once."""
    bench.cluster.break_image(":1.9.0")
    writer = Writer(bench.settings)
    steps = runner.run(Request("restart", TARGET), runner.RunContext(bench.settings, bench.facts, writer, bench.journal), _yes)
    async with aclosing(steps):
        async for step in steps:
            if step.stage is Stage.VERIFY:
                break
    await writer.close()
    assert bench.journal is not None
    assert bench.journal.events()[-1].data["outcome"] == "unknown"
    assert bench.journal.unfinished() == ()


async def test_a_cancelled_run_is_journalled(bench: Bench) -> None:
    """Cancelling the task in the middle of the verification leaves the outcome unknown, not an open intent."""
    bench.cluster.break_image(":1.8.2")
    task = asyncio.ensure_future(bench.act("restart", TARGET))
    assert bench.journal is not None
    for _ in range(200):
        await asyncio.sleep(0.02)
        if bench.writes():
            break
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.journal.events()[-1].data["outcome"] == "unknown"


async def test_a_rollout_that_does_not_come_failed(bench: Bench) -> None:
    """The new pods never become ready: after the verification's limit it failed, with what was last seen."""
    bench.cluster.break_image(":1.8.2")
    told = replace(bench.settings, verify_timeout_seconds=0.7)
    result, text = outcome(await bench.act("restart", TARGET, settings=told))
    assert result is Outcome.FAILED
    assert "not done after 700ms" in text
    assert "new pods" in text


async def test_done_waits_for_the_alert_and_tells_the_panel(bench: Bench) -> None:
    """A rollback that an alert caused is done when the alert is gone; the sentence holds the panel before and after."""
    second_revision(bench.cluster)
    looks = 0

    class Recovering(Facts):
        async def alerts(self) -> tuple[Alert, ...]:
            nonlocal looks
            if bench.writes():
                looks += 1
                self.panel = (0.4, "0.4 %")
                self.alerts_now = () if looks > 2 else self.alerts_now
            return self.alerts_now

    bench.facts.__class__ = Recovering
    bench.facts.alerts_now, bench.facts.panel = (alert(),), (7.8, "7.8 %")
    cause = {"fingerprint": GONE, "panel_id": "error_ratio", "cause": "alert HighErrorRate"}
    steps = await bench.act("rollback", TARGET, request=cause)
    result, text = outcome(steps)
    assert result is Outcome.DONE
    assert text.endswith("error ratio 7.8 % → 0.4 %; HighErrorRate resolved"), text
    assert any("waiting for the platform" in step.text for step in steps)


async def test_a_platform_that_does_not_follow_failed(bench: Bench) -> None:
    """Rolled out, but the alert still fires at the limit: failed, and the sentence says both."""
    second_revision(bench.cluster)
    bench.facts.alerts_now = (alert(),)
    told = replace(bench.settings, verify_timeout_seconds=extend(2.0))
    result, text = outcome(await bench.act("rollback", TARGET, settings=told, request={"fingerprint": GONE}))
    assert result is Outcome.FAILED
    assert "rolled out" in text
    assert "HighErrorRate is still firing" in text


async def test_an_alert_source_that_dies_leaves_it_unknown(bench: Bench) -> None:
    """The rollout is seen, the alert cannot be asked for: that is unknown, never done."""

    class Blind(Facts):
        async def alerts(self) -> tuple[Alert, ...]:
            raise Unreachable("Alertmanager is gone")

    bench.facts.__class__ = Blind
    told = replace(bench.settings, verify_timeout_seconds=extend(2.0))
    result, text = outcome(await bench.act("scale", TARGET, settings=told, replicas="4", request={"fingerprint": GONE}))
    assert (result, "Alertmanager is gone" in text) == (Outcome.UNKNOWN, True)


async def test_a_cluster_that_dies_after_the_write_is_unknown(bench: Bench) -> None:
    """The server took the write and died: what cannot be seen is unknown."""
    with CuttingProxy(bench.cluster.url) as proxy:
        settings = replace(_through(bench, proxy), verify_timeout_seconds=1.0)

        class Dying(Writer):
            async def patch(self, *arguments: Any, dry_run: bool = False, **named: Any) -> dict[str, Any]:
                answer = await super().patch(*arguments, dry_run=dry_run, **named)
                if not dry_run:
                    await asyncio.to_thread(bench.cluster.stop)
                return answer

        writer = Dying(settings)
        steps = [
            step
            async for step in runner.run(
                Request("scale", TARGET, {"replicas": "5"}),
                runner.RunContext(settings, bench.facts, writer, bench.journal),
                _yes,
            )
        ]
        await writer.close()
    result, text = outcome(steps)
    assert (result, "could not be checked" in text) == (Outcome.UNKNOWN, True), text


async def test_the_preview_says_when_the_hpa_cannot_be_read(bench: Bench) -> None:
    """Forbidden to list HPAs: a warning that an HPA may fight, not a failure."""
    bench.cluster.deny("list", "horizontalpodautoscalers")
    assert outcome(await bench.act("scale", TARGET, replicas="5"))[0] is Outcome.DONE
    (check,) = [item for item in bench.previews[0].checks if item.how == "HPA"]
    assert (check.level, "could not check for a conflicting HPA" in check.text) == (CheckLevel.WARN, True)


async def test_the_journal_keeps_no_secret(bench: Bench) -> None:
    """Of environment values that look like secrets, by name or by form, the preview tells that they differ, and the journal not
    even that. Other values are kept.
    """
    values = {"API_TOKEN": "hunter2", "DB_PASS": "hunter2", "CACHE_URL": "redis://:hunter2@cache:6379/0", "MODE": "slow"}
    env = [{"name": name, "value": value} for name, value in values.items()]
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": [{"name": API, "env": env}]}}}})
    quiet(bench.cluster)
    await bench.act("rollback", TARGET)
    differences = {item.name: item for item in bench.previews[0].plan.differences}
    assert [differences[f"env {name}"].before[:8] for name in values] == ["(hidden "] * 3 + ["slow"]
    assert "hunter2" not in repr(bench.previews)
    assert bench.journal is not None
    events = bench.journal.events()
    (intent,) = [item for item in events if item.kind == "action.intent"]
    kept = {name: before for name, before, _ in intent.data["differences"]}
    assert [kept[f"env {name}"] for name in values] == ["(not kept)"] * 3 + ["slow"]
    assert "hunter2" not in repr(events) and "(hidden " not in repr(events)


async def _yes(_: Preview) -> bool:
    return True


def _through(bench: Bench, proxy: CuttingProxy) -> Any:
    """The settings with a kubeconfig that goes through the proxy."""
    assert bench.settings.kubernetes is not None
    path = Path(bench.settings.kubernetes.kubeconfig)
    other = path.with_name("through-proxy")
    other.write_text(path.read_text().replace(bench.cluster.url, proxy.url))
    return replace(bench.settings, kubernetes=placed(replace(bench.settings.kubernetes, kubeconfig=str(other))))


def of(namespace: str, fingerprint: str = "fp-1", **labels: str) -> Alert:
    told = {"alertname": "HighErrorRate", "severity": "critical", "deployment": API, "namespace": namespace, **labels}
    return Alert(fingerprint, AlertState.ACTIVE, tuple(sorted((key, value) for key, value in told.items() if value)))


@pytest.mark.parametrize("request_", [{"fingerprint": "fp-1"}, {"cause": "alert HighErrorRate"}])
async def test_an_alert_of_elsewhere_changes_nothing_here(bench: Bench, request_: dict[str, str]) -> None:
    """By fingerprint or by cause: the preview is blocked, says why and what to run instead, and nothing was sent."""
    second_revision(bench.cluster)
    bench.facts.alerts_now = (of("payments"),)
    steps = await bench.act("rollback", TARGET, request=request_)
    result, text = outcome(steps)
    assert result is Outcome.REFUSED
    assert "the alert is about another place: its label namespace says payments" in text
    assert "kubectl -n payments rollout history deployment/cad-ml-api" in text
    assert bench.previews[-1].blocked
    assert bench.writes() == []


async def test_an_alert_of_here_among_namesakes_is_no_ok(bench: Bench) -> None:
    """A cause by name alone may mean any of them: one about another place is named; a fingerprint means exactly one."""
    bench.facts.alerts_now = (of("cad-ml-platform", "fp-2"), of("payments"))
    assert outcome(await bench.act("restart", TARGET, request={"cause": "alert HighErrorRate"}))[0] is Outcome.DONE
    (told,) = [check for check in bench.previews[0].checks if check.how == "place of the alert"]
    assert told.level is CheckLevel.WARN
    assert told.text.startswith("1 of 2 alerts named HighErrorRate is about another place: its label namespace says payments")
    assert told.text.endswith("name the alert with --alert")
    refused_ = await bench.act("restart", TARGET, request={"fingerprint": "fp-1"})
    assert outcome(refused_)[0] is Outcome.REFUSED


async def test_a_pod_of_elsewhere_is_looked_for(bench: Bench) -> None:
    """An alert without a namespace is of here where its pod is; one that nobody has here is refused."""
    pod = bench.cluster.objects("pods")[0]["metadata"]["name"]
    bench.facts.alerts_now = (of("", "here", pod=pod), of("", "gone", pod="payments-5f-x1"))
    steps = await bench.act("restart", TARGET, request={"fingerprint": "gone"})
    assert "its pod payments-5f-x1 is not one of cad-ml-platform" in outcome(steps)[1]
    assert not bench.writes()

    async def no(_: Preview) -> bool:
        return False

    await bench.act("restart", TARGET, request={"fingerprint": "here"}, confirm=no)
    assert not bench.previews[-1].blocked


async def test_an_alert_whose_place_nobody_knows_asks_for_the_name(bench: Bench) -> None:
    """Gone, mistyped, or its server down: in an environment that is not protected too the name has to be typed, so that `--yes`
    alone sends nothing.
    """

    class Down(Facts):
        async def alert(self, fingerprint: str) -> Alert | None:
            raise Unreachable("Alertmanager is gone")

    async def no(_: Preview) -> bool:
        return False

    for kind in (Facts, Down):
        bench.facts.__class__ = kind
        await bench.act("restart", TARGET, request={"fingerprint": "fp-9"}, confirm=no)
        (told,) = [check for check in bench.previews[-1].checks if check.how == "place of the alert"]
        assert (told.level, told.word) == (CheckLevel.ASK, API)
        assert bench.previews[-1].second_words == (API,)
        assert not check_confirmations(bench.previews[-1], ())
        assert check_confirmations(bench.previews[-1], (API,))
    assert "Alertmanager is gone" in told.text


def _rules_answer(*alerts: dict[str, Any], warnings: Iterable[str] = ()) -> dict[str, Any]:
    rule = {"type": "alerting", "name": "HighErrorRate", "query": "x", "duration": 60, "labels": {}, "annotations": {},
            "health": "ok", "state": "firing", "alerts": alerts, "evaluationTime": 0.1,
            "lastEvaluation": "2026-01-01T00:00:00Z"}  # fmt: skip
    groups = [{"name": "g", "file": "f", "interval": 5, "rules": [rule]}]
    return {"status": "success", "data": {"groups": groups}, "warnings": list(warnings)}


@pytest.mark.parametrize(
    ("listed", "warnings", "recovered"),
    [(("firing",), (), False), ((), (), True), ((), ("store 10.0.0.2:10901 did not respond",), None)],
)
async def test_an_alert_that_only_prometheus_has_is_watched_there(
    bench: Bench, listed: tuple[str, ...], warnings: tuple[str, ...], recovered: bool | None
) -> None:
    """An alert that Alertmanager never had is not gone because Alertmanager does not list it: Prometheus' rules decide.

    It was pending when the action was requested; missing from a partial list it is not known.
    """
    labels = {"alertname": "HighErrorRate", "component": "ocr"}
    pending = {"state": "pending", "labels": labels, "annotations": {}, "activeAt": "2026-01-01T00:00:00Z", "value": "1"}
    answers = [_rules_answer(pending)] * 2
    answers.append(_rules_answer(*({**pending, "state": each} for each in listed), warnings=warnings))
    alertmanager = Alertmanager(
        [Endpoint("http://alertmanager")], transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[]))
    )

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers.pop(0)) if request.url.path.endswith("/rules") else httpx.Response(404)

    prometheus = Prometheus(Endpoint("http://prometheus"), transport=httpx.MockTransport(answer))
    (alert,) = (await prometheus.rules()).alerts
    board = StateStore(bench.settings, (), runbooks=RunbookIndex(()))
    reads = LiveClusterReader(kubernetes=None, alertmanager=alertmanager, prometheus=prometheus, specs=(), state=board)
    trigger = Trigger(Request("restart", TARGET, fingerprint=alert.fingerprint), bench.settings)
    assert trigger.recovered(await trigger.probe(reads)) is False
    assert trigger.recovered(await trigger.probe(reads)) is recovered
    await prometheus.close()
    await alertmanager.close()


async def test_a_headless_lookup_finds_what_only_prometheus_lists(bench: Bench) -> None:
    """Without a screen's list the fingerprint says which server has it: the rules of Prometheus, asked once."""
    labels = {"alertname": "HighErrorRate", "namespace": "payments"}
    firing = {"state": "firing", "labels": labels, "annotations": {}, "activeAt": "2026-01-01T00:00:00Z", "value": "1"}
    body = _rules_answer(firing)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=body)

    prometheus = Prometheus(Endpoint("http://prometheus"), transport=httpx.MockTransport(answer))
    (listed,) = (await prometheus.rules()).alerts
    asked.clear()
    board = StateStore(bench.settings, (), runbooks=RunbookIndex.load(bench.settings.paths.runbooks_dir or "none"))
    reads = LiveClusterReader(kubernetes=None, alertmanager=None, prometheus=prometheus, specs=(), state=board)
    assert await reads.alert(listed.fingerprint) == listed
    assert asked == ["/api/v1/rules"]
    with pytest.raises(NotConfigured, match="Alertmanager"):
        await reads.alert("0123456789abcdef")
    (check,) = await check_alert_place(Request("restart", TARGET, fingerprint=listed.fingerprint), bench.settings, reads)
    assert check.level is CheckLevel.BLOCK
    await prometheus.close()


async def test_no_workload_is_changed_in_a_cluster_that_nobody_can_name(bench: Bench) -> None:
    """The kubeconfig could not be read at the start and can be now: preview and journal would name no cluster, so it blocks."""
    assert bench.settings.kubernetes is not None
    told = replace(bench.settings, kubernetes=replace(bench.settings.kubernetes, place=None))
    result, text = outcome(await bench.act("restart", TARGET, settings=told))
    assert result is Outcome.REFUSED
    assert "the kubeconfig could not be read at start, so the cluster is unknown" in text
    assert bench.writes() == []


async def test_too_many_silences_name_the_flag(bench: Bench) -> None:
    """Alertmanager counts expired silences too: the refusal names what to change."""
    refusal = b'"exceeded maximum number of silences: 2 (limit: 2)"'
    with serve(lambda request: Reply(refusal, 400) if request.method == "POST" else Reply(b"{}")) as url:
        writer = Writer(replace(bench.settings, alertmanagers=(Endpoint(url),)))
        with pytest.raises(RequestRejected, match=r"number of silences.*expired silences count.*--silences.max-silences"):
            await writer.post_silence({})
        await writer.close()


async def test_the_slower_of_two_rollbacks_reads_who_was_faster(bench: Bench) -> None:
    """Ann confirms a rollback to revision 1 that bob has just made: she reads who rolled back what to what, and when,
    before the reason that revision 1 no longer exists.
    """
    second_revision(bench.cluster)
    bob = replace(bench.settings, user="bob@vm")
    theirs: list[object] = []

    async def too_late(preview: Preview) -> bool:
        if not theirs:
            theirs.append(None)
            theirs.append(await bench.act("rollback", TARGET, settings=bob, revision="1"))
        return True

    last = (await bench.act("rollback", TARGET, confirm=too_late, revision="1"))[-1]
    assert last.outcome is Outcome.REFUSED
    assert last.text.startswith(f"refused, nothing was sent: bob@vm: Roll back {TARGET}, image ")
    assert last.text.count("nothing was sent") == 1
    assert " → 1.8.2, 0s ago: done" in last.text
    assert "has no revision 1" in last.text


async def test_the_age_of_what_another_did_does_not_come_from_their_clock(bench: Bench) -> None:
    """The clock of the console that Bob acted on is ten minutes ahead: what he did there two seconds ago is two seconds old,
    once it is known by how much. His intent names that console; his others may have other clocks.
    """
    assert bench.journal is not None
    second_revision(bench.cluster)
    journal, now = bench.journal, time.time()

    async def refuse(preview: Preview) -> bool:
        data = {"action": "scale", "target": TARGET, "title": f"Scale {TARGET}", "outcome": "done", "text": "done in 1s"}
        begun = {"action": "scale", "target": TARGET, "title": f"Scale {TARGET}", "process": "vm boot 1 1"}
        for kind, written in (("action.intent", begun), ("action.outcome", data)):
            journal.append(Event(now - 2.0 + 600.0, kind, "r1", "bob@vm", bench.settings.environment, written))
        bench.cluster.patch("deployments", API, {"spec": {"paused": True}})
        return True

    steps = runner.run(
        Request("rollback", TARGET, {"revision": "1"}),
        runner.RunContext(
            bench.settings,
            bench.facts,
            Writer(bench.settings),
            journal,
            clock=lambda: now,
            clock_ahead_seconds=lambda author, console: {("bob@vm", "vm boot 1 1"): 600.0}.get((author, console), 0.0),
        ),
        refuse,
    )
    async with aclosing(steps):
        texts = [step.text async for step in steps]
    assert any(f"bob@vm: Scale {TARGET}, 2s ago: done in 1s" in text for text in texts), texts
