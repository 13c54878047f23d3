"""httpx with its client and four modules that are imported later: it works as with a plain import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

USE = """
import json, os, sys
if sys.argv[1] == "lean":
    from queries.http.lean_httpx import USED_LATER, httpx
    loaded = [name for name in USED_LATER if name in sys.modules]
    loaded += [name for name in ("httpx._client", "httpx._transports.default") if name in sys.modules]
    import email, urllib
    loaded += [name for package, name in ((email, "message"), (urllib, "request")) if hasattr(package, name)]
else:
    import httpx
    loaded = []
seen = []
def answer(request):
    seen.append([request.method, str(request.url), sorted(request.headers.multi_items())])
    if request.url.path == "/digest" and "authorization" not in request.headers:
        return httpx.Response(401, headers={"www-authenticate": 'Digest realm="a, b", nonce="n", qop="auth"'})
    if request.url.path == "/moved":
        return httpx.Response(302, headers={"location": "/"})
    return httpx.Response(200, headers=[("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2; Domain=.example.org")], text="é")
os.environ["HTTP_PROXY"] = "http://proxy.example.org:3128"
with httpx.Client(transport=httpx.MockTransport(answer), cookies={"given": "x"}, follow_redirects=True) as client:
    told = [client.get("http://www.example.org/").cookies.get("a")]
    client.get("http://www.example.org/moved")
    told.append(client.post("http://other.example.org/", data={"k": "v w"}, files={"f": b"1"}).text)
    told.append(client.get("http://www.example.org/digest", auth=httpx.DigestAuth("u", "p")).status_code)
    told.append(sorted((cookie.name, cookie.value, cookie.domain) for cookie in client.cookies.jar))
told += [[type(item).__name__, item.__module__] for item in (httpx.codes.OK, httpx.URL, httpx.MockTransport, httpx.ByteStream)]
told += [httpx.URL("http://bücher.example/").raw_host.decode(), httpx.URL("http://xn--bcher-kva.example/").host]
try:
    httpx.URL("http://\u2260\u0301.example/")
except httpx.InvalidURL as error:
    told.append(str(error))
told += [sorted(httpx.__all__), hasattr(httpx, "nothing")]
told.append(httpx.Response(200, content=b"\\xe9", headers={"content-type": "text/plain; charset=latin-1"}).text)
httpx.Client().close()  # reads the proxies of the environment
from http.cookiejar import CookieJar
from urllib.request import Request
import email.message
told.append([isinstance(client.cookies.jar, CookieJar), Request("http://a/").host, email.message.Message.__name__])
for part in seen:
    part[2] = [(name, value) for name, value in part[2] if name not in ("content-type", "authorization")]
print(json.dumps([loaded, told, seen], default=str))
"""


def use(which: str) -> list[object]:
    done = subprocess.run([sys.executable, "-c", USE, which], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: list[object] = json.loads(done.stdout)
    return found


def test_all_of_httpx_works() -> None:
    """The same requests, cookies and texts as with a plain import, from modules that were not there before; and whoever imports
    one of them gets the real one.
    """
    loaded, *lean = use("lean")
    _, *plain = use("plain")
    assert loaded == []
    assert lean == plain
    assert ["a", "1", "www.example.org"] in lean[0][3]  # type: ignore[index]


@pytest.mark.parametrize("first", ["urllib.request", "http.cookiejar", "email.message", "httpx"])
def test_a_module_that_is_there_is_taken(first: str) -> None:
    """With any of them imported before, and with httpx itself."""
    code = f"import {first}; from queries.http.lean_httpx import httpx; import {first}; print({first}.__file__, httpx.Client())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert first.replace(".", "/") in done.stdout
