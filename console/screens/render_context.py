"""What a screen draws from: the snapshot, the time, and what changed."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from console.screens.chart_choices import ChartChoices
from console.screens.views import Views
from queries.model.frozen import dataclass
from queries.model.source import Health
from widgets.styled_text import Line

if TYPE_CHECKING:
    from console.config.settings import Settings
    from console.monitor.session import Session
    from console.state.as_of import AsOf
    from console.state.snapshot import Snapshot
    from queries.model.alert import TrackedAlert


@dataclass(frozen=True, slots=True)
class RenderContext:
    """`session` is None until it is open, `snapshot` until something is known; `error` is why the session could not be opened.

    `changed_ids` are the panel ids and fingerprints whose verdict or state changed with the last refresh.
    """

    settings: Settings
    now: float
    session: Session | None = None
    snapshot: Snapshot | None = None
    changed_ids: frozenset[str] = frozenset()
    error: str = ""
    note: str = ""
    """How the cluster was chosen, or which moment is being read; shown in line 2 for a while after the start."""
    terminal_status: str = ""
    """A note about the terminal for the footer; empty for an ordinary one."""
    clock_now: float = 0.0
    """Now, Unix seconds: `now` is the moment that is shown, which may be past."""
    jumps: int = 0
    """Counts the moments that were jumped to: what a screen has read before belongs to another one."""
    marks: tuple[Line, ...] = ()
    """The row of marks below a past moment; empty for now."""
    charts: ChartChoices = field(default_factory=ChartChoices)
    views: Views = field(default_factory=Views)

    @property
    def as_of(self) -> AsOf | None:
        """The past moment that is shown; None for now."""
        return self.snapshot.as_of if self.snapshot else None

    @property
    def alerts(self) -> tuple[TrackedAlert, ...]:
        return self.snapshot.alerts if self.snapshot else ()

    def is_waiting(self, source: str) -> bool:
        """Whether this source never responded, for whatever reason."""
        if self.snapshot is None:
            return True
        state = self.snapshot.source(source)
        expected = state is not None and state.health not in (Health.NOT_CONFIGURED, Health.DENIED, Health.NOT_KNOWN_THEN)
        return state is not None and expected and state.last_good_at is None

    def is_denied(self, source: str) -> bool:
        """Whether this source refuses access."""
        state = self.snapshot.source(source) if self.snapshot else None
        return state is not None and state.health is Health.DENIED
