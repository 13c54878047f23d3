"""A silent source: no screen calls healthy what only that source would know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, alerts, panels, snapshot, tracked

from console.journal.sync import SyncStatus
from console.monitor.session import Session
from console.screens.alert_detail import AlertDetailScreen
from console.screens.alert_row import state_label
from console.state.snapshot import Snapshot
from queries.model.alert import AlertState
from queries.model.fault import Fault, FaultKind
from queries.model.panel import PanelState
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict


def sources(**changed: Health) -> tuple[SourceState, ...]:
    """All four sources healthy, except those named here: their last response is 40 seconds old."""
    return tuple(
        SourceState(name, changed.get(name, Health.UP), last_good_at=NOW - (40.0 if name in changed else 1.0))
        for name in ("prometheus", "alertmanager", "kubernetes", "platform")
    )


def quiet(**changed: Health) -> Snapshot:
    """Nothing fires, as far as is known."""
    age = 40.0 if "alertmanager" in changed else 1.0
    return snapshot(alerts=(), alerts_age_seconds=age, sources=sources(**changed), panels=fine())


def fine() -> tuple[PanelState, ...]:
    return tuple(replace(item, verdict=Verdict.OK, value=1.0) for item in panels())


@pytest.mark.parametrize(
    ("changed", "header", "empty"),
    [
        ({}, "none firing  14:03", "nothing fires"),
        ({"prometheus": Health.DOWN}, "none firing, prom DOWN  14:03", "nothing known to fire"),
        ({"alertmanager": Health.DOWN}, "none firing 40s ago  14:03", "nothing known to fire"),
        ({"alertmanager": Health.DENIED}, "none firing 40s ago  14:03", "nothing known to fire"),
        (
            {"alertmanager": Health.DOWN, "prometheus": Health.DOWN},
            "none firing 40s ago, prom DOWN  14:03",
            "nothing known to fire",
        ),
        ({"kubernetes": Health.DOWN}, "none firing  14:03", "nothing fires"),
    ],
)
async def test_none_firing_has_a_caveat(stage: Callable[..., Any], changed: dict[str, Health], header: str, empty: str) -> None:
    """Header and list say that nothing fires only while Prometheus evaluates and Alertmanager responds."""
    scene = stage(quiet(**changed))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        shown = await scene.until(pilot, "none firing")
        assert header in shown
        assert empty in shown
        tone = next(tone for words, tone in scene.app.screen.header.lines[0] if words.startswith("none firing"))
        assert (tone == "ok") is (empty == "nothing fires")


@pytest.mark.parametrize(
    ("first", "rule", "empty"),
    [
        ({"prometheus": Health.WAITING, "alertmanager": Health.WAITING}, "", "no answer yet"),
        ({"prometheus": Health.WAITING}, "", "nothing known to fire"),
        ({"prometheus": Health.WAITING, "alertmanager": Health.DOWN}, "Alertmanager DOWN", "unknown: neither"),
    ],
)
async def test_the_first_responses_add_no_sentences_and_no_marks(
    stage: Callable[..., Any], first: dict[str, Health], rule: str, empty: str
) -> None:
    """Sources respond one after the other at the start: until each has, its lists say "no answer yet" as in the first frame,
    unless one failed. A panel's first value is not marked as a change.
    """
    known = "alertmanager" not in first
    waiting = tuple(
        replace(item, verdict=Verdict.NO_DATA, value=None) if item.spec.source == "prometheus" else item for item in fine()
    )
    silent = tuple(replace(item, last_good_at=None) if item.name in first else item for item in sources(**first))
    scene = stage(
        snapshot(alerts=(), alerts_known=known, alerts_age_seconds=1.0 if known else None, sources=silent, panels=waiting)
    )
    async with scene.app.run_test(size=(100, 30)) as pilot:
        shown = await scene.until(pilot, "prom no answer yet")
        firing = shown.splitlines()[shown.splitlines().index(next(line for line in shown.splitlines() if " Firing " in line)) :]
        assert empty in firing[1]
        assert ("not responding yet: no rule" in shown, "Alertmanager DOWN" in shown) == (bool(rule), bool(rule))
        scene.session.deliver(quiet())
        await scene.until(pilot, "nothing fires")
        assert "•" not in scene.text
        scene.session.deliver(replace(quiet(), panels=tuple(replace(item, verdict=Verdict.CRITICAL) for item in fine())))
        await scene.until(pilot, "•")


@pytest.mark.parametrize(
    ("verdicts", "header"),
    [
        ((Verdict.IN_DOUBT,), "1 IN DOUBT"),
        ((Verdict.IN_DOUBT, Verdict.NO_DATA, Verdict.IN_DOUBT), "1 NO DATA · 2 IN DOUBT"),
        ((Verdict.NO_DATA,), "1 NO DATA"),
        ((Verdict.STALE, Verdict.STALE), "2 STALE"),
        ((Verdict.CRITICAL, Verdict.NO_DATA), "1 CRIT · 1 NO DATA"),
        ((Verdict.WARN,), "1 WARN"),
    ],
)
async def test_line_1_is_green_only_when_everything_is_known(
    stage: Callable[..., Any], verdicts: tuple[Verdict, ...], header: str
) -> None:
    """It counts the panels that are not ok, with and without firing alerts; without room, what is not known together."""
    changed = tuple(replace(item, verdict=verdict) for item, verdict in zip(fine(), verdicts, strict=False))
    shown = replace(quiet(), panels=(*changed, *fine()[len(changed) :]))
    scene = stage(shown)
    async with scene.app.run_test(size=(100, 24)) as pilot:
        assert f" {header}  none firing  14:03Z" in (await scene.until(pilot, "none firing")).splitlines()[0]
        assert "none firing" not in " ".join(words for words, tone in scene.app.screen.header.lines[0] if tone == "ok")
        scene.session.deliver(replace(shown, alerts=alerts()))
        first = (await scene.until(pilot, "P1:1 P3:2")).splitlines()[0]
        assert f" {header}  P1:1 P3:2  14:03Z" in first and "ACTING" in first


async def test_missing_delivery_is_reported_in_header_and_list(stage: Callable[..., Any]) -> None:
    """Without the watchdog in Alertmanager nothing is called quiet, and the sentence says where to look."""
    doubt = "Watchdog does not reach Alertmanager, so an empty alert list is not reliable: check `alerting`"
    scene = stage(replace(quiet(), heartbeat_alert="Watchdog", delivery_doubt=doubt))
    async with scene.app.run_test(size=(130, 30)) as pilot:
        shown = await scene.until(pilot, "none firing, Watchdog missing  14:03")
        assert doubt in shown and "nothing known to fire" in shown
        assert "none firing" not in " ".join(words for words, tone in scene.app.screen.header.lines[0] if tone == "ok")
        await scene.press(pilot, "2")
        assert doubt in await scene.until(pilot, "Watchdog does not reach Alertmanager")


async def test_silenced_and_pending_alerts_are_counted(stage: Callable[..., Any]) -> None:
    """When every firing alert is silenced the header counts it, and is not green."""
    hidden = tuple(item for item in alerts() if item.alert.state in (AlertState.SUPPRESSED, AlertState.PENDING))
    scene = stage(snapshot(alerts=hidden, sources=sources()))
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "none active, 1 silenced, 1 pending")
        assert "none active" not in " ".join(words for words, tone in scene.app.screen.header.lines[0] if tone == "ok")


async def test_a_muted_alert_names_its_time_interval(stage: Callable[..., Any]) -> None:
    """Line 1 counts it as muted, the list names the interval; muted on some routes only it is active and says both."""
    hidden = replace(tracked("Muted", "critical").alert, state=AlertState.SUPPRESSED, muted_by=("offhours", "weekends"))
    scene = stage(snapshot(alerts=(replace(tracked("Muted", "critical"), alert=hidden),), sources=sources()))
    async with scene.app.run_test(size=(160, 30)) as pilot:
        await scene.until(pilot, "none active, 1 muted")
        await scene.press(pilot, "2")
        await scene.until(pilot, "muted by")
        loud = replace(tracked("Muted", "critical"), alert=replace(hidden, state=AlertState.ACTIVE))
        assert state_label(loud) == "active, muted by offhours, weekends on some routes"


async def test_an_undelivered_alert_names_the_limit_that_may_drop_it(stage: Callable[..., Any]) -> None:
    """Where Alertmanager has others of its name, the detail says which flag to check; where it has none, it does not."""
    name = "HighErrorRate"
    lost = tracked(name, "critical", state=AlertState.UNDELIVERED, pod="b")
    lost = replace(lost, alert=replace(lost.alert, fingerprint="pending:1", receivers=()))
    for others, said in (((tracked(name, "critical", pod="a"),), True), ((), False)):
        scene = stage(snapshot(alerts=(lost, *others), sources=sources()))
        async with scene.app.run_test(size=(160, 45)) as pilot:
            await scene.until(pilot, name)
            await scene.press(pilot, "2", "enter")
            await scene.until(pilot, "nobody: no Alertmanager has this alert")
            assert ("--alerts.per-alertname-limit" in scene.text) is said


@pytest.mark.parametrize("how", ["silenced", "inhibited", "muted"])
async def test_a_suppressed_alert_is_not_said_to_have_notified_anybody(stage: Callable[..., Any], how: str) -> None:
    """Alertmanager names the receivers of the route whether or not it sends: the detail says that nobody is notified."""
    by: dict[str, Any] = {
        "silenced": {"silenced_by": ("s",)},
        "inhibited": {"inhibited_by": ("f",)},
        "muted": {"muted_by": ("n",)},
    }
    quietened = tracked("HighErrorRate", "critical")
    alert = replace(quietened.alert, state=AlertState.SUPPRESSED, receivers=("pager", "slack"), **by[how])
    scene = stage(snapshot(alerts=(replace(quietened, alert=alert),), sources=sources()))
    async with scene.app.run_test(size=(160, 45)) as pilot:
        await scene.until(pilot, "none active")
        await scene.press(pilot, "2", "enter")
        assert f"nobody while it is {how}; otherwise pager, slack" in await scene.until(pilot, "notified")


async def test_none_firing_is_not_green_while_the_rules_are_unknown(stage: Callable[..., Any]) -> None:
    """Prometheus answers everything but its rules: an alert that Alertmanager lost may fire, in header, list and overview."""
    fault = Fault(FaultKind.TIMED_OUT, "no complete answer within 5s")
    shown = replace(quiet(), rules_requested=True, rules_fault=fault)
    assert shown.ends_caveat
    scene = stage(shown)
    async with scene.app.run_test(size=(130, 30)) as pilot:
        text = await scene.until(pilot, "none firing, prom rules unknown  14:03")
        assert "nothing known to fire" in text
        assert "Prometheus did not return its rules: an alert that is not listed may" in text
        assert "none firing" not in " ".join(words for words, tone in scene.app.screen.header.lines[0] if tone == "ok")
        scene.session.deliver(replace(shown, rules_fault=None))
        await scene.until(pilot, "nothing fires")
        assert "none firing  14:03" in scene.text


async def test_a_partial_list_of_rules_is_partial_and_not_unknown(stage: Callable[..., Any]) -> None:
    """A Thanos Query lost a ruler: header and list say once that other alerts may be firing. A listed alert's page says nothing
    of the rules that did not arrive: it fires.
    """
    shown = replace(quiet(), rules_requested=True, rules_partial="the ruler is lost")
    scene = stage(shown)
    async with scene.app.run_test(size=(130, 30)) as pilot:
        text = await scene.until(pilot, "none firing, prom PARTIAL  14:03")
        assert "Prometheus PARTIAL: other alerts may be firing" in text and "rules unknown" not in text
        fault = Fault(FaultKind.TIMED_OUT, "no complete answer within 5s")
        scene.session.deliver(replace(snapshot(), rules_requested=True, rules_fault=fault))
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "enter")
        page = await scene.until(pilot, "expression")
        assert isinstance(scene.app.screen, AlertDetailScreen) and "state" in page
        assert "did not return" not in page


async def test_stale_alerts_and_silences_say_was(stage: Callable[..., Any]) -> None:
    """With Alertmanager down: `was active` on the list, the detail and the silences, and since when."""
    shown = snapshot(alerts_age_seconds=40.0, sources=sources(alertmanager=Health.DOWN))
    scene = stage(shown)
    async with scene.app.run_test(size=(120, 36)) as pilot:
        await scene.until(pilot, "P1:1 P3:2 40s ago")
        assert "as of 40s ago: Alertmanager DOWN" in scene.text
        await scene.press(pilot, "2")
        detail = await scene.until(pilot, "was silenced")
        assert detail.count("was active") == 3
        await scene.press(pilot, "enter")
        await scene.until(pilot, "was active (as of 40s ago: Alertmanager DOWN)")
        await scene.press(pilot, "escape", "4")
        assert "was active" in await scene.until(pilot, "Silences  1 active of 1 · as of 40s ago: Alertmanager DOWN")
        await scene.press(pilot, "5")
        await scene.until(pilot, "fires: as of 40s ago")


async def test_a_missing_alert_is_resolved_only_if_both_sources_respond(stage: Callable[..., Any]) -> None:
    """No longer listed means resolved while both sources respond; with Prometheus down it is unknown."""
    scene = stage(snapshot(sources=sources()))
    async with scene.app.run_test(size=(120, 36)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "2", "enter")
        scene.session.deliver(quiet())
        await scene.until(pilot, "RESOLVED: no longer listed")
        scene.session.deliver(quiet(prometheus=Health.DOWN))
        assert "RESOLVED" not in await scene.until(pilot, "it may not be resolved")


@pytest.mark.parametrize("kind", ["pending", "prometheus"])
async def test_an_alert_that_is_delivered_is_not_resolved(stage: Callable[..., Any], kind: str) -> None:
    """Alertmanager lists it by another fingerprint: the open page goes on with that one. Until then a pending alert that
    fires now is unknown; what ends for good is resolved.
    """
    state = AlertState.PENDING if kind == "pending" else AlertState.UNDELIVERED
    first = tracked("HighErrorRate", "critical")
    early = replace(first, alert=replace(first.alert, fingerprint=f"{kind}:1", state=state))
    late = replace(first, alert=replace(first.alert, labels=tuple(sorted((*first.alert.labels, ("cluster", "eu"))))))
    scene = stage(snapshot(alerts=(early,), sources=sources()))
    async with scene.app.run_test(size=(120, 36)) as pilot:
        await scene.until(pilot, "prom ok")
        await scene.press(pilot, "2", "enter")
        await scene.until(pilot, "HighErrorRate platform")
        if kind == "pending":  # it begins to fire, and Alertmanager does not have it yet
            scene.session.deliver(replace(quiet(), open_ends=(replace(early.alert, fingerprint="prometheus:1"),)))
            assert "RESOLVED" not in await scene.until(pilot, "it may not be resolved")
        scene.session.deliver(snapshot(alerts=(late,), sources=sources()))
        shown = await scene.until(pilot, "cluster     eu")
        assert "RESOLVED" not in shown and "no longer listed" not in shown and "roll back cad-ml-api" in shown
        scene.session.deliver(quiet())
        await scene.until(pilot, "RESOLVED: no longer listed")


async def test_a_pending_alert_whose_rule_does_not_fire_is_over(stage: Callable[..., Any]) -> None:
    """It is neither pending nor can it fire: it is no longer listed because its expression is false."""
    first = tracked("HighErrorRate", "critical")
    early = replace(first, alert=replace(first.alert, fingerprint="pending:1", state=AlertState.PENDING))
    scene = stage(snapshot(alerts=(early,), sources=sources()))
    async with scene.app.run_test(size=(120, 36)) as pilot:
        await scene.until(pilot, "prom ok")
        await scene.press(pilot, "2", "enter")
        await scene.until(pilot, "HighErrorRate platform")
        shown = quiet()
        scene.session.deliver(replace(shown, rules=tuple(replace(item, state="inactive") for item in shown.rules)))
        await scene.until(pilot, "RESOLVED: no longer listed")


async def test_stale_workloads_are_not_ok(stage: Callable[..., Any]) -> None:
    """With the cluster down every row says STALE, every pod `was ready`, and the title since when."""
    scene = stage(snapshot(sources=sources(kubernetes=Health.DOWN)))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "3")
        shown = await scene.until(pilot, "as of 40s ago: Kubernetes DOWN")
        assert shown.count("STALE") == 2
        assert "was ready" in shown
        assert not any(line.startswith((" ok ", "›ok ")) for line in shown.splitlines()[3:])


async def test_all_sources_fit_the_line_when_all_are_down(stage: Callable[..., Any]) -> None:
    """At 80 columns every source still has its word and its age."""
    gone = dict.fromkeys(("prometheus", "alertmanager", "kubernetes", "platform"), Health.DOWN)
    scene = stage(quiet(**gone))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        shown = await scene.until(pilot, "none firing")
        line = shown.splitlines()[1]
        assert all(f"{name} DOWN 40s ago" in line for name in ("prom", "am", "k8s", "api"))


async def test_no_response_differs_from_no_data_and_denied(stage: Callable[..., Any]) -> None:
    """`no answer yet` with the reason before Prometheus' first response; DENIED when it refuses."""
    empty = tuple(
        replace(item, verdict=Verdict.NO_DATA, value=None, note="", reason="Prometheus: refused") for item in panels()
    )
    for health, words in ((Health.DOWN, "no answer yet: Prometheus: refused"), (Health.DENIED, "DENIED    Error ratio")):
        state = SourceState("prometheus", health)
        scene = stage(snapshot(panels=empty, sources=(state, *sources()[1:])))
        async with scene.app.run_test(size=(80, 24)) as pilot:
            shown = await scene.until(pilot, words)
            assert "NO DATA   Error ratio" not in shown


