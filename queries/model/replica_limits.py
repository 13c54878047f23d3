"""What limits how many pods of a workload there are: autoscalers, and disruption budgets."""

from __future__ import annotations

from queries.model.frozen import dataclass
from queries.model.label_selector import Requirement, matches_selector
from queries.model.series import Labels


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One HorizontalPodAutoscaler; `target_kind` and `target_name` are the workload that it scales."""

    namespace: str
    name: str
    target_kind: str
    target_name: str
    minimum: int
    maximum: int
    current: int
    desired: int
    scaled_object: str = ""
    """The KEDA ScaledObject that created it, else empty."""
    limited: bool = False
    """It wants more pods than its maximum: the condition ScalingLimited with the reason TooManyReplicas."""

    @property
    def at_limit(self) -> bool:
        """Whether it cannot add another pod."""
        return self.limited or (self.maximum > 0 and self.desired >= self.maximum)


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """One PodDisruptionBudget; `allowed` is the number of evictions that it permits now."""

    namespace: str
    name: str
    selector: Labels
    allowed: int
    minimum: str = ""
    requirements: tuple[Requirement, ...] = ()
    everything: bool = False
    """Its selector is empty, which selects every pod of the namespace."""

    def selects(self, labels: Labels) -> bool:
        """Whether it covers a pod with these labels; one without a selector covers none."""
        if not (self.selector or self.requirements):
            return self.everything
        return matches_selector(labels, self.selector, self.requirements)
