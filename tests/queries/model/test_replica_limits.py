"""Autoscalers at their limit, and which pods a disruption budget covers."""

from __future__ import annotations

import pytest

from queries.model.label_selector import Requirement
from queries.model.replica_limits import Autoscaler, DisruptionBudget


@pytest.mark.parametrize(
    ("maximum", "desired", "limited", "at_limit"),
    [
        (5, 4, False, False),
        (5, 5, False, True),
        (5, 6, False, True),
        (5, 2, True, True),
        (0, 3, False, False),
        (1, 1, False, True),
    ],
)
def test_an_autoscaler_is_at_its_limit_from_its_maximum_on(maximum: int, desired: int, limited: bool, at_limit: bool) -> None:
    """Or where it says so itself; a maximum that is not known limits nothing."""
    found = Autoscaler("n", "a", "Deployment", "web", 1, maximum, desired, desired, limited=limited)
    assert found.at_limit is at_limit


def test_a_budget_covers_what_all_of_its_selector_selects() -> None:
    """Two labels and two expressions together; an empty selector covers every pod, and none covers nothing."""
    labels = (("app", "web"), ("tier", "a"))
    exists, absent = Requirement("tier", "Exists"), Requirement("canary", "DoesNotExist")

    def covers(*selector: tuple[str, str], requirements: tuple[Requirement, ...] = (), everything: bool = False) -> bool:
        return DisruptionBudget("n", "b", selector, 1, requirements=requirements, everything=everything).selects(labels)

    assert covers(("app", "web")) and covers(*labels) and not covers(("app", "web"), ("tier", "b"))
    assert covers(requirements=(exists, absent)) and not covers(requirements=(exists, Requirement("app", "DoesNotExist")))
    assert covers(("app", "web"), requirements=(exists,))
    assert not covers(("app", "api"), requirements=(exists,), everything=True)
    assert not covers() and covers(everything=True)
