"""What runs by the clock or once: CronJobs and Jobs, in the few fields that tell whether they succeeded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One CronJob or Job. Times are Unix seconds, 0 where there is none.

    `succeeded_at` is the end of the last success; of a Job, of this one run. `started_at` is when it was last scheduled,
    or, of a Job, when it began. `failed` says of a Job that it has given up; a CronJob does not tell.
    """

    kind: str
    name: str
    schedule: str = ""
    suspended: bool = False
    active: int = 0
    created_at: float = 0.0
    started_at: float = 0.0
    succeeded_at: float = 0.0
    failed: bool = False
    reason: str = ""
