"""What a secret looks like, and texts without secrets, for the log, the journal, previews, screens and recordings.

`redact_value` hides a value by its name or form, `redact_text` works on lines that a program or a library wrote, and `hide`
removes values that are known to be secret. Objects of Kubernetes: `queries/kubernetes/object_secrets.py`; addresses that are
secrets: `queries/http/url_secrets.py`.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from queries.model.later import lazy_pattern

_NAMES = lazy_pattern(
    r"passw|passphrase|passcode|pwd|secret|token|credential|authorization|private_?key|api_?key|access_?key|account_?key|"
    r"auth_?key|signing_?key|encryption_?key|(pass|key|auth)\d*(_|$)|(^|_)(pass|key|auth|dsn|salt|cookie|webhook)(_|$)",
    re.IGNORECASE,
)
_VALUES = lazy_pattern(
    r"://[^/\s:@]*:[^/\s@]+@"  # a password in a URL
    r"|hooks\.[\w.-]{1,253}/|/webhooks?/"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\beyJ[\w-]{8,2048}\.[\w-]{8}"  # a JSON web token
    r"|\b(?:sk|pk|ghp|gho|ghs|glpat|xox[abprs])[-_][\w-]{12,}"
    r"|\bAKIA[0-9A-Z]{12,}"
    r"|\bBearer\s+\S{8,}"
    r"|[?&](?:sig|signature|key|auth)=[^&\s]{6}",
)
_KEY_BEGIN, _KEY_END = r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----", r"-----END [A-Z ]{0,40}PRIVATE KEY-----"
_PRIVATE_KEY = lazy_pattern(rf"{_KEY_BEGIN}.*?(?:{_KEY_END}|\Z)", re.DOTALL)
_REST_OF_KEY = lazy_pattern(rf"\A.*{_KEY_END}", re.DOTALL)
"""Of a text that begins in the middle of a key."""
_WORDS = (
    r"passw|passphrase|pwd|[_-]pass\b|secret|token|credential|authorization|"
    r"(?:api|access|account|auth|client|private|signing|encryption)[_-]?key"
)
_ASSIGNED = lazy_pattern(
    # From the beginning of a word only, and without going back: otherwise a word of a megabyte would take hours.
    rf"(?<![\w.-])(?P<name>(?P<dash>--?)?+(?=[\w.-]*(?:{_WORDS}))[\w.-]++)"
    # `NAME=`, `NAME:`, `"NAME":` of JSON, also within JSON, and `--NAME value`
    r"""(?P<sep>\\?+["']?+\s*+[=:]\s*+|(?(dash)\s++(?=[^\s-])|(?!)))"""
    r"""(?P<value>\\"[^"\\]*+\\"|"(?:[^"\\]|\\.)*+"|'[^']*+'|(?:Basic|Digest|Negotiate|ApiKey)\s+\S+|\S+)""",
    re.IGNORECASE | re.DOTALL,
)
_WORD = lazy_pattern(_WORDS, re.IGNORECASE)
"""Most texts contain none: to see that takes less than to search for an assignment."""
_OPTION = lazy_pattern(rf"--?(?=[\w.-]*(?:{_WORDS}))[\w.-]++", re.IGNORECASE)
# A key per process: equal values look equal, different ones different, and nobody can test guesses against the text.
_KEY = os.urandom(16)
_HARMLESS = frozenset({"", "true", "false", "none", "null", "0", "1"})
_HIDDEN = lazy_pattern(r"\(hidden [0-9a-f]{6}\)")


def is_secret_name(name: str) -> bool:
    """Whether an environment variable, key or header of this name holds a secret, whatever its value looks like."""
    return _NAMES.search(name.replace("-", "_")) is not None


def redact_value(name: str, value: str) -> str:
    """The value, or `(hidden a1b2c3)` if its name or its form marks it as a secret.

    Different secrets get different digests, so that a change stays visible.
    """
    if value.lower() in _HARMLESS or _HIDDEN.fullmatch(value):
        return value
    if is_secret_name(name) or _VALUES.search(value):
        return _hidden(value)
    if not _WORD.search(value):
        return value
    return _ASSIGNED.sub(lambda match: f"{match['name']}{match['sep']}{_hidden(match['value'])}", value)


def redact_text(text: str) -> str:
    """Lines that a program or library wrote, without what looks like a secret: a private key as a whole, else line by line."""
    if "PRIVATE KEY-----" in text:
        text = _PRIVATE_KEY.sub(lambda match: _hidden(match[0]), text)
        text = _REST_OF_KEY.sub(lambda match: _hidden(match[0]), text)
    return "\n".join(redact_value("", line) for line in text.split("\n"))


class SecretText:
    """A secret value that no representation, comparison error or log shows; `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "SecretText(…)"


def hide(text: str, values: Iterable[str], *, replacement: str = "(hidden)") -> str:
    """The text without any of these values, also encoded as in JSON, a URL, or base64."""
    forms = {form for value in values if value for form in encoded_forms(value)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, replacement)
    return text


def encoded_forms(value: str) -> frozenset[str]:
    """The value as programs and servers repeat it."""
    encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
    with_newline = base64.b64encode(f"{value}\n".encode("utf-8", "surrogatepass")).decode()
    quoted = quote(value.encode("utf-8", "surrogatepass"), safe="")
    in_json = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return frozenset({value, *in_json, shlex.quote(value), quoted, encoded, encoded.rstrip("="), with_newline})


def redact_command(arguments: Sequence[str]) -> str:
    """An argument list as a shell would take it, without the secrets that options and values of it look like."""
    before = ("", *arguments)
    shown = (
        redact_value("secret" if is_secret_option(last) else "", item) for last, item in zip(before, arguments, strict=False)
    )
    return shlex.join(shown)


def is_secret_option(argument: str) -> bool:
    """Whether the argument after this one is a secret: `--db-password`."""
    return _OPTION.fullmatch(argument) is not None


def _hidden(value: str) -> str:
    return f"(hidden {hmac.digest(_KEY, value.encode('utf-8', 'surrogatepass'), 'sha256').hex()[:6]})"
