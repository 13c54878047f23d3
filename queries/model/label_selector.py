"""Label selectors: which objects a workload or a disruption budget selects by their labels."""

from __future__ import annotations

from collections.abc import Mapping

from queries.model.frozen import dataclass
from queries.model.series import Labels


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of a selector's `matchExpressions`: `In`, `NotIn`, `Exists` or `DoesNotExist`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def accepts(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels matches; an unknown operator matches nothing."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False


def matches_selector(labels: Labels, selector: Labels, requirements: tuple[Requirement, ...]) -> bool:
    """Whether a label selector, `matchLabels` and `matchExpressions`, selects an object with these labels."""
    if not set(selector).issubset(labels):
        return False
    named = dict(labels)
    return all(item.accepts(named) for item in requirements)
