"""Scale, rollback, restart, pause and resume, each done and each refused, on the cluster in the process."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from action_bench import API, NAMESPACE, Bench, outcome, quiet, second_revision
from limits import extend
from steerable_cluster import SteerableCluster

from console.actions.deployment_preflight import dry_run
from console.actions.deployment_state import fetch_deployment_state
from console.actions.journal_payload import outcome_payload
from console.actions.plan import ActionRefused, CheckLevel, ClusterTarget, Outcome, Preview, Request, Stage
from console.actions.rollback import Rollback
from console.actions.scale import Scale, check_factor
from console.actions.writers.writer import Writer
from console.journal.payloads import create_event
from console.state.revisions import RevisionRecords

TARGET = f"deployment/{API}"


async def test_scale_is_done_and_journalled(bench: Bench) -> None:
    """A scale goes through all stages in their order, and the journal holds intent and outcome of one run."""
    steps = await bench.act("scale", TARGET, replicas="5")
    assert outcome(steps)[0] is Outcome.DONE, steps
    order = list(dict.fromkeys(step.stage for step in steps))
    assert order == [
        Stage.PLAN, Stage.PREFLIGHT, Stage.CONFIRM, Stage.INTENT, Stage.EXECUTE, Stage.VERIFY, Stage.OUTCOME,
    ]  # fmt: skip
    assert bench.cluster.deployment(API).desired == 5
    assert bench.journal is not None
    intent, end = bench.journal.events()
    assert (intent.kind, end.kind) == ("action.intent", "action.outcome")
    assert intent.subject == end.subject == steps[0].identity
    assert end.data["outcome"] == "done"
    assert intent.data["command"] == f"kubectl -n cad-ml-platform scale {TARGET} --replicas=5"
    assert bench.journal.unfinished() == ()


async def test_exactly_one_write_is_sent_with_its_precondition(bench: Bench) -> None:
    """The server sees one PATCH on the Scale subresource, and that carries the resourceVersion that was read."""
    await bench.act("scale", TARGET, replicas="4")
    (write,) = bench.writes()
    assert (write.method, write.path.endswith(f"/deployments/{API}/scale")) == ("PATCH", True)
    body = json.loads(write.body)
    assert body["spec"] == {"replicas": 4}
    assert int(body["metadata"]["resourceVersion"]) >= int(bench.previews[0].plan.resource_version)


async def test_nothing_to_do_is_refused_in_words(bench: Bench) -> None:
    """The same number of replicas is refused before anything is sent, and leaves no intent."""
    steps = await bench.act("scale", TARGET, replicas="3")
    assert outcome(steps) == (Outcome.REFUSED, "refused, nothing was sent: nothing to do: cad-ml-api already has 3 replicas")
    assert bench.writes() == []
    assert bench.journal is not None
    assert bench.journal.events() == ()


async def test_bad_parameters_are_refused(bench: Bench) -> None:
    """What is missing, unknown, no number or no target is named, and nothing is sent."""
    cases = [
        ("scale", TARGET, {}, "needs replicas"),
        ("scale", TARGET, {"replicas": "-1"}, "not a number"),
        ("scale", TARGET, {"replicas": "٣"}, "not a number"),
        ("scale", TARGET, {"replicas": "1", "colour": "red"}, "no parameter colour"),
        ("scale", "pod/x", {"replicas": "1"}, "is not deployment/NAME"),
        ("scale", "deployment/../x", {"replicas": "1"}, "is not deployment/NAME"),
        ("scale", "deployment/nobody", {"replicas": "1"}, "not found"),
        ("rollback", TARGET, {"revision": "77"}, "has no revision 77; it has 1"),
        ("rollback", TARGET, {}, "has no revision before 1"),
        ("resume", TARGET, {}, "is not paused"),
        ("explode", TARGET, {}, "there is no action"),
    ]
    for action, target, parameters, words in cases:
        result, text = outcome(await bench.act(action, target, **parameters))
        assert result is Outcome.REFUSED
        assert words in text, text
    assert bench.writes() == []


async def test_rollback_brings_the_template_back(bench: Bench) -> None:
    """The preview shows revision, image, environment and replicas; afterwards image and environment are the old ones."""
    before = bench.cluster.deployment(API)
    second_revision(bench.cluster)
    steps = await bench.act("rollback", TARGET)
    assert outcome(steps)[0] is Outcome.DONE, steps
    plan = bench.previews[0].plan
    changes = {item.name: (item.before, item.after) for item in plan.differences}
    assert changes["revision"][0].startswith("2 (")
    assert "ci: release 1.9.0" in changes["revision"][0]
    assert changes["revision"][1].startswith("1 (created 9d ago")
    assert changes["image"] == ("registry.example.com/cad-ml/api:1.9.0", before.image)
    assert changes["env OCR_TIMEOUT_MS"][0] == "8000"
    assert changes["replicas"] == ("3", "3")
    assert plan.notes == ("becomes revision 3",)
    assert plan.confirm_word == API
    after = bench.cluster.deployment(API)
    assert (after.image, after.env, after.revision) == (before.image, before.env, 3)


@pytest.mark.parametrize(
    ("strategy", "level", "sentence", "pace"),
    [
        ({"type": "Recreate", "rollingUpdate": None}, CheckLevel.WARN, "0 of 3 pods serve for a while", "all at once"),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "50%"}}, CheckLevel.WARN,
         "surge 0, unavailable 1: at the worst moment 2 of 3 pods serve, at most 3 run", "one at a time"),
        ({"rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}, CheckLevel.OK,
         "surge 2, unavailable 0: 3 of 3 pods serve throughout, at most 5 run", "up to 2 at a time"),
    ],
)  # fmt: skip
async def test_the_preview_says_how_many_pods_serve_at_the_worst_moment(
    bench: Bench, strategy: dict[str, Any], level: CheckLevel, sentence: str, pace: str
) -> None:
    """Strategy, surge and unavailable in numbers, and the worst moment of this rollout as a warning."""
    bench.cluster.patch("deployments", API, {"spec": {"strategy": strategy}})
    assert outcome(await bench.act("restart", TARGET))[0] is Outcome.DONE
    (preview,) = bench.previews
    (check,) = [item for item in preview.checks if item.how == "strategy"]
    assert check.level is level and check.text.endswith(sentence)
    assert preview.plan.differences[0].after == f"3 pods recreated, {pace}"


async def test_what_was_previewed_is_bound_to_the_cluster_itself(bench: Bench) -> None:
    """The journal keeps cluster, namespace, server and the identity that the server sees; where the same address leads to
    another cluster after the preview, nothing is sent.
    """
    assert outcome(await bench.act("pause", TARGET))[0] is Outcome.DONE
    (check,) = [item for item in bench.previews[-1].checks if item.how == "identity"]
    found = [await bench.facts.call_object("GET", f"/api/v1/namespaces/{name}") for name in ("kube-system", NAMESPACE)]
    uids = {item["metadata"]["name"]: item["metadata"]["uid"] for item in found}
    assert (check.level, check.text) == (CheckLevel.OK, f"the server sees you as demo; bound to cluster {uids['kube-system']}")
    assert bench.journal is not None
    for event in bench.journal.events(kinds=("action.intent", "action.outcome")):
        assert (event.data["cluster_uid"], event.data["namespace_uid"]) == (uids["kube-system"], uids[NAMESPACE])
        assert (event.data["server"], event.data["identity"]) == (bench.cluster.url, "demo")

    async def replace_cluster(_: Preview) -> bool:
        bench.cluster.replace_namespace("kube-system")
        return True

    sent = len(bench.writes())
    end, text = outcome(await bench.act("resume", TARGET, confirm=replace_cluster))
    assert end is Outcome.REFUSED and "differs from the preview" in text
    assert len(bench.writes()) == sent


async def test_a_cluster_that_does_not_name_itself_is_warned_of(bench: Bench) -> None:
    """With rights to read neither namespace the plan is bound to the address alone, and the preview says so."""
    bench.cluster.deny("get", "namespaces")
    assert outcome(await bench.act("pause", TARGET))[0] is Outcome.DONE
    (check,) = [item for item in bench.previews[-1].checks if item.how == "identity"]
    assert check.level is CheckLevel.WARN and "bound to this address only" in check.text


async def test_rollback_keeps_the_deployments_own_annotations(bench: Bench) -> None:
    """change-cause comes from the ReplicaSet; last-applied-configuration stays; the hash label does not come along."""
    bench.cluster.patch(
        "deployments", API, {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}}
    )
    second_revision(bench.cluster)
    assert outcome(await bench.act("rollback", TARGET))[0] is Outcome.DONE
    (found,) = [item for item in bench.cluster.objects("deployments") if item["metadata"]["name"] == API]
    notes = found["metadata"]["annotations"]
    assert notes["kubectl.kubernetes.io/last-applied-configuration"] == "{}"
    assert notes.get("kubernetes.io/change-cause") != "ci: release 1.9.0"
    assert "pod-template-hash" not in found["spec"]["template"]["metadata"]["labels"]


async def test_rolling_back_to_the_current_template_is_refused(bench: Bench) -> None:
    """A revision whose template already runs is nothing to do."""
    second_revision(bench.cluster)
    result, text = outcome(await bench.act("rollback", TARGET, revision="2"))
    assert result is Outcome.REFUSED
    assert "already runs the template of revision 2" in text


def pod_uids(cluster: SteerableCluster) -> set[str]:
    """The pods of the API that are not ending: a Deployment's status does not count those either."""
    metas = [item["metadata"] for item in cluster.objects("pods") if item["metadata"]["labels"]["app"] == API]
    return {meta["uid"] for meta in metas if "deletionTimestamp" not in meta}


