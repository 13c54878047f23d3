"""Every action on a Deployment has a key: the registry gives it a verb and a palette entry, but no key."""

from __future__ import annotations

from console.actions.registry import ACTIONS
from console.screens.keys import WORKLOAD_ACTIONS


def test_every_action_on_a_deployment_has_a_capital_of_its_own() -> None:
    """The keys of a workload run the actions on Deployments, each by a capital: small letters change nothing."""
    names = [action.name for action in ACTIONS if action.target_kind == "deployment"]
    assert names
    assert sorted(binding.action for binding in WORKLOAD_ACTIONS) == sorted(f"act('{name}')" for name in names)
    keys = [binding.key for binding in WORKLOAD_ACTIONS]
    assert len(set(keys)) == len(keys) and all(key.isupper() for key in keys)
