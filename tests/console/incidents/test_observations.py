"""What a console reads off a snapshot for the timeline: values, and the sentence for each change, among several of a kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from screen_samples import NOW, cluster, panels, snapshot, tracked

from console.incidents.observations import Observation, initial_values, observe_sources
from console.state.incident import Source
from queries.model.matcher import Matcher
from queries.model.replica_limits import Autoscaler
from queries.model.silence import Silence
from queries.model.source import Health, SourceState
from queries.model.verdict import Verdict
from queries.model.workload import Workload


def observed(**changes: Any) -> dict[str, Observation]:
    return {item.thing: item for item in observe_sources(snapshot(**changes))}


def autoscaler(name: str, target: str, desired: int) -> Autoscaler:
    return Autoscaler("cad", name, "Deployment", target, 1, 9, desired, desired)


def workload() -> Workload:
    return cluster().workloads[0]


def test_a_scaling_names_the_autoscaler_that_wants_this_number() -> None:
    """Of two autoscalers that of the workload; one that wants another number did not do it."""
    first, *others = cluster().workloads
    desired = first.desired
    both = (autoscaler("other", others[0].name, desired), autoscaler("own", first.name, desired))
    shown = observed(cluster=replace(cluster(), autoscalers=both))[f"replicas:{first.target}"]
    assert (shown.value, shown.source) == (str(desired), Source.KUBERNETES)
    assert shown.describe("1") == f"{first.name} scaled 1→{desired} (by HPA own)"
    elsewhere = (autoscaler("other", others[0].name, desired), autoscaler("own", first.name, desired + 1))
    shown = observed(cluster=replace(cluster(), autoscalers=elsewhere))[f"replicas:{first.target}"]
    assert shown.describe("1") == f"{first.name} scaled 1→{desired}"


def test_a_rollout_names_images_and_cause_of_the_revision_before() -> None:
    """Of several revisions the one that was recorded; one that is no longer kept leaves the images out."""
    first = workload()
    before = next(item for item in cluster().revisions_of(first) if item.number != first.revision)
    shown = observed()[f"revision:{first.target}"]
    assert shown.value == str(first.revision)
    text = shown.describe(str(before.number))
    assert text.startswith(f"rollout {first.name} {before.number}→{first.revision}")
    assert (" image " in text) is (before.containers != first.containers)
    bare = replace(first, change_cause="")
    plain = observed(cluster=replace(cluster(), workloads=(bare,)))[f"revision:{first.target}"]
    assert plain.describe("999") == f"rollout {first.name} 999→{first.revision}"
    caused = observed(cluster=replace(cluster(), workloads=(replace(first, change_cause="helm upgrade"),)))
    assert caused[f"revision:{first.target}"].describe("999").endswith(" (helm upgrade)")
    none = observed(cluster=replace(cluster(), workloads=(replace(first, revision=0),)))
    assert f"revision:{first.target}" not in none and f"replicas:{first.target}" in none


@pytest.mark.parametrize(
    ("state", "matchers", "text", "began"),
    [
        ("active", (Matcher("alertname", "A"), Matcher("pod", "p")), "A silenced by ann: why", NOW - 60),
        ("active", (Matcher("pod", "p"), Matcher("team", "x")), 'pod="p", team="x" silenced by ann: why', NOW - 60),
        ("expired", (Matcher("alertname", "A"),), "silence of A expired", NOW + 60),
    ],
)
def test_a_silence_is_described_by_its_alert(state: str, matchers: tuple[Matcher, ...], text: str, began: float) -> None:
    """Of two matchers the alert's name, else all; an active one began with its start, an expired one with its end."""
    silences = (
        Silence("s1", matchers, NOW - 60, NOW + 60, "ann", "why", state),
        Silence("s2", (Matcher("alertname", "B"),), NOW, NOW + 60, "bob", "", "pending"),
    )
    found = observed(silences=silences)
    assert "silence:s2" not in found
    assert (found["silence:s1"].value, found["silence:s1"].began_at, found["silence:s1"].describe("")) == (state, began, text)
    silent = replace(silences[0], comment="")
    assert observed(silences=(silent,))["silence:s1"].describe("").endswith("by ann" if state == "active" else "expired")


def test_an_alert_and_a_panel_say_what_they_were_before() -> None:
    """Firing for the first time, again, and after a silence; a panel names the verdict before, also one it does not know."""
    one, two = tracked("ProviderDown", "critical", provider="paddle"), tracked("DiskFull", "warning")
    found = observed(alerts=(one, two))
    shown = found[f"alert:{one.alert.fingerprint}"]
    texts = [shown.describe(before) for before in ("", "firing", "silenced")]
    assert [text.partition(" (")[0].partition(" ")[0] for text in texts] == ["ProviderDown"] * 3
    assert [text.rpartition(") ")[2].removeprefix("ProviderDown ") for text in texts] == [
        "started firing",
        "firing again",
        "no longer silenced or inhibited",
    ]
    assert shown.began_at == one.alert.starts_at and shown.source is Source.ALERTMANAGER
    panel = next(item for item in panels() if item.verdict is Verdict.CRITICAL and item.value is not None)
    shown = observed()[f"panel:{panel.spec.id}"]
    assert shown.describe("ok").startswith(f"{panel.spec.title}: {Verdict.OK.word} → {Verdict.CRITICAL.word} ")
    assert shown.describe("nonsense").startswith(f"{panel.spec.title}: not known → ")
    empty = replace(panel, value=None)
    assert observed(panels=(empty,))[f"panel:{panel.spec.id}"].describe("ok").endswith(f"→ {Verdict.CRITICAL.word}")
    stale = replace(panel, verdict=Verdict.STALE)
    assert f"panel:{panel.spec.id}" not in observed(panels=(stale,))


def test_a_panel_over_logs_is_watched_while_loki_answers() -> None:
    """As any other panel, with Loki as what reported it; while Loki does not answer, and without it, nothing is said of it."""
    panel = next(item for item in panels() if item.verdict is Verdict.CRITICAL)
    logged = replace(panel, spec=replace(panel.spec, id="refused", source="loki"))
    up, down = (SourceState("loki", health, last_good_at=NOW) for health in (Health.UP, Health.DOWN))
    found = observed(panels=(logged,), sources=(*snapshot().sources, up))["panel:refused"]
    assert (found.source, found.value) == (Source.LOKI, Verdict.CRITICAL.value)
    assert "panel:refused" not in observed(panels=(logged,), sources=(*snapshot().sources, down))
    assert "panel:refused" not in observed(panels=(logged,))


def test_a_declaration_keeps_what_has_a_value() -> None:
    """Neither an expired silence nor a rollout without a problem; what is kept is what is observed."""
    silences = (
        Silence("s1", (Matcher("alertname", "A"),), NOW - 60, NOW - 30, "ann", "why", "expired"),
        Silence("s2", (Matcher("alertname", "B"),), NOW - 60, NOW + 30, "ann", "why"),
    )
    found, kept = observed(silences=silences), initial_values(snapshot(silences=silences))
    assert "silence:s1" in found and "silence:s1" not in kept and kept["silence:s2"] == "active"
    assert kept and all(found[thing].value == value for thing, value in kept.items())
    assert not [thing for thing, value in kept.items() if not value]
