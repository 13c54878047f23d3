"""Views of lists that a person saved by name: filter, order and columns; and the text of the file that keeps them."""

from __future__ import annotations

from typing import Any

from queries.model.frozen import dataclass
from widgets.table import Arrangement

MOST = 100
_LONGEST = 400
"""Characters of a name or a filter."""


@dataclass(frozen=True, slots=True)
class View:
    """`screen` is the command that opens the list, `tables` has the arrangement of each table by its id."""

    screen: str
    filter: str = ""
    group: str = ""
    tables: tuple[tuple[str, Arrangement], ...] = ()


class Views:
    """By name, in the order in which they were saved."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._deleted: set[str] = set()
        """Names that are not taken back from a file that another console wrote."""

    @property
    def items(self) -> tuple[tuple[str, View], ...]:
        return tuple(self._views.items())

    def get(self, name: str) -> View | None:
        return self._views.get(name)

    def save(self, name: str, view: View) -> str:
        """Save it, or say why not."""
        if len(name) > _LONGEST or len(view.filter) > _LONGEST or (name not in self._views and len(self._views) >= MOST):
            return f"at most {MOST} views, each with at most {_LONGEST} characters in its name and its filter"
        self._deleted.discard(name)
        self._views[name] = view
        return ""

    def delete(self, name: str) -> bool:
        self._deleted.add(name)
        return self._views.pop(name, None) is not None

    def encode(self) -> str:
        """The views as the text of their file."""
        import json  # noqa: PLC0415  # not before the first frame

        kept = {
            name: {
                "screen": view.screen,
                "filter": view.filter,
                "group": view.group,
                "tables": {
                    table: {"order": item.order, "descending": item.descending, "hidden": sorted(item.hidden)}
                    for table, item in view.tables
                },
            }
            for name, view in self._views.items()
        }
        return json.dumps({"views": kept}, indent=1) + "\n"

    def restore(self, text: str) -> None:
        """Add the views of a file's text that are not known here. Raises ValueError if the text is not a mapping in JSON."""
        import json  # noqa: PLC0415  # as above

        kept: Any = json.loads(text)
        if not isinstance(kept, dict):
            raise ValueError("expected a mapping")
        views = kept.get("views")
        for name, item in views.items() if isinstance(views, dict) else ():
            if name not in self._views and name not in self._deleted and isinstance(item, dict) and len(self._views) < MOST:
                self._views[name] = _read_view(item)


def _read_view(item: dict[str, Any]) -> View:
    tables = item.get("tables")
    found = tables.items() if isinstance(tables, dict) else ()
    return View(
        str(item.get("screen", "")),
        str(item.get("filter", ""))[:_LONGEST],
        str(item.get("group", "")),
        tuple((table, _read_arrangement(each)) for table, each in found if isinstance(each, dict)),
    )


def _read_arrangement(item: dict[str, Any]) -> Arrangement:
    hidden = item.get("hidden")
    names = frozenset(each for each in hidden if isinstance(each, str)) if isinstance(hidden, list) else frozenset[str]()
    return Arrangement(str(item.get("order", "")), item.get("descending") is True, names)
