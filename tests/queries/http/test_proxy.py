"""Which proxy leads to a server."""

from __future__ import annotations

import pytest
from loopback import http_answer

from queries.errors import AccessDenied, SourceError, Unreachable
from queries.http.client import Client
from queries.http.endpoint import Endpoint, HttpConfig
from queries.http.proxy import bypasses, proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "expected"),
    [
        ("prom.example", 80, "*", True),
        ("prom.example", 80, "example", True),
        ("prom.example", 80, "prom.example", True),
        ("prom.example", 80, ".example", True),
        ("prom.example", 80, "*.example", True),
        ("example", 80, ".example", False),
        ("notexample", 80, "example", False),
        ("prom.example", 9090, "prom.example:9090", True),
        ("prom.example", 9091, "prom.example:9090", False),
        ("PROM.example.", 80, " a, prom.EXAMPLE ", True),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8, x/y", False),
        ("10.1.2.3", 80, "10.1.2.3", True),
        ("110.1.2.3", 80, "10.1.2.3", False),
        ("::1", 9090, "[::1]:9090", True),
        ("fd00::1", 80, "fd00::/8", True),
        ("prom.example", 80, "", False),
        ("prom.example", 80, "10.0.0.0/8", False),
    ],
)
def test_no_proxy(host: str, port: int, no_proxy: str, expected: bool) -> None:
    """NO_PROXY as Go reads it: names with their subdomains, addresses, networks, ports."""
    assert bypasses(host, port, no_proxy) is expected


@pytest.mark.parametrize(
    ("scheme", "host", "config", "environ", "expected"),
    [
        ("http", "prom.example", HttpConfig(), {}, ""),
        ("http", "prom.example", HttpConfig(), {"HTTP_PROXY": PROXY}, PROXY),
        ("http", "prom.example", HttpConfig(), {"http_proxy": PROXY, "HTTP_PROXY": "http://other"}, PROXY),
        ("http", "prom.example", HttpConfig(), {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, ""),
        ("http", "prom.example", HttpConfig(), {"HTTPS_PROXY": PROXY}, ""),
        ("https", "prom.example", HttpConfig(), {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        ("https", "prom.example", HttpConfig(), {"ALL_PROXY": PROXY}, PROXY),
        ("http", "prom.example", HttpConfig(), {"HTTP_PROXY": PROXY, "NO_PROXY": ".example"}, ""),
        ("http", "127.0.0.1", HttpConfig(), {"HTTP_PROXY": PROXY}, ""),
        ("http", "localhost", HttpConfig(), {"HTTP_PROXY": PROXY}, ""),
        ("http", "127.0.0.1", HttpConfig(proxy_url=PROXY), {}, PROXY),
        ("http", "prom.example", HttpConfig(proxy_url=PROXY, no_proxy="prom.example"), {"HTTP_PROXY": "http://other"}, ""),
        ("http", "prom.example", HttpConfig(proxy_url=PROXY), {"NO_PROXY": "*"}, PROXY),
    ],
)
def test_choice(scheme: str, host: str, config: HttpConfig, environ: dict[str, str], expected: str) -> None:
    """The config's proxy first, then the environment's, which never counts for loopback."""
    assert proxy_for(scheme, host, 80, config, environ) == expected


def through(proxy_url: str, url: str) -> Client:
    return Client(Endpoint(url, HttpConfig(proxy_url=proxy_url), 3.0), name="x")


async def test_request_goes_through_the_proxy(serve) -> None:
    """The proxy is asked for the whole URL, with its own credentials; the server's name is not looked up here."""
    proxy = await serve(http_answer("200 OK", b"{}"))
    made = through(proxy.url.replace("//", "//me:pr0xy-pass@"), "http://prom.invalid:9090/x")
    assert await made.get("/api", type=dict) == {}
    assert proxy.requests[0].startswith(b"GET http://prom.invalid:9090/x/api ")
    assert b"proxy-authorization: basic " in proxy.requests[0].lower()
    await made.close()


@pytest.mark.parametrize("url", ["http://prom.invalid", "https://prom.invalid"])
async def test_proxy_that_wants_credentials(serve, url: str) -> None:
    """407 is told as the proxy's, for plain requests and for tunnels; its password stands nowhere."""
    proxy = await serve(http_answer("407 Proxy Authentication Required", b"", "text/plain"), close=True)
    made = through(proxy.url.replace("//", "//me:pr0xy-pass@"), url)
    with pytest.raises(AccessDenied, match="proxy") as caught:
        await made.get("/api", type=dict)
    assert "pr0xy-pass" not in repr(caught.value)
    await made.close()


async def test_proxy_that_refuses_the_tunnel(serve) -> None:
    """A tunnel that is not opened is the proxy's failure, not the server's."""
    proxy = await serve(http_answer("502 Bad Gateway", b"", "text/plain"), close=True)
    made = through(proxy.url, "https://prom.invalid")
    with pytest.raises(Unreachable, match="proxy"):
        await made.get("/api", type=dict)
    await made.close()


@pytest.mark.parametrize("proxy_url", ["socks9://x:1", "http://[::1", "nonsense"])
async def test_unusable_proxy(proxy_url: str) -> None:
    """A proxy_url that is none is named as such."""
    made = through(proxy_url, "http://prom.invalid")
    with pytest.raises(Unreachable, match="proxy"):
        await made.get("/api", type=dict)
    await made.close()


@pytest.mark.parametrize(("status", "count", "read"), [(100, 20, True), (100, 21, False), (103, 20, True), (199, 21, False)])
async def test_an_answer_through_a_proxy_has_at_most_twenty_informational_ones(
    serve, status: int, count: int, read: bool
) -> None:
    """As without one: one more, and its head does not end. The next answer of the connection counts anew."""
    hints = f"HTTP/1.1 {status} X\r\n\r\n".encode() * count
    proxy = await serve(hints + http_answer("200 OK", b"{}"))
    made = through(proxy.url, "http://prom.invalid")
    if read:
        assert [await made.get("/api", type=dict) for _ in range(2)] == [{}, {}]
        assert proxy.connections == 1
    else:
        with pytest.raises(SourceError):
            await made.get("/api", type=dict)
    await made.close()
