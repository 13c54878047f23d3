"""Modules of others that no frame needs, imported when something in them is used.

Textual's application imports its command palette, with an input field and a list, and what it needs to save files: a sixth of
its import. Until then a stand-in has their place, whose names call the real ones.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from textual.widget import Widget
    from textual.widgets import Input

USED_LATER = ("difflib", "mimetypes", "platformdirs", "rich.table", "textual.canvas", "textual.command", "uuid")
"""What Textual imports from these it only calls, never in an `isinstance`; a base class among them is Provider's alone."""


class LaterName:
    """A function or class of such a module: called, or asked for an attribute, it is the real one."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __repr__(self) -> str:
        return f"{self._module}.{self._name}"

    def __call__(self, *values: Any, **named: Any) -> Any:
        return self._real()(*values, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[type, ...]:
        """Textual's own choice of a theme, which the console does not offer, derives from the palette's provider."""
        return ()

    def _real(self) -> Any:
        return getattr(import_module(self._module), self._name)


class LaterModule(ModuleType):
    """Has every name."""

    def __getattr__(self, name: str) -> LaterName:
        if name.startswith("__"):
            raise AttributeError(name)
        return LaterName(self.__name__, name)


def import_textual() -> None:
    """Import Textual's application with a stand-in for each of the modules that is not there yet; afterwards importing one of
    them brings the module itself.
    """
    absent = {name: LaterModule(name) for name in USED_LATER if name not in sys.modules}
    sys.modules |= absent
    try:
        import_module("textual.app")
    finally:
        for name in absent:
            del sys.modules[name]


def is_input(widget: Widget | None) -> TypeGuard[Input]:
    """Whether it is a field of one line. While Textual's module of those is not imported, nothing is."""
    module = sys.modules.get("textual.widgets._input")
    return module is not None and isinstance(widget, module.Input)