async def test_restart_is_done_when_no_old_pod_is_left(bench: Bench) -> None:
    """After a restart every pod has another uid, and the template carries kubectl's annotation."""
    old = pod_uids(bench.cluster)
    steps = await bench.act("restart", TARGET)
    assert outcome(steps)[0] is Outcome.DONE, steps
    new = pod_uids(bench.cluster)
    assert new
    assert not new & old
    assert bench.cluster.deployment(API).restarted_at.endswith("Z")


async def test_paused_refuses_restart_and_rollback_until_resumed(bench: Bench) -> None:
    """Pause, restart (refused), rollback (refused), resume: as kubectl would."""
    second_revision(bench.cluster)
    assert outcome(await bench.act("pause", TARGET))[0] is Outcome.DONE
    assert bench.cluster.deployment(API).paused
    for action in ("restart", "rollback"):
        result, text = outcome(await bench.act(action, TARGET))
        assert (result, "is paused" in text) == (Outcome.REFUSED, True)
    assert outcome(await bench.act("pause", TARGET))[1].endswith("already paused")
    steps = await bench.act("resume", TARGET)
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert not bench.cluster.deployment(API).paused


async def test_resume_shows_what_was_changed_while_paused(bench: Bench) -> None:
    """The preview of resume holds the image that waits behind the pause."""
    await bench.act("pause", TARGET)
    second_revision(bench.cluster)
    await bench.act("resume", TARGET)
    changes = {item.name: item.after for item in bench.previews[-1].plan.differences}
    assert changes["image"].endswith(":1.9.0")


