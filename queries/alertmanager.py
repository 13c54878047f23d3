"""Alertmanager's API v2, read-only: the peers of one cluster, merged into one state."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from queries.alertmanager_counts import LARGE_BYTES, ListProof
from queries.concurrency import run_cpu_bound
from queries.decode_cache import DecodeCache
from queries.decoding import decode_json
from queries.errors import InvalidResponse, NotConfigured, RequestRejected, SourceError
from queries.http.client import Client
from queries.http.endpoint import Endpoint
from queries.http.lean_httpx import httpx
from queries.model.alert import Alert, AlertState
from queries.model.fault import Fault, FaultKind
from queries.model.frozen import dataclass
from queries.model.matcher import Matcher
from queries.model.silence import Silence
from queries.text.times import parse_rfc3339

T = TypeVar("T")

_HINT = "check that the URL is an Alertmanager's"
_RARE_SECONDS = 60.0
"""How long a peer's version and receivers are cached; they change only with its configuration."""

_SILENCES_SECONDS = 5.0
"""How long silences are cached, unless an alert names an unknown one."""

_MUTING_SECONDS = 30.0
"""How long the list of muted alerts is cached, unless other alerts fire; time intervals have a resolution of minutes."""
_MUTING_LIMIT_SECONDS = 2.0 * _MUTING_SECONDS
"""The maximum age of that list while it cannot be read again."""

_BUSY_WAITS = (0.1, 0.3, 0.9)
"""Seconds before a peer at its limit of concurrent requests is queried again."""

_UNKNOWN_ID = (404, 422)
"""Alertmanager's statuses for an unknown id, and for one that is not a UUID."""

_ALL_ALERTS = (("active", "true"), ("silenced", "true"), ("inhibited", "true"), ("unprocessed", "true"))


@dataclass(frozen=True, slots=True)
class AlertmanagerState:
    """The state of the cluster: every alert and silence of any peer that answers.

    `version` is that of the first peer that reports one. `peer_faults` name the lost peers while others answer.
    """

    alerts: tuple[Alert, ...]
    silences: tuple[Silence, ...]
    receivers: tuple[str, ...]
    peers_up: int
    peers_total: int
    version: str
    peer_faults: tuple[Fault, ...] = ()
    started_at: float | None = None
    """When the peer started that has run longest, in whole seconds of this machine's clock; None if no peer says. Alerts do not
    survive a restart.
    """

    @property
    def warnings(self) -> tuple[str, ...]:
        """The lost peers in words."""
        return tuple(fault.sentence() for fault in self.peer_faults)


class _Named(msgspec.Struct):
    name: str


class _Status(msgspec.Struct):
    state: str = "active"
    silencedBy: list[str] | None = None
    inhibitedBy: list[str] | None = None
    mutedBy: list[str] | None = None


class _Alert(msgspec.Struct):
    fingerprint: str
    labels: dict[str, str]
    status: _Status
    annotations: dict[str, str] = {}
    startsAt: str = ""
    endsAt: str = ""
    updatedAt: str = ""
    receivers: list[_Named] = []


class _Matcher(msgspec.Struct):
    name: str
    value: str
    isRegex: bool = False
    isEqual: bool = True


class _Silence(msgspec.Struct):
    id: str
    matchers: list[_Matcher]
    startsAt: str
    endsAt: str
    status: _Status
    updatedAt: str = ""
    createdBy: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """The status of one peer: `cluster` is `ready`, `settling` or `disabled`, `members` the peers it sees, itself included.

    `fault` is set if it did not answer; the rest is empty then.
    """

    where: str
    cluster: str = ""
    members: int = 0
    ahead_seconds: float = 0.0
    """The least by which its clock is ahead of this machine's, negative if it is behind."""
    fault: Fault | None = None


class _GroupedAlert(msgspec.Struct):
    fingerprint: str
    status: _Status


class _Group(msgspec.Struct):
    alerts: list[_GroupedAlert] = []


class _Version(msgspec.Struct):
    version: str = ""


class _Config(msgspec.Struct):
    original: str = ""

    @property
    def mutes(self) -> bool:
        """Whether a route can reference time intervals."""
        return "mute_time_intervals" in self.original or "active_time_intervals" in self.original


class _Cluster(msgspec.Struct):
    status: str = ""
    peers: list[msgspec.Raw] | None = None


class _ServerStatus(msgspec.Struct):
    cluster: _Cluster = msgspec.field(default_factory=_Cluster)
    versionInfo: _Version = msgspec.field(default_factory=_Version)
    config: _Config = msgspec.field(default_factory=_Config)
    uptime: str = ""
    """When it started."""


