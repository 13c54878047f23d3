"""The one preview of several actions."""

from __future__ import annotations

from console.actions.plan import CheckLevel, Difference, Plan, PreflightCheck, Preview, Request
from console.screens.action_run_model import ActionRunModel
from console.screens.batch_run import render_batch


def test_the_name_of_what_changes_is_not_cut() -> None:
    """Names of other lengths than those of a scale are whole, and the values stand below each other."""
    request = Request("restart", "deployment/cad-render")
    plan = Plan(
        request,
        title="Restart deployment/cad-render",
        subject="deployment/cad-render",
        differences=(Difference("restarted at", "never", "2026-03-01T14:03:27Z"), Difference("image", "a:1", "a:2")),
        notes=(),
        command="kubectl rollout restart deployment/cad-render",
        confirm_word="cad-render",
        body=None,
    )
    preview = Preview(plan, checks=(PreflightCheck(CheckLevel.OK, "you may patch deployments"),), protected=False)
    run = ActionRunModel(request)
    lines = render_batch("Restart 1 workload", (run,), (preview,), 80, place="STAGING")
    shown = ["".join(part for part, _ in line) for line in lines]
    assert any(line.startswith(" restarted at never") for line in shown), shown
    assert any(line.startswith(" image        a:1") for line in shown), shown
