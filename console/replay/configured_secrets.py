"""Takes the secrets of this configuration out of what a bundle is made of."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from console.config.settings import Channel, Settings
from queries.http.endpoint import HttpConfig
from queries.http.url_secrets import find_secrets
from queries.text.secrets import encoded_forms

_SHORTEST = 5
"""Characters; a shorter text is found in too many words that are no secret."""
_SECRET_FIELDS = frozenset({"password", "credentials", "routing_key", "token", "secret"})
_URL_FIELDS = frozenset({"url", "proxy_url"})
_MOST_FILE_BYTES = 64 << 10
_REPLACEMENT = "…"
_IN_A_NUMBER = re.compile(rb"[-+.0-9eE]+").fullmatch
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
"""A text in JSON."""


class Redactor:
    """Replaces every secret that the settings hold or name, as it is and as it is encoded in JSON, URLs and headers."""

    def __init__(self, settings: Settings) -> None:
        found = {text for text in _find(settings) if len(text) >= _SHORTEST}
        for path in settings.secret_files:
            found.update(_read(path))
        found |= {bare for text in found if len(bare := unquote(text)) >= _SHORTEST}
        spellings = {spelling for text in found for spelling in encoded_forms(text)}
        self._secrets = tuple(text.encode() for text in sorted(spellings, key=len, reverse=True))

    def redact(self, content: bytes) -> bytes:
        """The JSON without any of the secrets: one that a number could contain is replaced in texts alone."""
        for secret in self._secrets:
            if secret not in content:
                continue
            if _IN_A_NUMBER(secret):
                content = _STRING.sub(partial(_hide, secret), content)
            else:
                content = content.replace(secret, _REPLACEMENT.encode())
        return content


def _hide(secret: bytes, found: re.Match[bytes]) -> bytes:
    return found[0].replace(secret, _REPLACEMENT.encode())


def _find(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, str):
        if name in _SECRET_FIELDS:
            yield value
        elif name in _URL_FIELDS:
            yield from _find_in_url(value)
    elif name == "http_headers":
        return  # those of them that are secrets are found in their HttpConfig
    elif dataclasses.is_dataclass(value):
        if isinstance(value, HttpConfig):
            yield from value.secret_values
        for item in dataclasses.fields(value):
            within = getattr(value, item.name)
            # The URL of a channel is a secret as a whole and in parts.
            secret = item.name == "url" and isinstance(value, Channel) and within
            yield from find_secrets(within) if secret else _find(within, item.name)
    elif isinstance(value, tuple):
        for within in value:
            yield from _find(within, name)


def _find_in_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        yield from filter(None, (parts.password, parts.query, *(value for _, value in parse_qsl(parts.query))))
        if parts.password:
            yield parts.netloc.rpartition("@")[0]
    except ValueError:
        yield url


def _read(path: str) -> Iterator[str]:
    """The secrets in a file that the configuration names: its whole text, or of several lines each long value."""
    try:
        with Path(path).expanduser().open(encoding="utf-8", errors="ignore") as file:
            text = file.read(_MOST_FILE_BYTES).strip()
    except OSError:
        return
    if "\n" not in text:
        if len(text) >= _SHORTEST:
            yield text
        return
    for line in text.splitlines():
        value = line.strip().rpartition(" ")[2].strip("\"'")
        if len(value) >= 4 * _SHORTEST:
            yield value
