"""One update sent to a channel, whose URL and key are secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from console.config.settings import Channel
from queries.errors import AccessDenied, NotConfigured, SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint, parse_credentials
from queries.http.url_secrets import find_secrets, redact_error

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


async def deliver_update(target: Channel, payload: Mapping[str, Any], *, read_only: bool) -> None:
    """One POST. Raises SourceError, which contains neither the URL nor the key whatever the server echoes, and PermissionError
    under read-only.
    """
    url = _read_secret(target.url, target.url_file, target) or (PAGERDUTY if target.kind == "pagerduty" else "")
    key = _read_secret(target.routing_key, target.routing_key_file, target)
    place = f"channel {target.name}"
    bare, endpoint = _endpoint(url, target, place)
    client = Client(endpoint, name=place, writes=not read_only)
    try:
        await client.deliver(bare, json={**payload, **({"routing_key": key} if key else {})})
    except SourceError as error:
        hidden = find_secrets(url if url != PAGERDUTY else "", key, endpoint.http.password)
        raise redact_error(error, hidden, where=place, hint="the update is kept; send it again from the incident") from None
    finally:
        await client.close()


def _endpoint(url: str, channel: Channel, place: str) -> tuple[str, Endpoint]:
    """The URL without user and password, and the endpoint that sends them. Raises NotConfigured, without them in its text."""
    try:
        (username, password), parts = parse_credentials(url), urlsplit(url)
    except ValueError:
        raise NotConfigured("its URL is invalid", where=place, hint="write https://host/path") from None
    http, host = channel.http, parts.netloc.rpartition("@")[2]
    if username or password:
        if http.authorization_field:
            message = f"its URL contains user and password, and http_config.{http.authorization_field} is set too"
            raise NotConfigured(message, where=place, hint="keep one of them")
        http = replace(http, username=username, password=password)
    return urlunsplit(parts._replace(netloc=host)), Endpoint(f"{parts.scheme}://{host}", http, channel.timeout_seconds)


def _read_secret(value: str, file: str, channel: Channel) -> str:
    """The value itself, or the current content of its file."""
    if not file:
        return value
    try:
        with open(file, encoding="utf-8") as content:  # noqa: PTH123 - one line, read when it is needed
            return content.read().strip()
    except (OSError, UnicodeDecodeError):
        raise AccessDenied(
            f"the secret file of channel {channel.name} cannot be read",
            where=f"channel {channel.name}",
            hint="check its permissions",
        ) from None
