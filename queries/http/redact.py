"""Errors about an address that is itself a secret, without a word of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from queries.errors import SourceError

_SHORTEST = 6
"""Characters: what is shorter is no secret, and cutting it out would tear holes into every sentence."""
_WORD = re.compile(r"[a-z]{1,12}")
"""`services`, `webhook`, `triggers`: a part of many addresses, and often of what a server says."""
_PARTS = re.compile(r"[/?&=;,:@#]+")


def secrets_of(url: str, *more: str) -> tuple[str, ...]:
    """Everything of a URL behind its host, whole and in parts, as it is sent and as it is meant; the longest first."""
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    found = {url, parts.path, parts.query, userinfo, *more}
    if userinfo:
        found.add(base64.b64encode(unquote(userinfo).encode()).decode())
    for text in (parts.path, parts.query, userinfo):
        found.update(_PARTS.split(text))
    found |= {unquote(text) for text in found}
    return tuple(
        sorted((text for text in found if len(text) >= _SHORTEST and not _WORD.fullmatch(text)), key=len, reverse=True)
    )


def scrubbed(error: SourceError, secrets: Iterable[str], *, where: str, hint: str = "") -> SourceError:
    """The same failure at `where`, which names the place without its address.

    A server's own words are cut after some characters: the beginning of a secret is cut out too.
    """
    fault = error.fault
    words = tuple(secrets)
    return type(error)(
        _cut(fault.what, words),
        where=where,
        hint=hint or _cut(fault.hint, words),
        retry_after_seconds=fault.retry_after_seconds,
        status=fault.status,
    )


def _cut(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        for length in range(len(secret), _SHORTEST - 1, -1):
            text = text.replace(secret[:length], "…")
    return text
