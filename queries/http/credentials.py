"""The authentication headers of an endpoint's `http_config`; secret files are re-read when they change."""

from __future__ import annotations

import base64
from pathlib import Path

from queries.errors import AccessDenied, SourceError
from queries.http.endpoint import HttpConfig
from queries.model.frozen import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class _CachedFile:
    stamp: tuple[int, int]
    text: str


class Credentials:
    """The authentication headers of one endpoint; its repr shows nothing."""

    def __init__(self, config: HttpConfig, *, where: str, username: str = "", password: str = "") -> None:
        """`username` and `password` are those of the URL, used if the config names no user."""
        self._config = config
        self._where = where
        self._username = config.username or username
        self._password = config.password or ("" if config.username else password)
        self._basic = bool(self._username or self._password)
        self._files: dict[str, _CachedFile] = {}

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers to send now. Raises AccessDenied if a secret file cannot be read."""
        config = self._config
        headers = [(_bytes(name), _bytes(value.strip())) for name, value in config.http_headers]
        headers += [(_bytes(name), _bytes(self._read(path))) for name, path in config.header_files]
        if self._basic:
            password = self._read(config.password_file) if config.password_file else self._password
            pair = base64.b64encode(f"{self._username}:{password}".encode())
            headers.append((b"authorization", b"Basic " + pair))
        elif config.credentials_file or config.credentials:
            token = self._read(config.credentials_file) if config.credentials_file else config.credentials.strip()
            headers.append((b"authorization", _bytes(f"{config.authorization_type or 'Bearer'} {token}")))
        return headers

    def redact(self, text: str) -> str:
        """Remove every secret of this endpoint from a text: a server may echo what it received."""
        from queries.text.secrets import hide  # noqa: PLC0415  # only for an error or an answer that a person reads

        return hide(text, self._secrets(), replacement="…")

    def redact_error(self, error: SourceError) -> SourceError:
        """The error without any secret of this endpoint."""
        return error.redact(self.redact)

    def _secrets(self) -> list[str]:
        config = self._config
        known = [self._password, config.credentials.strip(), *(value.strip() for _, value in config.http_headers)]
        known += [kept.text for kept in self._files.values()]
        pairs = [base64.b64encode(f"{self._username}:{secret}".encode()).decode() for secret in known if secret and self._basic]
        # Very short values (a tenant header `1`) are no secrets, and removing them would mangle every sentence.
        return [secret for secret in (*known, *pairs) if len(secret) >= 4]

    def _read(self, path: str) -> str:
        file = Path(path)
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            kept = self._files.get(path)
            if kept is None or kept.stamp != stamp:
                kept = _CachedFile(stamp, file.read_text(encoding="utf-8").strip())
                self._files[path] = kept
        except UnicodeDecodeError:
            raise AccessDenied(f"the secret file {path} is not text", where=self._where) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise AccessDenied(
                f"the secret file {path} cannot be read ({reason})", where=self._where, hint="check its path and permissions"
            ) from None
        return kept.text

    def __repr__(self) -> str:
        return "Credentials(…)"


def _bytes(text: str) -> bytes:
    """Header text as bytes, so that no codec fails later and quotes the secret."""
    return text.encode("utf-8", "surrogateescape")
