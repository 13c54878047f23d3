"""What several marked rows may not be given at once."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.actions.plan import Request
from console.actions.registry import action_named
from console.screens.flows.batch import BatchFlow


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
