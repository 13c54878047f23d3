"""An action on a target: what a runbook offers, the console suggests and a person requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class ActionCall:
    """An action's name with its target and parameters.

    `target` is `deployment/NAME` for workloads, `silence/ID` for expiry, and matchers in Alertmanager's syntax for a new
    silence. In a runbook it may be empty, or contain `{label}` for a label of the alert.
    """

    action: str
    target: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
