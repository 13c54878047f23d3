"""The proxy for a server, by `http_config` and the environment, with the rules of Go's and so Prometheus' clients."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from queries.http.endpoint import HttpConfig
from queries.text.variables import read_env


def proxy_for(scheme: str, host: str, port: int, config: HttpConfig, environ: Mapping[str, str]) -> str:
    """The URL of the proxy for this server, empty for a direct connection.

    A `proxy_url` applies to every host except those in `no_proxy`; the environment's proxies never apply to loopback.
    """
    if config.proxy_url:
        return "" if config.no_proxy and bypasses(host, port, config.no_proxy) else config.proxy_url
    # HTTP_PROXY is ignored under CGI, where a client's header could set it.
    names = ["https_proxy"] if scheme == "https" else ["http_proxy"]
    address = ""
    for name in (*names, "all_proxy"):
        upper = "" if name == "http_proxy" and read_env(environ, "REQUEST_METHOD") else read_env(environ, name.upper())
        address = address or read_env(environ, name) or upper
    if not address or _is_loopback(host):
        return ""
    excluded = read_env(environ, "no_proxy") or read_env(environ, "NO_PROXY") or config.no_proxy
    if bypasses(host, port, excluded):
        return ""
    return address if "://" in address else f"http://{address}"


def bypasses(host: str, port: int, no_proxy: str) -> bool:
    """Whether `no_proxy` matches this host: `*`, a name and its subdomains, `.only.subdomains`, an address, a CIDR, `:port`."""
    host = host.strip("[]").rstrip(".").lower()
    address = _address(host)
    for raw in no_proxy.split(","):
        entry = raw.strip().lower()
        if not entry:
            continue
        if entry == "*":
            return True
        if address is not None and "/" in entry:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                pass
            continue
        name, required_port = _split_port(entry)
        if required_port is not None and required_port != port:
            continue
        if address is not None:
            if _address(name) == address:
                return True
            continue
        name = name.removeprefix("*")
        if host == name or host.endswith(name if name.startswith(".") else f".{name}"):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, int(rest[1:]) if rest[1:].isdigit() else None
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and ":" not in name:
        return name, int(port)
    return entry, None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host.strip("[]"))
    return host.lower() == "localhost" or (address is not None and address.is_loopback)
