"""httpx without what cookies, forms and digest authentication need: a third of its import, which no read of the console uses.

Import it from here, so that it is the first import of httpx in the process. Everything of httpx works as always: what needs one
of the modules imports it then.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from queries.model.later import LaterModule, LaterName, stand_in

USED_LATER = ("email.message", "http.cookiejar", "urllib.request")


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
        from httpx import _models  # noqa: PLC0415  # the first import of httpx, with the stand-ins in place
    for package, name in absent:
        if package is email:
            # It looks the module up when it is used.
            vars(_models)["email"] = SimpleNamespace(message=email.message)
        delattr(package, name)


if "httpx" not in sys.modules:
    _import_httpx()

import httpx  # noqa: E402

__all__ = ["httpx"]
