"""How to get in: headers from http_config, secret files read again, and never a secret in a word of ours."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import httpx
import pytest
from loopback import http_answer

from queries.errors import AccessDenied
from queries.http.client import Client
from queries.http.credentials import Credentials
from queries.http.endpoint import Endpoint, HttpConfig


def headers(config: HttpConfig, **user: str) -> dict[bytes, bytes]:
    return dict(Credentials(config, where="w", **user).headers())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (HttpConfig(), {}),
        (HttpConfig(credentials="abc\n"), {b"authorization": b"Bearer abc"}),
        (HttpConfig(credentials="abc", authorization_type="Token"), {b"authorization": b"Token abc"}),
        (HttpConfig(username="u", password="p:ä"), {b"authorization": b"Basic " + base64.b64encode("u:p:ä".encode())}),
        (HttpConfig(http_headers=(("X-API-Key", "k"), ("X-Tenant", "1"))), {b"X-API-Key": b"k", b"X-Tenant": b"1"}),
    ],
)
def test_headers(config: HttpConfig, expected: dict[bytes, bytes]) -> None:
    """Each way of http_config becomes its header."""
    assert headers(config) == expected


def test_user_information_of_the_url_counts_less_than_the_config() -> None:
    """A user in the URL is used where the config names none, with the password that belongs to it."""
    assert headers(HttpConfig(), username="u", password="p")[b"authorization"].endswith(base64.b64encode(b"u:p"))
    config = HttpConfig(username="config")
    assert headers(config, username="u", password="p")[b"authorization"].endswith(base64.b64encode(b"config:"))


def test_files_are_read_again(tmp_path: Path) -> None:
    """A token that was renewed on disk is the one that is sent next."""
    token = tmp_path / "token"
    token.write_text("first\n")
    made = Credentials(HttpConfig(credentials_file=str(token)), where="w")
    assert made.headers() == [(b"authorization", b"Bearer first")]
    token.write_text("other\n")
    os.utime(token, ns=(1, 1))
    assert made.headers() == [(b"authorization", b"Bearer other")]


def test_unreadable_file_is_denied_by_name(tmp_path: Path) -> None:
    """A secret file that is missing or binary is named; nothing is sent without it."""
    for content in (None, b"\xff\xfe"):
        path = tmp_path / "token"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(AccessDenied, match="token"):
            Credentials(HttpConfig(credentials_file=str(path)), where="w").headers()


def test_redaction() -> None:
    """Whatever a server echoes, the secrets are cut out: tokens, passwords, headers and the Basic pair."""
    pair = base64.b64encode(b"user:hunter22").decode()
    made = Credentials(HttpConfig(username="user", password="hunter22", http_headers=(("X-Key", "k3y-v"),)), where="w")
    assert made.redact(f"got {pair} and hunter22 and k3y-v from user") == "got … and … and … from user"
    assert "hunter22" not in repr(made)


@pytest.mark.parametrize("secret", ["with\nbreak-in", "nul\x00byte-in"])
async def test_secret_that_cannot_be_sent(serve, secret: str) -> None:
    """A line break inside a token is an error in words that do not quote it."""
    server = await serve(http_answer("200 OK", b"{}"))
    made = Client(Endpoint(server.url, HttpConfig(http_headers=(("X-Key", secret),))), name="x")
    with pytest.raises(AccessDenied, match="cannot be sent") as caught:
        await made.get("/", type=object)
    await made.close()
    assert "-in" not in str(caught.value)
    assert not server.requests


async def test_non_ascii_secret_is_sent_as_utf8() -> None:
    """No codec error may quote a password on its way out."""
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.headers.raw)[b"authorization"])
        return httpx.Response(200, json={})

    made = Client(Endpoint("http://x", HttpConfig(credentials="ключ")), name="x", transport=httpx.MockTransport(answer))
    await made.get("/", type=object)
    await made.close()
    assert seen == ["Bearer ключ".encode()]


@pytest.mark.parametrize(("secret", "cut"), [("abc", False), ("abcd", True)])
def test_very_short_values_are_no_secrets(secret: str, cut: bool) -> None:
    """A tenant of three letters would be cut out of every sentence; four may be a password."""
    made = Credentials(HttpConfig(http_headers=(("X-Tenant", secret),)), where="w")
    assert (secret in made.redact(f"for {secret} only")) is not cut