@dataclass(frozen=True, slots=True)
class _CachedResult:
    fetched_at: float
    version: str
    receivers: tuple[str, ...]
    mutes: bool
    """Whether its configuration can mute alerts by time intervals."""
    started_at: float | None = None
    """By this machine's clock."""


class _Muting(NamedTuple):
    """The time intervals that mute an alert; `everywhere` if every route that receives the alert is muted."""

    intervals: tuple[str, ...]
    everywhere: bool


class _Listed(NamedTuple):
    alert: Alert
    ends_at: float
    """Unix seconds by the server's clock; minus infinity where it does not say."""


@dataclass(frozen=True, slots=True)
class _PeerState:
    alerts: tuple[Alert, ...]
    silences: tuple[Silence, ...]
    rare: _CachedResult


class Alertmanager:
    """All peers of one cluster, queried concurrently."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._peers = tuple(_Peer(Client(item, name="alertmanager", transport=transport), clock) for item in endpoints)
        self._merged: tuple[tuple[tuple[Alert, ...], ...], tuple[Alert, ...]] = ((), ())
        """What the peers last listed, and all of it merged."""
        self.ahead_seconds = 0.0
        """The least by which the clock of the first peer that answers is ahead of this machine's, negative if it is behind."""

    @property
    def where(self) -> str:
        return ", ".join(peer.where for peer in self._peers)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of peers that do answer, such as a wrong clock."""
        return tuple(warning for peer in self._peers for warning in peer.warnings)

    async def state(self, *, fresh: bool = True) -> AlertmanagerState:
        """The merged state of the peers that answer. Raises the first peer's SourceError if none does.

        Without `fresh`, silences may be a few seconds old if they include every silence that an alert names.
        """
        if fresh:
            self.forget_silences()
        good, lost = await self._fetch_all(_Peer.state)
        if not good:
            raise lost[0]
        return AlertmanagerState(
            alerts=await self._merge_lists(tuple(peer.alerts for peer in good)),
            silences=_merge_silences([peer.silences for peer in good]),
            receivers=tuple(sorted({name for peer in good for name in peer.rare.receivers})),
            peers_up=len(good),
            peers_total=len(self._peers),
            version=next((peer.rare.version for peer in good if peer.rare.version), ""),
            peer_faults=tuple(error.fault for error in lost),
            started_at=min((peer.rare.started_at for peer in good if peer.rare.started_at is not None), default=None),
        )

    async def silences(self) -> tuple[Silence, ...]:
        """Every silence that a peer still keeps, ended ones included. Raises the first peer's SourceError if none answers."""
        good, lost = await self._fetch_all(_Peer.silences)
        if not good:
            raise lost[0]
        return _merge_silences(good)

    async def silence(self, identity: str) -> dict[str, Any]:
        """One silence as the API gives it, every field of it, by the peer that changed it last.

        Raises Rejected with status 404 where no peer that answers has it, and the first peer's SourceError where none answers.
        """
        found, lost = await self._fetch_all(lambda peer: peer.silence(identity))
        if not found:
            raise next((error for error in lost if isinstance(error, RequestRejected)), lost[0])
        return max(found, key=_updated_at)

    async def raw_silences(self) -> tuple[dict[str, Any], ...]:
        """Every silence, as `silence` returns it. Raises the first peer's SourceError if none answers."""
        listed, lost = await self._fetch_all(_Peer.raw_silences)
        if not listed:
            raise lost[0]
        oldest_first = sorted((item for silences in listed for item in silences), key=_updated_at)
        return tuple({str(item.get("id", "")): item for item in oldest_first}.values())

    async def _merge_lists(self, lists: tuple[tuple[Alert, ...], ...]) -> tuple[Alert, ...]:
        """The alerts of all peers; the same object as long as each lists the same."""
        if len(lists) == 1:
            return lists[0]
        before = self._merged[0]
        if len(lists) != len(before) or any(one is not other for one, other in zip(lists, before, strict=True)):
            self._merged = (lists, await run_cpu_bound(partial(_merge_alerts, lists)))
        return self._merged[1]

    async def _fetch_all(self, call: Callable[[_Peer], Awaitable[T]]) -> tuple[list[T], list[SourceError]]:
        """The answers of the peers, and the errors of those that do not answer; never both empty."""
        if not self._peers:
            raise NotConfigured("no Alertmanager is configured", hint="set ALERTMANAGER_URL")
        good: list[T] = []
        lost: list[SourceError] = []
        results: list[T | BaseException]
        if len(self._peers) == 1:  # no task of its own for one
            try:
                results = [await call(self._peers[0])]
            except SourceError as error:
                results = [error]
        else:
            results = await asyncio.gather(*map(call, self._peers), return_exceptions=True)
        for peer, result in zip(self._peers, results, strict=True):
            if isinstance(result, SourceError):
                lost.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                self.ahead_seconds = self.ahead_seconds if good else peer.ahead_seconds
                good.append(result)
        return good, lost

    def forget_silences(self) -> None:
        """Fetch them with the next state, however new they are."""
        for peer in self._peers:
            peer.forget_silences()

    async def statuses(self) -> tuple[PeerStatus, ...]:
        """The status of each peer in configured order; a peer that does not answer is data."""
        return tuple(await asyncio.gather(*(peer.status() for peer in self._peers)))

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()