async def test_an_autoscaler_that_would_fight_is_named(bench: Bench) -> None:
    """Over the HPA's maximum, under its minimum and at 0 the preview warns in words; it does not forbid."""
    for wanted, words in (("25", "above its maximum 20"), ("2", "below its minimum 3"), ("0", "disabled at 0 replicas")):

        async def decline(_: object) -> bool:
            return False

        await bench.act("scale", TARGET, confirm=decline, replicas=wanted)
        checks = [check for check in bench.previews[-1].checks if check.how == "HPA"]
        assert [check.level for check in checks] == [CheckLevel.WARN]
        assert words in checks[0].text
        assert not bench.previews[-1].blocked
    budgets = [check.text for check in bench.previews[-1].checks if check.how == "PDB"]
    assert budgets
    assert "evictions only" in budgets[0]


async def test_a_container_that_the_patch_would_add_blocks(bench: Bench) -> None:
    """The dry run's answer is compared by container name: a mistyped container is caught before it is sent."""
    second_revision(bench.cluster)
    request = Request("rollback", TARGET)
    facts = await fetch_deployment_state(request, bench.facts)
    plan = Rollback().plan(request, facts, 0.0)
    wrong = {"spec": {"template": {"spec": {"containers": [{"name": "cad-ml-apj", "image": "x:1"}]}}}}
    writer = Writer(bench.settings)
    check = await dry_run(replace(plan, body=wrong), facts, writer, content_type="application/strategic-merge-patch+json")
    await writer.close()
    assert check.level is CheckLevel.BLOCK
    assert "cad-ml-apj" in check.text
    assert bench.writes() == []


