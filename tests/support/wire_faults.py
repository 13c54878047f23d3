"""The faults that the suites put between the console and a real server, each by the name of what one would see."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

from fault_proxy import Act, Answer, Exchange, Fault
from loopback import CERTIFICATES

LOGIN = b"<!doctype html><title>Sign in</title><form action=/login>"


def answers(status: str, body: bytes | str = b"", *, media: str = "text/plain", **headers: str) -> Act:
    """One whole canned answer; the connection stays open."""
    told = body.encode() if isinstance(body, str) else body
    code, _, reason = status.partition(" ")
    raw = Answer(int(code), reason, (("Content-Type", media),), told).raw(**headers)

    async def act(exchange: Exchange) -> bool:
        await exchange.send(raw)
        return True

    return act


def prometheus_error(status: str, kind: str, words: str) -> Act:
    return answers(status, json.dumps({"status": "error", "errorType": kind, "error": words}), media="application/json")


WATCHED = Answer(
    200,
    "OK",
    (("Content-Type", "application/json"),),
    b'{"type": "MODIFIED", "object": {"metadata": {"name": "x", "resourceVersion": "1"}, "spec": {}}}\n',
)


def changed(change: Callable[[Answer], bytes], *, keep: bool = True) -> Act:
    """The real answer, changed on the way."""

    async def act(exchange: Exchange) -> bool:
        # A watch never ends: an event stands for it.
        real = WATCHED if exchange.watches else await exchange.real()
        await exchange.send(change(real))
        return keep

    return act


async def silence(exchange: Exchange) -> bool:
    await exchange.proxy.until_changed()
    return False


async def trickle(exchange: Exchange) -> bool:
    """A byte now and then, for ever: no gap is ever as long as a time-out."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
    while not await _over(exchange, 0.05):
        await exchange.send(b" ")
    return False


async def gigabyte(exchange: Exchange) -> bool:
    """A body of 1 GB that says so, as fast as it is taken."""
    size = 1 << 30
    await exchange.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode())
    return await _flood(exchange, size)


async def endless(exchange: Exchange) -> bool:
    """A body without a length and without an end."""
    await exchange.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"status":"')
    return await _flood(exchange, 1 << 40)


async def _flood(exchange: Exchange, size: int) -> bool:
    sent = 0
    while sent < size and not await _over(exchange, 0.0):
        await exchange.send(b"x" * (1 << 18))
        sent += 1 << 18
        await asyncio.sleep(0.002)  # 128 MB/s: faster than any line, and the other cases live in this process too
    return False


async def _over(exchange: Exchange, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await exchange.proxy.until_changed()
    except TimeoutError:
        return exchange.writer.is_closing()
    return True


async def close(exchange: Exchange) -> bool:
    return False


async def deny(exchange: Exchange) -> bool:
    await exchange.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    return False


def delayed(seconds: float) -> Act:
    async def act(exchange: Exchange) -> bool:
        await asyncio.sleep(seconds)
        await exchange.send((await exchange.real()).raw())
        return True

    return act


def _off(seconds: float) -> Callable[[Answer], bytes]:
    return lambda answer: answer.raw(Date=formatdate(time.time() + seconds, usegmt=True))


def clock_off(seconds: float) -> Fault:
    """A server whose clock is this far ahead (negative: behind); a watch, which never ends, passes as it is."""
    return Fault(f"clock {seconds:+.0f} s", changed(_off(seconds)), only=lambda exchange: not exchange.watches)


def _half(answer: Answer) -> bytes:
    return answer.raw(body=answer.body[: max(1, len(answer.body) // 2)])


def _cut(answer: Answer) -> bytes:
    return answer.raw(Content_Length=str(len(answer.body) + 5000))


REFUSED = Fault("refused", refuse=True)
RESET = Fault("reset", reset=True)
MUTE = Fault("accepted and never answered", mute=True)

WIRE = (
    REFUSED,
    RESET,
    MUTE,
    Fault("closed without an answer", close),
    Fault("silence", silence),
    Fault("trickle", trickle),
    Fault("1 GB body", gigabyte),
    Fault("endless body", endless),
    Fault("no HTTP", deny),
    Fault("401", answers("401 Unauthorized", "Unauthorized\n")),
    Fault("403", answers("403 Forbidden", "RBAC: access denied")),
    Fault("404", answers("404 Not Found", "404 page not found\n")),
    Fault("407", answers("407 Proxy Authentication Required", "log in at the proxy")),
    Fault("408", answers("408 Request Timeout", "too slow")),
    Fault("429", answers("429 Too Many Requests", "slow down", Retry_After="1")),
    Fault("500", answers("500 Internal Server Error", "worker died \x1b[2J")),
    Fault("502", answers("502 Bad Gateway", "<html><h1>502 Bad Gateway</h1></html>", media="text/html")),
    Fault("503 starting or stopping", answers("503 Service Unavailable", "Service Unavailable")),
    Fault("503 timeout", prometheus_error("503 Service Unavailable", "timeout", "query timed out in expression evaluation")),
    Fault("400 bad_data", prometheus_error("400 Bad Request", "bad_data", 'invalid parameter "query": parse error')),
    Fault("422 execution", prometheus_error("422 Unprocessable Entity", "execution", "the query would load too many samples")),
    Fault("302 to a login page", answers("302 Found", "", Location="https://sso.example/login?rd=secret-token")),
    Fault("200 with HTML", answers("200 OK", LOGIN, media="text/html; charset=utf-8")),
    Fault("truncated JSON", changed(_half)),
    Fault("cut off", changed(_cut, keep=False)),
    Fault("gzip garbage", answers("200 OK", b"\x1f\x8b" + b"\xff" * 200, media="application/json", Content_Encoding="gzip")),
    Fault("wrong shape", answers("200 OK", '{"status": 7, "data": [1], "items": 4}', media="application/json")),
)  # fmt: skip
"""What any of the HTTP servers may do."""

EXPIRED = Fault("TLS: expired certificate", certificate=CERTIFICATES / "expired.pem")
ELSEWHERE = Fault("TLS: another host's certificate", certificate=CERTIFICATES / "elsewhere.pem")
TLS = (EXPIRED, ELSEWHERE)


def named(name: str) -> Fault:
    return next(fault for fault in (*WIRE, *TLS) if fault.name == name)


def dying(fault: Fault) -> Fault:
    """The same, as a server that also ends what is open: watches would go on otherwise."""
    return replace(fault, cut=True)