async def test_an_unreachable_shared_journal_is_reported(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The Sources screen says in one sentence what is wrong with the shared store, since when, what is queued, what to try."""
    fault = Fault(FaultKind.UNREACHABLE, "no connection to PostgreSQL", "postgresql://db/j", "check \x1b[31mhost and port")
    gone = SyncStatus(
        "postgresql://db/j", waiting=3, kept=1, fault=fault, since=NOW - 65.0, warnings=("2 entries are no events",)
    )
    monkeypatch.setattr(Session, "sharing", property(lambda _: gone))
    scene = stage(snapshot())
    async with scene.app.run_test(size=(100, 40)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.go("sources")
        shown = await scene.until(pilot, "Shared journal")
    assert "UNREACHABLE 1m  postgresql://db/j" in shown
    assert "3 events wait here and will be shared once it answers" in " ".join(shown.split())
    assert "1 event will never be shared" in shown
    assert "2 entries are no events" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (Health.DENIED, "Alertmanager DENIED: Prometheus lists these"),
        (Health.NOT_CONFIGURED, "Alertmanager is not configured: Prometheus lists these"),
    ],
)
async def test_the_list_names_its_source(stage: Callable[..., Any], health: Health, words: str) -> None:
    """Without Alertmanager's list, the title names Prometheus as its source."""
    known = tuple(item for item in sources() if item.name != "alertmanager")
    scene = stage(snapshot(alerts_from="prometheus", sources=(*known, SourceState("alertmanager", health))))
    async with scene.app.run_test(size=(120, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        assert words in await scene.press(pilot, "2")


@pytest.mark.parametrize(
    ("lister", "prometheus", "words"),
    [
        ("alertmanager", Health.UP, "as of 40s ago: Alertmanager DOWN, and what only Prometheus has"),
        ("alertmanager", Health.DOWN, "as of 40s ago: Alertmanager DOWN; Prometheus DOWN: no rule is evaluated"),
        ("prometheus", Health.DOWN, "Prometheus' list as of 40s ago, Alertmanager DOWN; Prometheus DOWN"),
    ],
)
async def test_a_stale_list_names_its_source_and_age(
    stage: Callable[..., Any], lister: str, prometheus: Health, words: str
) -> None:
    """An Alertmanager that responded before is named with the age of its list; Prometheus' own list names Prometheus."""
    changed = {"alertmanager": Health.DOWN, **({} if prometheus is Health.UP else {"prometheus": prometheus})}
    found = sources(**changed)
    if lister == "prometheus":
        found = tuple(replace(item, last_good_at=None) if item.name == "alertmanager" else item for item in found)
    scene = stage(snapshot(alerts_from=lister, alerts_age_seconds=40.0, sources=found))
    async with scene.app.run_test(size=(140, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        assert words in await scene.press(pilot, "2")


async def test_an_unknown_severity_is_labelled(stage: Callable[..., Any]) -> None:
    """`sev?` in the table, a sentence in the detail, and counted as P2."""
    odd = tracked("Odd", "gold")
    scene = stage(snapshot(alerts=(odd,)))
    async with scene.app.run_test(size=(120, 24)) as pilot:
        shown = await scene.until(pilot, "P2 sev?")
        assert "P2:1" in shown.splitlines()[0]
        assert "sev?" in await scene.press(pilot, "2")
        assert "P2 severity unknown: gold" in await scene.press(pilot, "enter")
