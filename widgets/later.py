"""Modules of others that no frame needs, imported when something in them is used.

Textual's application imports its command palette, with an input field and a list, and what it needs to save files: a sixth of
its import. Until then a stand-in has their place, whose names call the real ones.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, TypeGuard

from queries.model.later import stand_in

if TYPE_CHECKING:
    from textual.widget import Widget
    from textual.widgets import Input

USED_LATER = ("difflib", "mimetypes", "platformdirs", "rich.table", "textual.canvas", "textual.command", "uuid")
"""What Textual imports from these it only calls, never in an `isinstance`; a base class among them is Provider's alone."""


def import_textual() -> None:
    """Import Textual's application with a stand-in for each of the modules that is not there yet; afterwards importing one of
    them brings the module itself.
    """
    with stand_in(USED_LATER):
        import_module("textual.app")


def is_input(widget: Widget | None) -> TypeGuard[Input]:
    """Whether it is a field of one line. While Textual's module of those is not imported, nothing is."""
    module = sys.modules.get("textual.widgets._input")
    return module is not None and isinstance(widget, module.Input)
