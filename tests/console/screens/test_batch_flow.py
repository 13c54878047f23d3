"""What several marked rows may not be given at once."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest
from screen_samples import tracked

from console.actions.plan import Request
from console.actions.registry import action_named
from console.screens.flows.batch import BatchFlow
from console.screens.flows.silence import build_requests
from console.screens.messages import SilenceAlertsRequested


@pytest.mark.parametrize("protected", [True, False])
async def test_what_a_guard_watches_is_not_done_to_several(protected: bool) -> None:
    """In a protected environment a single `image` is guarded; several at once would not be, so they are refused."""
    notices: list[str] = []
    forms: list[Any] = []
    started: list[Coroutine[Any, Any, None]] = []

    async def decline(form: Any) -> None:
        forms.append(form)

    app = SimpleNamespace(
        settings=SimpleNamespace(protected=protected, environment="production"),
        session=SimpleNamespace(actions=(action_named("image"),)),
        show_notice=lambda text, **_: notices.append(text),
        refuse_in_past=lambda: False,
        push_screen_wait=decline,
        run_worker=lambda work, *_: started.append(work),
    )
    BatchFlow(cast("Any", app)).run(tuple(Request("image", f"deployment/{name}") for name in "ab"))
    await started[0]
    assert len(forms) == (0 if protected else 1)
    assert [text.partition(": ")[2] for text in notices] == (
        ["production is protected, where a guard watches each image, and several have none"] if protected else []
    )


def test_alerts_that_differ_only_in_their_pods_have_one_silence() -> None:
    """A silence leaves the pod out, so two of three marked alerts would have the same one twice: the rows of the batch are told
    apart by what each sends.
    """
    pods = tuple(tracked("PodCrashLooping", "warning", pod=name) for name in "abc")
    marked = (*pods, tracked("QueueBacklog", "warning"))
    first, second = build_requests(SilenceAlertsRequested(marked), now=0.0)
    assert first.target != second.target and "pod" not in first.target
    assert (first.cause, first.fingerprint) == ("alert PodCrashLooping", pods[0].alert.fingerprint)
    assert second.cause == "alert QueueBacklog"
