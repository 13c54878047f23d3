"""What is imported or compiled when it is first used: modules that a library imports and hardly ever needs, and the regular
expressions of our own, which together take a tenth of a command that matches with few.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, AnyStr, cast

if TYPE_CHECKING:
    from collections.abc import Iterator


class LaterName:
    """A function or class of such a module: called, or asked for an attribute, it is the real one."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __repr__(self) -> str:
        return f"{self._module}.{self._name}"

    def __call__(self, *values: Any, **named: Any) -> Any:
        return self.real(*values, **named)

    def __getattr__(self, name: str) -> Any:
        if isinstance(sys.modules.get(self._module), LaterModule):
            raise AttributeError(name)  # asked by the import that the stand-in is for
        return getattr(self.real, name)

    def __mro_entries__(self, _bases: tuple[object, ...]) -> tuple[type, ...]:
        """Textual's own choice of a theme, which the console does not offer, derives from the palette's provider."""
        return ()

    @property
    def real(self) -> Any:
        return getattr(import_module(self._module), self._name)


class LaterModule(ModuleType):
    """Has every name while it stands in for the module, and then the module's."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        later = LaterName(self.__name__, name)
        return later if sys.modules.get(self.__name__) is self else later.real


@contextmanager
def stand_in(names: Sequence[str], kind: type[LaterModule] = LaterModule) -> Iterator[None]:
    """While this is open, an import of one of these modules that is not there yet gives a stand-in; afterwards the module."""
    absent = {name: kind(name) for name in names if name not in sys.modules}
    sys.modules |= absent
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _LazyPattern:
    """Stands in for the pattern: a method of it is looked up once, and kept."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, value)
        return value


def lazy_pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """A pattern for its methods and attributes; `re.sub(pattern, …)` takes the real one only. A mistake in it is raised at the
    first use.
    """
    return cast("re.Pattern[AnyStr]", _LazyPattern(text, flags))
