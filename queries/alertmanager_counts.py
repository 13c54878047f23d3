"""Whether an Alertmanager's list of alerts is still the one that was read last, by what it counts and when alerts end.

A list of megabytes costs more to receive than everything else that a refresh does, and is mostly the same again. It changes
when somebody sends an alert, a silence begins or ends, the configuration is loaded again or the server starts again, all of
which its metrics count; or when an alert's end passes, which the list says.
"""

from __future__ import annotations

LARGE_BYTES = 256 << 10
"""From this size on a list costs more than the metrics, which have about 30 KB."""
_LONGEST_SECONDS = 30.0
"""After this time the list is read all the same."""
_SETTLE_SECONDS = 2.0
"""An alert is counted before it is stored: a list counts only if it was read this long after the counts last changed."""
_END_SECONDS = 5.0
"""How long before its first alert ends the list is read with every poll: the server's clock is known to about a second."""
_RETRY_SECONDS = 60.0
"""How long the metrics are not requested after they could not be read, or had no counts."""
_RECEIVED = b"alertmanager_alerts_received_total{"
_COUNTED = (
    _RECEIVED,
    b"alertmanager_alerts{",
    b"alertmanager_silences{",
    b"alertmanager_config_hash ",
    b"alertmanager_config_last_reload_success_timestamp_seconds ",
    b"process_start_time_seconds ",
)


class ListProof:
    """Knows of one peer what was counted when. Times are Unix seconds of this machine."""

    def __init__(self) -> None:
        self._counts: bytes = b""
        self._counted_at = float("-inf")
        """Since when the counts are these, as far as is known."""
        self._listed_at = float("-inf")
        self._ends_at = float("-inf")
        """When the first alert of the list ends."""
        self._retry_at = float("-inf")

    def wants_metrics(self, now: float) -> bool:
        """Whether they are worth a request."""
        return now >= self._retry_at

    def holds(self, metrics: bytes, now: float) -> bool:
        """Takes the metrics, which were received after `now`; whether the list that was read last is the list now."""
        counts = b"\n".join(line for line in metrics.split(b"\n") if line.startswith(_COUNTED))
        if _RECEIVED not in counts:
            self.note_failure(now)
            return False
        if counts != self._counts:
            self._counts, self._counted_at = counts, now
            return False
        return (
            self._listed_at - self._counted_at >= _SETTLE_SECONDS
            and 0.0 <= now - self._listed_at < _LONGEST_SECONDS
            and now < self._ends_at - _END_SECONDS
        )

    def note_failure(self, now: float) -> None:
        """The metrics cannot be read, or count nothing: every poll reads the list."""
        self._counts, self._retry_at = b"", now + _RETRY_SECONDS

    def note_list(self, now: float, *, ends_at: float) -> None:
        """A list was requested at `now` and read; `ends_at` is when its first alert ends, by this machine's clock."""
        self._listed_at, self._ends_at = now, ends_at

    def forget_list(self) -> None:
        """The next poll reads the list."""
        self._listed_at = float("-inf")