async def test_rollback_waits_for_the_controller(bench: Bench) -> None:
    """A change that the controller has not numbered yet: 'the revision before' would be one too far, so it is refused."""
    second_revision(bench.cluster)
    request = Request("rollback", TARGET)
    facts = await fetch_deployment_state(request, bench.facts)
    ahead = {**facts.raw["metadata"], "generation": facts.raw["metadata"]["generation"] + 1}
    with pytest.raises(ActionRefused, match="controller has not observed it"):
        Rollback().plan(request, replace(facts, raw={**facts.raw, "metadata": ahead}), 0.0)


@pytest.mark.parametrize(
    ("now", "wanted", "level", "words"),
    [
        (3, 5, None, ""),
        (3, 6, CheckLevel.WARN, "3 to 6 is ×2"),
        (3, 14, CheckLevel.WARN, "3 to 14 is ×4.67"),
        (3, 15, CheckLevel.ASK, "3 to 15 is ×5: type the number again"),
        (3, 26, CheckLevel.ASK, "3 to 26 is ×8.67: type the number again"),
        (6, 4, None, ""),
        (6, 3, CheckLevel.WARN, "6 to 3 is 1/2 of it"),
        (10, 2, CheckLevel.ASK, "10 to 2 is 1/5 of it: type the number again"),
        (3, 0, CheckLevel.ASK, "stops all 3 pods: type 0 again"),
        (0, 1, None, ""),
        (0, 8, CheckLevel.ASK, "0 to 8 is ×8: type the number again"),
    ],
)
def test_a_large_step_is_said_and_a_larger_one_asked_again(now: int, wanted: int, level: CheckLevel | None, words: str) -> None:
    """By the factor, up and down alike; 0 is always asked again; the word to type is the number."""
    found = check_factor(now, wanted)
    assert [(item.level, item.text) for item in found] == ([(level, words)] if level else [])
    assert [item.word for item in found if item.level is CheckLevel.ASK] == ([str(wanted)] if level is CheckLevel.ASK else [])


async def test_a_step_that_asks_is_typed_after_the_name(bench: Bench) -> None:
    """In a protected environment the name, then the number; elsewhere the number alone; a small step asks for neither."""
    await bench.act("scale", TARGET, settings=replace(bench.settings, protected=True), replicas="26")
    await bench.act("scale", TARGET, replicas="5")
    assert [preview.phrase for preview in bench.previews] == [f"{API} 26", "5"]
    await bench.act("scale", TARGET, replicas="6")
    assert bench.previews[-1].phrase == ""


@pytest.mark.parametrize(
    ("now", "wanted", "rolled_out", "ready"),
    [("10", "3", False, False), ("10", "3", True, True), ("0", "3", True, True), ("10", "0", True, False)],
)
async def test_a_scale_proves_a_revision_only_once_it_is_rolled_out(
    bench: Bench, now: str, wanted: str, rolled_out: bool, ready: bool
) -> None:
    """Three of ten pods are ready and it is to be scaled to three: refused, nobody saw it whole; nor is it by none at all."""
    request = Request("scale", TARGET, {"replicas": wanted})
    facts = await fetch_deployment_state(request, bench.facts)
    facts = replace(facts, raw={**facts.raw, "spec": {**facts.raw["spec"], "replicas": int(now)}})
    plan = Scale().plan(request, facts, 0.0)
    payload = outcome_payload(plan, ClusterTarget(), Outcome.FAILED, "", 1.0, accepted=rolled_out, rolled_out=rolled_out)
    told = RevisionRecords()
    (record,) = told.apply(told.initial(), create_event(payload, at=9.0, subject="run", author="ann")).values()
    assert bool(record.ready_at) is ready


async def test_a_rollback_after_a_rollback_does_not_bring_the_bad_release_back(bench: Bench) -> None:
    """The bad one is 'the one before' then: not proposed; named, it says when and by whom it was left, and asks."""
    second_revision(bench.cluster)
    assert outcome(await bench.act("rollback", TARGET))[0] is Outcome.DONE
    result, text = outcome(await bench.act("rollback", TARGET))
    assert result is Outcome.REFUSED, text
    assert "has no revision that is known to be better: 2 was rolled back from at " in text
    assert "by tester" in text
    await bench.act("rollback", TARGET, revision="2")
    (check,) = [check for check in bench.previews[-1].checks if check.how == "revisions"]
    assert (check.level, check.word) == (CheckLevel.ASK, "2")
    assert "was rolled back from at" in check.text


