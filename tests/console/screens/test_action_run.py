"""The page of a run: pods as blocks, the chart with the confirmation, one sentence of figures, and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from painting import notices_of
from patience import until
from screen_samples import NOW, cluster, snapshot

from console.actions.plan import Outcome, Request, RunStep, Stage
from console.journal.acknowledgements import Acknowledgement
from console.screens.action_run import ActionRunScreen
from console.screens.action_run_model import ActionRunModel, summarize_run
from console.screens.rollout_view import render_pods
from console.state.incident import Incident, Incidents
from console.state.journal_state import JournalState
from queries.model.alert import AlertState, TrackedAlert
from queries.model.pod import Pod
from queries.model.severity import Priority
from queries.model.workload import BatchJob, Workload
from widgets.line_filters import to_ascii

ALERT = "fp-HighErrorRate-"
REQUEST = Request("rollback", "deployment/cad-ml-api", cause="alert HighErrorRate", panel_id="error_ratio", fingerprint=ALERT)


def pod(name: str, revision: int, *, ready: bool = False, reason: str = "") -> Pod:
    (sample, *_) = cluster().pods
    return replace(sample, name=f"cad-ml-api-rs{revision}-{name}", uid=name, ready=ready, reason=reason)


def test_every_state_of_a_pod_reads_without_colour() -> None:
    """Old and new pods, each state with its own glyph and count in words, also in ASCII; of many the rest is a number."""
    pods = (
        pod("a", 41, ready=True), pod("b", 41, reason="Terminating"),
        pod("c", 42, ready=True), pod("d", 42),
        pod("e", 42, reason="ImagePullBackOff"), pod("f", 42, reason="ContainerCreating"),
    )  # fmt: skip
    shown = replace(cluster(), pods=pods)
    api = shown.workload("cad-ml-api")
    assert api is not None
    new, old = ("".join(words for words, _ in line) for line in render_pods(shown, api, 100))
    assert new == " new  revision 42  █▒✗▒··  1 ready, 2 starting, 1 ImagePullBackOff, 2 not created"
    assert old == " old  revision 41  █░  1 ready, 1 terminating"
    evicted = (*pods, replace(pod("g", 42, reason="Evicted"), phase="Failed"))
    new = "".join(words for words, _ in render_pods(replace(cluster(), pods=evicted), api, 100)[0])
    assert new == " new  revision 42  █▒✗▒░··  1 ready, 2 starting, 1 ImagePullBackOff, 1 ended (Evicted), 2 not created"
    assert len({to_ascii(glyph) for glyph in "█▒✗░·"}) == 5
    many = replace(shown, pods=tuple(pod(f"p{at:03}", 42, ready=True) for at in range(200)))
    (line,) = render_pods(many, replace(api, desired=200), 80)
    assert "█ +" in "".join(words for words, _ in line) and len("".join(words for words, _ in line)) < 80


def ended(outcome: Outcome = Outcome.DONE, *, recovered_at: float | None = None, request: Request = REQUEST) -> ActionRunModel:
    """Confirmed 60 s ago, and ended 20 s ago."""
    run = ActionRunModel(request, alert="HighErrorRate" if request.fingerprint else "", began_at=NOW - 132.0)
    run.confirmed, run.finished, run.confirmed_at = True, True, NOW - 60.0
    run.steps.append(RunStep(Stage.INTENT, "intent journalled as #7", NOW - 59.5, 1.0))
    run.steps.append(
        RunStep(Stage.OUTCOME, f"{outcome.value} in 40s", NOW - 20.0, 41.0, outcome=outcome, recovered_at=recovered_at)
    )
    return run


@pytest.mark.parametrize(
    ("outcome", "recovered_at", "failed", "sentence"),
    [
        (
            Outcome.DONE, NOW - 51.0, (2286.0, ""),
            "recovered 9s after confirmation; 2,286 requests failed since HighErrorRate began",
        ),
        (
            Outcome.FAILED, None, (1.0, ""),
            "not recovered 40s after confirmation; 1 request failed since HighErrorRate began",
        ),
        (
            Outcome.UNKNOWN, None, (None, "Prometheus is not configured"),
            "unknown whether it recovered; failed requests unknown: Prometheus is not configured",
        ),
        (Outcome.DONE, NOW - 51.0, None, "recovered 9s after confirmation; counting failed requests …"),
        (
            Outcome.DONE, None, (None, "Prometheus has fewer than two samples in these 2s"),
            "done 40s after confirmation; nothing had to recover; "
            "failed requests unknown: Prometheus has fewer than two samples in these 2s",
        ),
        (Outcome.REFUSED, None, None, ""),
    ],
)  # fmt: skip
def test_one_sentence_with_figures_and_nothing_that_was_not_measured(
    outcome: Outcome, recovered_at: float | None, failed: tuple[float | None, str] | None, sentence: str
) -> None:
    """A figure stands there only where it was observed; a run that sent nothing has no sentence."""
    run = ended(outcome, recovered_at=recovered_at)
    run.failed_requests = failed
    assert summarize_run(run) == sentence


def test_without_an_alert_failures_count_from_the_confirmation() -> None:
    """An action of its own accord recovers nothing, and says so."""
    run = ended(request=Request("restart", "deployment/cad-ml-api"))
    run.began_at, run.failed_requests = None, (0.0, "")
    words = "done 40s after confirmation; no alert or panel led to it; 0 requests failed since confirmation"
    assert summarize_run(run) == words


async def test_an_alert_that_is_delivered_has_not_recovered(stage: Callable[..., Any]) -> None:
    """The action followed an undelivered alert: listed by Alertmanager it fires on, by another fingerprint, of which the chart
    is then; gone it is over, and the chart shows how.
    """
    made = stage()
    first, *others = made.session.shown.alerts
    lost = replace(first, alert=replace(first.alert, fingerprint="prometheus:1", state=AlertState.UNDELIVERED))
    run = ended(Outcome.FAILED, request=replace(REQUEST, fingerprint="prometheus:1", panel_id=""))
    run.watch_until = NOW + 600.0
    asked: list[tuple[str, str]] = []
    histories = made.session.alert_histories

    def note(fingerprint: str, requested: Any, last: TrackedAlert) -> Any:
        asked.append((fingerprint, last.alert.fingerprint))
        return histories(fingerprint, requested, last)

    made.session.alert_histories = note  # type: ignore[method-assign]
    made.session.deliver(replace(made.session.shown, alerts=(lost, *others)))
    async with made.app.run_test(size=(80, 24)) as pilot:
        await made.until(pilot, "HighErrorRate")
        made.app.push_screen(ActionRunScreen(run))
        await made.until(pilot, "not recovered 40s after confirmation")
        for at, alerts in ((10.0, (first, *others)), (30.0, others)):
            made.now = NOW + at
            assert run.recovered_at is None
            made.session.deliver(replace(made.session.shown, taken_at=made.now, alerts=tuple(alerts)))
            await until(pilot, lambda at=at: len(asked) > 1 + (at > 10.0), "the next trend")
        await made.until(pilot, "recovered 1m30s after confirmation")
    assert asked == [("prometheus:1",) * 2, (ALERT,) * 2, (ALERT,) * 2]


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_page_at_every_size(stage: Callable[..., Any], size: tuple[int, int]) -> None:
    """Pods, the chart of five minutes with the mark of the confirmation, the sentence and the stages fit the smallest terminal;
    `w` watches on, and the recovery that comes then is in the sentence, which the failures follow.
    """
    made = stage()
    counted: list[tuple[float, float]] = []

    async def failed_requests(start: float, end: float) -> tuple[float | None, str]:
        counted.append((start, end))
        return 2286.0, ""

    made.session.failed_requests = failed_requests  # type: ignore[method-assign]
    run = ended(Outcome.FAILED)
    async with made.app.run_test(size=size) as pilot:
        await made.until(pilot, "HighErrorRate")
        made.app.push_screen(ActionRunScreen(run))
        shown = await made.until(pilot, "not recovered 40s after confirmation; 2,286 requests failed since")
        assert counted == [(NOW - 132.0, NOW - 20.0)]
        for words in (
            " new  revision 42  █████✗  5 ready, 1 CrashLoopBackOff", "Error ratio, the last 5m", "A confirmed", "warn",
            "because of alert HighErrorRate", "intent journalled as #7", "w watch on",
        ):  # fmt: skip
            assert words in shown, words
        await made.press(pilot, "a", "u")
        assert "hand back: you hold no alert that led to this action" in notices_of(made.app)
        assert "write update: no single incident is open" in notices_of(made.app)
        made.app.clear_notifications()
        await made.press(pilot, "w")
        await made.until(pilot, "watching until 14:08:27")
        made.now = NOW + 30.0
        quiet: dict[str, Any] = {"taken_at": made.now, "alerts": made.session.shown.alerts[1:]}
        made.session.deliver(replace(made.session.shown, **quiet))
        await made.until(pilot, "recovered 1m30s after confirmation; 2,286 requests failed")
        assert counted[1:] == [(NOW - 132.0, NOW + 30.0)]
        assert notices_of(made.app) == []


async def test_the_footer_offers_what_can_be_done_next(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One's own alert is handed back, and the open incident gets its update."""
    incident = Incident("i4", 4, "error ratio", Priority.P1, NOW - 600.0, "you@bastion")
    ledger = JournalState(incidents=Incidents((incident,)), owners={ALERT: Acknowledgement("you@bastion", NOW - 60.0)})
    made = stage(snapshot(ledger=ledger))
    sent: list[object] = []
    async with made.app.run_test(size=(100, 30)) as pilot:
        await made.until(pilot, "HighErrorRate")
        monkeypatch.setattr(made.app.flows.acknowledgements, "toggle", sent.append)
        monkeypatch.setattr(made.app.flows.incidents, "run", lambda request: sent.append(request.incident_id))
        made.app.push_screen(ActionRunScreen(ended(recovered_at=NOW - 51.0)))
        await made.until(pilot, "a hand back  u write update  w watch on")
        await made.press(pilot, "a", "u")
    assert sent == [ALERT, "i4"]


