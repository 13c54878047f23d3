"""Where the journal is shared, as the config says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

KUBERNETES = "kubernetes"
POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`namespace` and `keep_days` are those of Kubernetes; `url` may hold a password and is in no representation."""

    kind: str
    namespace: str = ""
    keep_days: float = 30.0
    url: str = field(default="", repr=False)
    password_file: str = ""

    @property
    def where(self) -> str:
        """The store in words that may be shown."""
        if self.kind == KUBERNETES:
            return f"ConfigMaps in the namespace {self.namespace}"
        parts = urlsplit(self.url)
        return f"{POSTGRESQL}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_postgresql_url(value: Any) -> bool:
    """Whether this is a URL of one PostgreSQL database; where nothing is said, libpq's own variables and files hold."""
    if not isinstance(value, str) or any(character.isspace() or ord(character) < 32 for character in value):
        return False
    try:
        parts = urlsplit(value)
        unquote(parts.netloc, errors="strict")
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("postgresql", "postgres") and port_fits and not parts.fragment


def is_store(value: Any) -> bool:
    return value == KUBERNETES or is_postgresql_url(value)