async def test_a_rollback_with_another_tool_is_recognised(bench: Bench) -> None:
    """No journal knows of it: the ReplicaSet's own history of numbers does."""
    before = bench.cluster.deployment(API)
    second_revision(bench.cluster)
    container = {"name": API, "image": before.image, "env": [{"name": "OCR_TIMEOUT_MS", "$patch": "delete"}]}
    cause = {"metadata": {"annotations": {"kubernetes.io/change-cause": "undone by hand"}}}
    bench.cluster.patch("deployments", API, {**cause, "spec": {"template": {"spec": {"containers": [container]}}}})
    quiet(bench.cluster, past=2)
    result, text = outcome(await bench.act("rollback", TARGET))
    assert result is Outcome.REFUSED, text
    assert "2 was rolled back from: revision 3 restored an older template" in text


async def test_a_release_that_hangs_goes_back_to_the_one_whose_pods_are_ready(bench: Bench) -> None:
    """Not one pod of the new revision is ready, all of the old one's are: proved without a journal."""
    quiet(bench.cluster, past=0)
    bench.cluster.break_image(":1.9.0")
    container = {"name": API, "image": "registry.example.com/cad-ml/api:1.9.0"}
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": [container]}}}})
    await asyncio.sleep(0.5)
    assert outcome(await bench.act("rollback", TARGET))[0] is Outcome.DONE
    (check,) = [check for check in bench.previews[-1].checks if check.how == "revisions"]
    assert (check.level, check.text) == (CheckLevel.OK, "revision 1 has ready pods now, and was never rolled back from")


@pytest.mark.slow
async def test_a_stuck_rollout_fails_with_the_clusters_own_sentence(bench: Bench) -> None:
    """Seconds after the kubelet says that it cannot pull the image, and with its event: nobody waits for the time limit."""
    second_revision(bench.cluster)
    bench.cluster.break_image("api:1.8.2")
    began = time.monotonic()
    settings = replace(bench.settings, verify_timeout_seconds=120.0)
    result, text = outcome(await bench.act("rollback", TARGET, settings=settings))
    assert result is Outcome.FAILED
    assert re.search(rf"failed: {API}: \d of 3 new pods .*; {API}-\w+-\w+: ImagePullBackOff.*; Failed: Error: Image", text), (
        text
    )
    assert time.monotonic() - began < extend(30.0)


async def test_a_revision_of_which_nothing_is_known_is_asked_for_again(bench: Bench) -> None:
    """No console saw revision 1 ready: it is offered as that, and its number is typed; one that is known needs no number."""
    second_revision(bench.cluster)

    async def decline(_: object) -> bool:
        return False

    await bench.act("rollback", TARGET, confirm=decline)
    (check,) = [check for check in bench.previews[-1].checks if check.how == "revisions"]
    assert (check.level, check.word) == (CheckLevel.ASK, "1")
    assert check.text == "revision 1 is not known to have been ready: type its number"
    await bench.act("restart", TARGET)  # its intent says that revision 2 was ready
    third = {"name": API, "image": "registry.example.com/cad-ml/api:2.0.0"}
    bench.cluster.patch("deployments", API, {"spec": {"template": {"spec": {"containers": [third]}}}})
    quiet(bench.cluster, past=3)
    await bench.act("rollback", TARGET, confirm=decline)
    (check,) = [check for check in bench.previews[-1].checks if check.how == "revisions"]
    assert check.level is CheckLevel.OK
    assert check.text.startswith("revision 3 was ready at ")


async def test_a_paused_deployment_is_scaled_and_proves_no_revision(bench: Bench) -> None:
    """With a template that waits behind the pause the pods are those of the old one: done, and no revision was seen ready."""
    await bench.act("pause", TARGET)
    second_revision(bench.cluster)
    steps = await bench.act("scale", TARGET, replicas="5")
    assert outcome(steps)[0] is Outcome.DONE, steps
    assert bench.journal is not None
    end = bench.journal.events()[-1]
    assert end.data["action"] == "scale" and not end.data["revisions"].get("goal")