class _Peer:
    """One peer. It gets one request at a time: Alertmanager rejects GETs beyond its concurrency limit."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._turn = asyncio.Lock()
        self._rare: _CachedResult | None = None
        self._silences: tuple[Silence, ...] = ()
        self._silences_at = float("-inf")
        self._known: DecodeCache[_Listed] = DecodeCache(partial(_alert, where=self._client.where))
        self._listed: tuple[Alert, ...] = ()
        self._silencing: frozenset[str] = frozenset()
        """The silences that the alerts name."""
        self._body = b""
        self._ends_at = float("-inf")
        """When the first alert of the list ends, by the server's clock."""
        self._proof = ListProof()
        self._muting: Mapping[str, _Muting] = {}
        self._muting_of: tuple[Alert, ...] = ()
        self._muting_at = float("-inf")
        self._muting_error = ""
        self._muted: dict[str, tuple[Alert, _Muting, Alert]] = {}
        """Alerts as listed, and as muted: an unchanged alert stays the same object."""

    @property
    def where(self) -> str:
        return self._client.where

    @property
    def ahead_seconds(self) -> float:
        return self._client.ahead_seconds

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self._client.warnings, *filter(None, (self._muting_error,)))

    async def _fetch(self, path: str, params: Sequence[tuple[str, str]] = (), *, decode: Callable[[bytes], T]) -> T:
        """One GET at a time, repeated while the peer is busy. Raises SourceError."""
        async with self._turn:
            for wait in _BUSY_WAITS:
                try:
                    return await self._client.fetch(path, params, decode=decode)
                except SourceError as error:
                    if error.fault.kind is not FaultKind.THROTTLED or error.fault.retry_after_seconds:
                        raise
                await asyncio.sleep(wait)
            return await self._client.fetch(path, params, decode=decode)

    async def _get(self, path: str, type: type[T]) -> T:
        return await self._fetch(path, decode=partial(self._client.decode, type))

    async def state(self) -> _PeerState:
        """Raises SourceError if alerts or silences are missing: half a state would hide what is silenced."""
        before = self._listed
        alerts = await self._list()
        if _may_be_of_another_process(before, alerts) and self._rare is not None:
            # Just now, until the peer says when.
            self._rare = replace(self._rare, fetched_at=float("-inf"), started_at=round(self._clock()))
        known = await self.silences()
        ids = {silence.id for silence in known if silence.state == "active"}
        if not self._silencing <= ids:
            self.forget_silences()
            known = await self.silences()
        rare = await self._fetch_rare()
        await self._fetch_muting(alerts if rare.mutes else ())
        return _PeerState(self._mute(alerts), known, rare)

    async def _list(self) -> tuple[Alert, ...]:
        """The alerts; a large list is requested unless the peer's counts prove that it is the last one. Raises SourceError."""
        now = self._clock()
        if len(self._body) >= LARGE_BYTES and self._proof.wants_metrics(now):
            try:
                async with self._turn:
                    metrics = await self._client.fetch("/metrics", decode=bytes, any_body=True)
                if self._proof.holds(metrics, now):
                    return self._listed
            except SourceError:  # a failure of the peer itself shows with its list
                self._proof.note_failure(now)
        now = self._clock()
        await self._fetch("/api/v2/alerts", _ALL_ALERTS, decode=self._alerts)
        self._proof.note_list(now, ends_at=self._ends_at - self.ahead_seconds)
        return self._listed

    async def silence(self, identity: str) -> dict[str, Any]:
        """Raises SourceError; RequestRejected with status 404 if this peer has no silence with this id."""
        try:
            return await self._get(f"/api/v2/silence/{quote(identity, safe='')}", dict[str, Any])
        except SourceError as error:
            if error.fault.status not in _UNKNOWN_ID:
                raise
            raise RequestRejected(
                "Alertmanager has no silence with this id", status=404, where=self.where, hint="it may have expired long ago"
            ) from None

    async def raw_silences(self) -> list[dict[str, Any]]:
        return await self._get("/api/v2/silences", list[dict[str, Any]])

    def forget_silences(self) -> None:
        self._silences_at = float("-inf")
        self._proof.forget_list()

    async def silences(self) -> tuple[Silence, ...]:
        """At most a few seconds old. Raises SourceError."""
        now = self._clock()
        if not 0 <= now - self._silences_at < _SILENCES_SECONDS:
            decode = partial(_silences, where=self._client.where)
            self._silences = await self._fetch("/api/v2/silences", decode=decode)
            self._silences_at = now
        return self._silences

    async def status(self) -> PeerStatus:
        try:
            status = await self._get("/api/v2/status", _ServerStatus)
        except SourceError as error:
            return PeerStatus(self.where, fault=error.fault)
        members = len(status.cluster.peers or ())
        return PeerStatus(self.where, status.cluster.status, members, self.ahead_seconds)

    async def _fetch_rare(self) -> _CachedResult:
        """Version, receivers and whether it mutes; a peer that does not report them is not degraded."""
        now, before = self._clock(), self._rare
        if before is not None and 0 <= now - before.fetched_at < _RARE_SECONDS:
            return before
        found = replace(before, fetched_at=now) if before is not None else _CachedResult(now, "", (), mutes=False)
        try:
            status = await self._get("/api/v2/status", _ServerStatus)
            started_at = _time(status.uptime)
            found = replace(
                found,
                version=status.versionInfo.version,
                mutes=status.config.mutes,
                started_at=round(started_at - self._client.ahead_seconds) if started_at > 0.0 else None,
            )
            names = tuple(item.name for item in await self._get("/api/v2/receivers", list[_Named]))
            found = replace(found, receivers=names)
        except SourceError:
            pass
        self._rare = found
        return found

    async def _fetch_muting(self, alerts: tuple[Alert, ...]) -> None:
        """The alerts that a time interval mutes; only the groups endpoint reports them, from Alertmanager 0.28 on."""
        if not alerts:
            self._muting, self._muting_error = {}, ""
            return
        now = self._clock()
        if 0 <= now - self._muting_at < _MUTING_SECONDS and _same_fingerprints(alerts, self._muting_of):
            return
        try:
            self._muting = await self._fetch("/api/v2/alerts/groups", decode=partial(_mutings, where=self.where))
            self._muting_of, self._muting_at, self._muting_error = alerts, now, ""
        except SourceError as error:
            self._muting_error = f"could not read which alerts a time interval mutes: {error.fault.sentence()}"
            if not 0 <= now - self._muting_at < _MUTING_LIMIT_SECONDS:
                self._muting = {}  # the interval may have ended: treat the alerts as active

    def _mute(self, alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
        """The alerts with the intervals that mute them."""
        if not self._muting:
            return alerts
        muted = {}
        for alert in alerts:
            muting = self._muting.get(alert.fingerprint)
            if muting is None:
                continue
            known = self._muted.get(alert.fingerprint)
            if known is None or known[0] is not alert or known[1] != muting:
                state = AlertState.SUPPRESSED if muting.everywhere else alert.state
                known = (alert, muting, replace(alert, state=state, muted_by=muting.intervals))
            muted[alert.fingerprint] = known
        self._muted = muted
        return tuple([muted[alert.fingerprint][2] if alert.fingerprint in muted else alert for alert in alerts])

    def _alerts(self, body: bytes) -> None:
        """Keeps them sorted by fingerprint; the same tuple as before if nothing differs."""
        if body == self._body:
            return
        try:
            items: list[msgspec.Raw] = _decode(_ITEMS, body, self._client.where)
            listed = self._known.read(items)
        except ValueError:
            raise _wrong_shape(self._client.where) from None
        found = sorted([item.alert for item in listed], key=lambda alert: alert.fingerprint)
        if len(found) != len(self._listed) or any(one is not other for one, other in zip(found, self._listed, strict=True)):
            self._listed = tuple(found)
            self._silencing = frozenset(name for alert in found for name in alert.silenced_by)
        self._body, self._ends_at = body, min((item.ends_at for item in listed), default=float("inf"))

    async def close(self) -> None:
        await self._client.close()


_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ALERT = msgspec.json.Decoder(_Alert)
_SILENCES = msgspec.json.Decoder(list[_Silence])
_GROUPS = msgspec.json.Decoder(list[_Group])


def _silences(body: bytes, *, where: str) -> tuple[Silence, ...]:
    try:
        return tuple([_silence(item) for item in _decode(_SILENCES, body, where)])
    except ValueError:
        raise _wrong_shape(where) from None


def _same_fingerprints(one: Sequence[Alert], other: Sequence[Alert]) -> bool:
    """Whether two lists that are sorted by fingerprint have the same fingerprints."""
    return one is other or [item.fingerprint for item in one] == [item.fingerprint for item in other]


def _may_be_of_another_process(before: Sequence[Alert], now: Sequence[Alert]) -> bool:
    """Whether alerts are gone and none stayed as it was: after a restart every alert is received anew."""
    if before is now or not set(map(id, before)).isdisjoint(map(id, now)):
        return False
    return not {item.fingerprint for item in before} <= {item.fingerprint for item in now}


def _mutings(body: bytes, *, where: str) -> dict[str, _Muting]:
    """The alerts of groups that are muted, by fingerprint."""
    intervals: dict[str, set[str]] = defaultdict(set)
    loud: set[str] = set()
    for group in _decode(_GROUPS, body, where):
        for alert in group.alerts:
            if alert.status.mutedBy:
                intervals[alert.fingerprint].update(alert.status.mutedBy)
            else:
                loud.add(alert.fingerprint)
    return {name: _Muting(tuple(sorted(found)), name not in loud) for name, found in intervals.items()}


def _decode(shape: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, where: str) -> T:
    return decode_json(shape, body, where=where, whose="Alertmanager's", hint=_HINT)


def _wrong_shape(where: str) -> InvalidResponse:
    return InvalidResponse("the response is not in Alertmanager's format", where=where, hint=_HINT)


def _alert(raw: msgspec.Raw, *, where: str) -> _Listed:
    item = _decode(_ALERT, raw, where)
    status = item.status
    alert = Alert(
        fingerprint=item.fingerprint,
        state=AlertState.SUPPRESSED if status.state == "suppressed" else AlertState.ACTIVE,
        labels=tuple(sorted(item.labels.items())),
        annotations=tuple(sorted(item.annotations.items())),
        starts_at=parse_rfc3339(item.startsAt),
        updated_at=parse_rfc3339(item.updatedAt),
        receivers=tuple([receiver.name for receiver in item.receivers]),
        silenced_by=tuple(status.silencedBy or ()),
        inhibited_by=tuple(status.inhibitedBy or ()),
        muted_by=tuple(status.mutedBy or ()),
    )
    return _Listed(alert, _time(item.endsAt))


def _time(text: str) -> float:
    """Unix seconds; minus infinity if it is none: no list with an alert of such an end is known to stay as it is."""
    try:
        return parse_rfc3339(text)
    except ValueError:
        return float("-inf")


def _silence(item: _Silence) -> Silence:
    return Silence(
        id=item.id,
        matchers=tuple(Matcher(one.name, one.value, one.isRegex, one.isEqual) for one in item.matchers),
        starts_at=parse_rfc3339(item.startsAt),
        ends_at=parse_rfc3339(item.endsAt),
        created_by=item.createdBy,
        comment=item.comment,
        state=item.status.state,
        updated_at=parse_rfc3339(item.updatedAt),
    )


def _updated_at(silence: dict[str, Any]) -> float:
    try:
        return parse_rfc3339(str(silence.get("updatedAt", "")))
    except ValueError:
        return 0.0


def _merge_alerts(lists: Iterable[tuple[Alert, ...]]) -> tuple[Alert, ...]:
    """One alert per fingerprint, from the peer with the newest update; sorted by fingerprint."""
    newest: dict[str, Alert] = {}
    for alerts in lists:
        for alert in alerts:
            known = newest.get(alert.fingerprint)
            if known is None or alert.updated_at > known.updated_at:
                newest[alert.fingerprint] = alert
    return tuple(newest[key] for key in sorted(newest))


def _merge_silences(peers: Iterable[tuple[Silence, ...]]) -> tuple[Silence, ...]:
    newest: dict[str, Silence] = {}
    for silences in peers:
        for silence in silences:
            known = newest.get(silence.id)
            if known is None or silence.updated_at > known.updated_at:
                newest[silence.id] = silence
    return tuple(newest[key] for key in sorted(newest))
