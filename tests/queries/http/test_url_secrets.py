"""An error about a URL that is itself a secret shows no part of it."""

from __future__ import annotations

import base64

import pytest

from queries.errors import RequestRejected, Unreachable
from queries.http.url_secrets import find_secrets, redact_error

USER = "us%40er:p%2Fass-word"
URL = f"https://{USER}@hooks.example.com/services/T0/B123456/abcDEF%3D99?key=Value-1&ab=c"


def test_every_part_of_the_url_is_a_secret() -> None:
    """Whole and in parts, encoded and decoded, the longest first; the host, short parts and common words are not."""
    found = find_secrets(URL, "another-secret", "short")
    assert found[0] == URL and list(map(len, found)) == sorted(map(len, found), reverse=True)
    basic = base64.b64encode(b"us@er:p/ass-word").decode()
    assert {
        "/services/T0/B123456/abcDEF%3D99",
        "B123456",
        "abcDEF%3D99",
        "abcDEF=99",
        "Value-1",
        "another-secret",
        basic,
    } <= set(found)
    assert {"us%40er", "p%2Fass-word", "p/ass-word", "us%40er:p%2Fass-word", "key=Value-1&ab=c"} <= set(found)
    assert not {"hooks.example.com", "services", "T0", "short", "key", "ab", "us@er"} & set(found)


def test_lengths_and_words() -> None:
    """Six characters are a secret, five are none; a plain word of twelve letters is none, one of thirteen is."""
    assert find_secrets("http://h/aB345/aB3456") == ("http://h/aB345/aB3456", "/aB345/aB3456", "aB3456")
    assert set(find_secrets(f"http://h/{'a' * 12}/{'b' * 13}")) >= {"b" * 13} and "a" * 12 not in find_secrets(
        f"http://h/{'a' * 12}"
    )
    assert "" not in find_secrets("http://h") and find_secrets("http://h") == ("http://h",)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("POST secret-1234 failed", "POST … failed"),
        ("truncated secret-1", "truncated …"),
        ("truncated secret", "truncated …"),
        ("truncated secre", "truncated secre"),
        ("secret-1234 and other-5678", "… and …"),
        ("secret-1234 secret-1234", "… …"),
    ],
)
def test_a_secret_and_its_beginnings_are_removed(said: str, shown: str) -> None:
    """A server's message may be cut: the beginning of a secret, from six characters on, goes as well."""
    error = redact_error(
        RequestRejected(said, where="http://x/secret-1234", hint=said, status=400), ["secret-1234", "other-5678"], where="chat"
    )
    assert (error.fault.what, error.fault.where, error.fault.hint, error.fault.status) == (shown, "chat", shown, 400)
    assert isinstance(error, RequestRejected)


def test_a_hint_of_ones_own() -> None:
    """It replaces the error's."""
    error = redact_error(Unreachable("x", hint="secret-1234"), ["secret-1234"], where="chat", hint="check webhook_url")
    assert error.fault.hint == "check webhook_url" and isinstance(error, Unreachable)
