"""What changed between two revisions of a workload, as a unified diff of their pod templates."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from console.screens.document import DocumentLine, DocumentScreen
from console.screens.messages import OpenRevisionDiffRequested
from queries.model.object_page import TemplateRevision
from widgets.styled_text import Line, text

_TONES = {"+": "ok", "-": "critical", "@": "accent"}
_ALL_LINES = 1_000_000


class RevisionDiffScreen(DocumentScreen):
    """Computed from the revisions that the page has read: nothing is requested."""

    SCREEN_TITLE = "Changes"
    HELP_TEXT = (
        "What changed in the pod template between two revisions: image, environment, resources, command, probes, volumes. A "
        "line with - is only in the first one, a line with + only in the second. , and . choose another first revision, < and "
        "> another second one, a shows every line. Values that look like secrets are never shown: (hidden a1b2c3) differs when "
        "the value differs."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("comma", "choose(0, 1)", "first", key_display=", .", tooltip="An older first revision", id="diff.older"),
        Binding("full_stop", "choose(0, -1)", "newer", show=False, tooltip="A newer first revision", id="diff.newer"),
        Binding(
            "less_than_sign",
            "choose(1, 1)",
            "second",
            key_display="< >",
            tooltip="An older second revision",
            id="diff.to_older",
        ),
        Binding(
            "greater_than_sign", "choose(1, -1)", "newer", show=False, tooltip="A newer second revision", id="diff.to_newer"
        ),
        Binding("a", "all", "all lines", tooltip="Every line, or only those near a change", id="diff.all"),
    ]

    def __init__(self, request: OpenRevisionDiffRequested) -> None:
        super().__init__(request.target)
        self._revisions = request.revisions
        self._sides = [self._index(request.before), self._index(request.after)]
        self._everything = False

    def _index(self, name: str) -> int:
        return next(at for at, item in enumerate(self._revisions) if item.name == name)

    @property
    def _before(self) -> TemplateRevision:
        return self._revisions[self._sides[0]]

    @property
    def _after(self) -> TemplateRevision:
        return self._revisions[self._sides[1]]

    def document_title(self) -> Line:
        causes = "".join(f"  {item.number}: {item.change_cause}" for item in (self._before, self._after) if item.change_cause)
        return (
            (f" {self.SCREEN_TITLE} ", "title"),
            text(self._target, "strong"),
            (f"  revision {self._before.number} → {self._after.number}", "strong"),
            text(causes, "dim"),
        )

    def action_choose(self, side: int, by: int) -> None:
        at = self._sides[side] + by
        if not 0 <= at < len(self._revisions):
            self.show_notice("there is no older revision" if by > 0 else "there is no newer revision")
            return
        self._sides[side] = at
        self.action_read()

    def action_all(self) -> None:
        self._everything = not self._everything
        self.action_read()

    async def fetch(self) -> tuple[DocumentLine, ...]:
        session = self.context.session if self.context else None
        if session is None:
            return ()
        sides = tuple(self._sides)
        if self._everything:
            lines = await session.objects.diff(self._before, self._after, context=_ALL_LINES)
        else:
            lines = await session.objects.diff(self._before, self._after)
        if sides != tuple(self._sides):
            return await self.fetch()
        if not lines:
            return (DocumentLine("  their pod templates are equal", "dim"),)
        return tuple(DocumentLine(line, _TONES.get(line[:1], "")) for line in lines)
