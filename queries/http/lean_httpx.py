"""httpx without its client, and without what cookies, forms, digest authentication and names beyond ASCII need: half of its
import, which no read of the console uses.

Import it from here, so that it is the first import of httpx in the process. Everything of httpx works as always: what needs one
of the modules imports it then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from threading import RLock
from types import ModuleType, SimpleNamespace
from typing import Any

from queries.model.later import LaterModule, LaterName, stand_in

USED_LATER = ("email.message", "http.cookiejar", "urllib.request", "idna")
_PACKAGES = ("httpx", "httpx._transports")
"""Their own code imports the client and every transport; it runs when somebody asks for a name that is not there yet."""
_TURN = RLock()


class _LaterRequest:
    """The base of the request that httpx shows to a cookie jar: it has what the real one has, once there is one."""

    def __init__(self, *values: Any, **named: Any) -> None:
        self._real = LaterName("urllib.request", "Request")(*values, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def add_unredirected_header(self, key: str, value: str) -> None:
        self._real.add_unredirected_header(key, value)


class _LaterModule(LaterModule):
    def __getattr__(self, name: str) -> Any:
        if (self.__name__, name) == ("urllib.request", "Request"):
            return _LaterRequest
        return super().__getattr__(name)


def _import_httpx() -> None:
    import email  # noqa: PLC0415  # the packages themselves are small
    import urllib  # noqa: PLC0415  # as above

    packages = ((email, "message"), (urllib, "request"))
    absent = [(package, name) for package, name in packages if not hasattr(package, name)]
    with stand_in(USED_LATER, _LaterModule):
        for package, name in absent:
            setattr(package, name, sys.modules[f"{package.__name__}.{name}"])
        _import_parts()
    from httpx import _models  # noqa: PLC0415  # it is there

    for package, name in absent:
        if package is email:
            # It looks the module up when it is used.
            vars(_models)["email"] = SimpleNamespace(message=email.message)
        delattr(package, name)


def _import_parts() -> None:
    """The modules behind the names that the console uses, and those names in the packages."""
    whole, transports = map(_prepare_package, _PACKAGES)
    from httpx import _exceptions, _models, _types, _urls  # noqa: PLC0415  # with the stand-ins in place
    from httpx._transports import base  # noqa: PLC0415  # as above

    for part in (_exceptions, _models, _types, _urls, base):
        vars(whole).update((name, getattr(part, name)) for name in part.__all__)
    for package in (whole, transports):
        vars(package)["__getattr__"] = _finish_later(package)


def _prepare_package(name: str) -> ModuleType:
    """The package without anything that its own code defines: its modules can be imported."""
    parent, _, last = name.rpartition(".")
    spec = PathFinder.find_spec(name, sys.modules[parent].__path__ if parent else None)
    assert spec is not None  # noqa: S101  # it is installed
    package = sys.modules[name] = ModuleType(name)
    known = {"__spec__": spec, "__loader__": spec.loader, "__file__": spec.origin, "__package__": name}
    vars(package).update({**known, "__path__": list(spec.submodule_search_locations or ())})
    if parent:
        setattr(sys.modules[parent], last, package)
    return package


def _finish_later(package: ModuleType) -> Callable[[str], Any]:
    """What finds a name that the package lacks: it runs the package's own code, once."""
    started = False

    def find(name: str) -> Any:
        nonlocal started
        with _TURN:
            if not started and package.__spec__ and package.__spec__.loader:
                started = True
                package.__spec__.loader.exec_module(package)
        if name not in vars(package):
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
        return vars(package)[name]

    return find


if "httpx" not in sys.modules:
    _import_httpx()

import httpx  # noqa: E402

__all__ = ["httpx"]
