"""Suspending a CronJob and letting it run again, on the cluster in the process and on a real control plane."""

from __future__ import annotations

from pathlib import Path

from action_bench import Facts, settings_for
from cluster_fixture import MERGE, Namespace, cron_job

from console.actions.plan import Outcome, Preview, Request, RunStep
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint


async def test_a_cron_job_is_suspended_and_let_run_again(ns: Namespace, tmp_path: Path) -> None:
    """Only `suspend` changes, with a precondition, as the preview and kubectl's own command say; twice is refused."""
    path = ns.path("cronjobs", group="batch/v1")
    assert ns.http.post(path, json=cron_job()).status_code == 201
    before = ns.get(f"{path}/backup")["spec"]
    kubeconfig = ns.kubeconfig(tmp_path / "kubeconfig")
    endpoint = ClusterEndpoint(ns.name, kubeconfig=str(kubeconfig), timeout_seconds=10.0)
    settings = settings_for(tmp_path, endpoint, namespace=ns.name)
    reader, writer = Facts(endpoint), Writer(settings)
    previews: list[Preview] = []

    async def act(action: str, *, meanwhile: bool = False) -> RunStep:
        async def agree(preview: Preview) -> bool:
            previews.append(preview)
            if meanwhile:
                change = {"spec": {"schedule": "20 3 * * *"}}
                assert ns.patch(f"{path}/backup", change, MERGE).status_code == 200
            return not meanwhile or len(previews) < 4

        steps = run(Request(action, "cronjob/backup"), RunContext(settings, reader, writer, journal), agree)
        return [step async for step in steps][-1]

    with Journal.open(settings.paths.journal_file) as journal:
        done = await act("suspend")
        assert (done.outcome, ns.get(f"{path}/backup")["spec"]) == (Outcome.DONE, {**before, "suspend": True}), done.text
        plan = previews[0].plan
        assert plan.command.endswith("""patch cronjob/backup -p '{"spec":{"suspend":true}}'""")
        assert ("state", "active", "suspended") in [(item.name, item.before, item.after) for item in plan.differences]
        assert "is already suspended" in (await act("suspend")).text
        done = await act("unsuspend")
        assert (done.outcome, ns.get(f"{path}/backup")["spec"]) == (Outcome.DONE, {**before, "suspend": False}), done.text
        assert previews[1].plan.notes == ("a run missed while it was suspended starts at once",)
        refused = await act("suspend", meanwhile=True)
        assert refused.outcome is Outcome.REFUSED and not ns.get(f"{path}/backup")["spec"]["suspend"]
    await reader.close()
    await writer.close()
