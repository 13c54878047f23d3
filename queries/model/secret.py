"""Secrets written literally into a pod template, and the text that replaces them."""

from __future__ import annotations

import hmac
import re
import secrets

_NAMES = re.compile(
    r"passw|passphrase|pwd|secret|token|credential|private_?key|api_?key|access_?key|auth_?key|signing_?key|encryption_?key|"
    r"(^|_)(key|auth|dsn|salt|cookie|webhook)(_|$)",
    re.IGNORECASE,
)
_VALUES = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@"  # a password in a URL
    r"|hooks\.[\w.-]+/|/webhooks?/"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}"  # a JSON web token
    r"|\b(?:sk|pk|ghp|gho|ghs|glpat|xox[abprs])[-_][\w-]{12,}"
    r"|\bAKIA[0-9A-Z]{12,}"
    r"|\bBearer\s+\S{8,}",
)
_ASSIGNED = re.compile(
    r"(?P<name>[\w.-]*(?:passw|secret|token|credential|api[_-]?key|access[_-]?key)[\w.-]*)(?P<sep>\s*[=:]\s*)(?P<value>\S+)",
    re.I,
)
# A key per process: equal values look equal, different ones different, and nobody can test guesses against the text.
_KEY = secrets.token_bytes(16)
_HARMLESS = frozenset({"", "true", "false", "none", "null", "0", "1"})


def redact_value(name: str, value: str) -> str:
    """The value, or `(hidden a1b2c3)` if its name or its form marks it as a secret.

    Different secrets get different digests, so that a change stays visible.
    """
    if value.lower() in _HARMLESS:
        return value
    if _NAMES.search(name) or _VALUES.search(value):
        return _hidden(value)
    return _ASSIGNED.sub(lambda match: f"{match['name']}{match['sep']}{_hidden(match['value'])}", value)


def _hidden(value: str) -> str:
    return f"(hidden {hmac.digest(_KEY, value.encode('utf-8', 'surrogatepass'), 'sha256').hex()[:6]})"
