"""Errors about a URL that is itself a secret, such as a webhook of a channel, without any part of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from queries.errors import SourceError

_SHORTEST = 6
"""Characters; shorter texts are no secrets, and removing them would mangle every sentence."""
_WORD = re.compile(r"[a-z]{1,12}")
"""`services`, `webhook`, `triggers`: parts of many URLs, and common in a server's messages."""
_PARTS = re.compile(r"[/?&=;,:@#]+")


def find_secrets(url: str, *more: str) -> tuple[str, ...]:
    """Everything in a URL except its host, whole and in parts, encoded and decoded; the longest first."""
    parts = urlsplit(url)
    userinfo = parts.netloc.rpartition("@")[0]
    secrets = {url, parts.path, parts.query, userinfo, *more}
    if userinfo:
        secrets.add(base64.b64encode(unquote(userinfo).encode()).decode())
    for text in (parts.path, parts.query, userinfo):
        secrets.update(_PARTS.split(text))
    secrets |= {unquote(text) for text in secrets}
    return tuple(
        sorted((text for text in secrets if len(text) >= _SHORTEST and not _WORD.fullmatch(text)), key=len, reverse=True)
    )


def redact_error(error: SourceError, secrets: Iterable[str], *, where: str, hint: str = "") -> SourceError:
    """The error with `where` instead of the URL, without any of the secrets.

    Prefixes of a secret are removed too, because a server's message may be truncated.
    """
    known = tuple(secrets)
    return error.redact(lambda text: _redact(text, known), where=where, hint=hint)


def _redact(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        for length in range(len(secret), _SHORTEST - 1, -1):
            text = text.replace(secret[:length], "…")
    return text
