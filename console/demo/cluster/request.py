"""The API server's requests and responses as values, so that its routes run without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)  # includes the token
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    code: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def as_json(code: int, body: Any, headers: tuple[tuple[str, str], ...] = ()) -> HttpResponse:
    return HttpResponse(code, json.dumps(body, separators=(",", ":")).encode(), headers=headers)


def as_text(code: int, body: str) -> HttpResponse:
    return HttpResponse(code, body.encode(), "text/plain; charset=utf-8")