async def test_a_run_now_has_no_rollout(stage: Callable[..., Any]) -> None:
    """A CronJob rolls nothing out: its own state stands there, its pods are on one line, and a completed one does not start."""
    done = replace(pod("old", 1), phase="Succeeded", labels=(), owner_uid="uid-1")
    now = replace(pod("new", 1, ready=True), labels=(), owner_uid="uid-2")
    batch = BatchJob("CronJob", "nightly", "10 3 * * *", active=1, started_at=NOW - 3e4, succeeded_at=NOW - 8e4)
    (api, *others) = cluster().workloads
    cron = replace(api, name="nightly", uid="uid-0", kind="CronJob", batch=batch, selector=(), desired=1, revision=0)
    jobs: list[Workload] = [
        replace(cron, name=f"nightly-{at}", uid=f"uid-{at}", kind="Job", owner="CronJob/nightly",
                batch=BatchJob("Job", f"nightly-{at}", active=at - 1, finished=at == 1, succeeded_at=(2 - at) * NOW))
        for at in (1, 2)
    ]  # fmt: skip
    given = replace(cluster(), workloads=(api, *others, cron, *jobs), pods=(*cluster().pods, done, now))
    scene = stage(snapshot(cluster=given))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        run = ended(request=Request("run-now", "cronjob/nightly"))
        run.failed_requests = (0.0, "")
        scene.app.push_screen(ActionRunScreen(run))
        shown = await scene.until(pilot, "nightly: 1 active")
        assert "█░  1 ready, 1 completed" in shown and "rolled out" not in shown and " new " not in shown
