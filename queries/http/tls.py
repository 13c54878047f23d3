"""The TLS context of an endpoint's `http_config`, rebuilt when its files change."""

from __future__ import annotations

import ssl
from pathlib import Path

from queries.errors import Unreachable
from queries.http.endpoint import HttpConfig


def file_stamps(config: HttpConfig) -> tuple[tuple[str, int], ...]:
    """Path and modification time of the TLS files, to notice a replaced one."""
    stamps: list[tuple[str, int]] = []
    for path in (config.ca_file, config.cert_file, config.key_file):
        if path:
            try:
                stamps.append((path, Path(path).stat().st_mtime_ns))
            except OSError:
                stamps.append((path, -1))
    return tuple(stamps)


def build_ssl_context(config: HttpConfig, *, where: str) -> ssl.SSLContext:
    """The context for this endpoint; slow (it parses every root certificate): call it off the loop.

    As in Prometheus, `ca_file` replaces the system's roots. Raises Unreachable that names the invalid file.
    """
    try:
        built = ssl.create_default_context(cafile=config.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise _wrong_file("ca_file", config.ca_file, error, where) from None
    if not config.ca_file and not built.cert_store_stats()["x509_ca"] and not _has_directory():
        import certifi  # noqa: PLC0415 - a machine without ca-certificates; httpx brings these roots along

        built.load_verify_locations(certifi.where())
    if config.insecure_skip_verify:
        built.check_hostname = False
        built.verify_mode = ssl.CERT_NONE
    if config.cert_file:
        try:
            built.load_cert_chain(config.cert_file, config.key_file or None, password=_no_prompt)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _wrong_file("cert_file or key_file", config.cert_file, error, where) from None
    return built


def _no_prompt() -> str:
    # OpenSSL would ask for a passphrase on the terminal that the console draws on.
    raise ValueError("the key is encrypted")


def _has_directory() -> bool:
    folder = ssl.get_default_verify_paths().capath
    return bool(folder and Path(folder).is_dir() and any(Path(folder).iterdir()))


def _wrong_file(field: str, path: str, error: Exception, where: str) -> Unreachable:
    if isinstance(error, ssl.SSLError):
        reason = "not PEM, or certificate and key do not belong together"
    elif isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
    else:
        reason = str(error)
    return Unreachable(f"{field} {path} cannot be used ({reason})", where=where, hint="check the TLS files of this endpoint")
