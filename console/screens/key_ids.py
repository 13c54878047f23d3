"""The ids that `keys` in the config file accepts: those of every binding of every screen and widget."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType

from textual.binding import Binding
from textual.dom import DOMNode

import console.screens
import widgets
from queries.text.suggestions import nearest_names


def find_unknown_ids(ids: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each id that no binding has. Imports every screen."""
    known = frozenset(_ids())
    return tuple(_explain(name, known) for name in ids if name not in known)


def find_classes(package: ModuleType, base: type) -> tuple[type, ...]:
    """The subclasses of `base` that the modules of a package define."""
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        for _, each in inspect.getmembers(module, inspect.isclass):
            if issubclass(each, base) and each.__module__.startswith(f"{package.__name__}."):
                found[f"{each.__module__}.{each.__qualname__}"] = each
    return tuple(found.values())


def _ids() -> Iterator[str]:
    for package in (console.screens, widgets):
        for each in find_classes(package, DOMNode):
            for binding in each.__dict__.get("BINDINGS", ()):
                if isinstance(binding, Binding) and binding.id:
                    yield binding.id


def _explain(name: str, known: Iterable[str]) -> str:
    near = nearest_names(name, known, most=1)
    return f"keys.{name}: no key has this id; {f'did you mean {near[0]!r}?' if near else 'docs/keys.md lists all'}"
