"""A bundle of a platform that tells what it is asked: written with everything and no secret, and replayed without it."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import patience
import pytest
from network import no_network
from painting import notices_of, text_of
from past_platform import parts
from textual.widgets import Input
from told_platform import ToldPlatform, told_platform

from console.config.load import load_settings
from console.config.settings import Channel, Settings
from console.incidents.service import IncidentError
from console.journal.payloads import NoteWritten
from console.monitor.session import Session
from console.replay.bundle_file import Bundle, BundleError, open_bundle
from console.replay.collect import plan_window, write_incident_bundle
from console.replay.session import ReplaySession, show_moment
from console.replay.settings import build_settings
from console.screens.app import ConsoleApp
from console.screens.cast import Take, record_cast
from console.screens.replay import create_app
from queries.http.endpoint import Endpoint, HttpConfig
from queries.model.source import Health
from queries.model.verdict import Verdict
from queries.text.times import format_time

ROOT = Path(__file__).resolve().parents[3]
NOW = float(int(time.time()))
BEGAN = NOW - 1800.0
MARKUP = "[bold red]boom[/] \x1b[2J"
SECRETS = {
    name: f"canary-{name}-{number:04d}-Zz" for number, name in enumerate(("password", "header", "channel", "routing", "file"))
}
EVERYWHERE = " ".join((*SECRETS.values(), base64.b64encode(SECRETS["password"].encode()).decode()))
ALERT = {"alertname": "HighErrorRate", "severity": "critical", "component": MARKUP}
KUBE = {"namespace": "cad-ml-platform", "deployment": "cad-ml-api"}
RULE = {
    "type": "alerting",
    "name": "HighErrorRate",
    "query": "platform_error_ratio > 5",
    "duration": 0,
    "labels": {"severity": "critical"},
    "annotations": {"summary": f"see {EVERYWHERE}"},
    "health": "ok",
    "state": "firing",
    "alerts": [{"labels": {"alertname": "of-now"}, "annotations": {}, "state": "firing", "activeAt": "2026-01-01T00:00:00Z"}],
}
KNOWN: dict[str, list[tuple[dict[str, str], str]]] = {
    "platform_error_ratio": [({"__name__": "platform_error_ratio", "note": EVERYWHERE}, "7.8")],
    "count(up)": [({}, "3")],
    '{__name__=~"ALERTS|ALERTS_FOR_STATE"}': [
        ({"__name__": "ALERTS", "alertstate": "firing", **ALERT}, "1"),
        ({"__name__": "ALERTS_FOR_STATE", **ALERT}, str(BEGAN)),
    ],
}


def find_series(text: str, at: float) -> list[tuple[dict[str, str], str]]:
    return KNOWN.get(text, []) if at >= BEGAN else KNOWN["count(up)"] if text == "count(up)" else []


def tell(query: str, at: float) -> list[tuple[dict[str, str], str]]:
    """An instant answer, also to joined queries."""
    return [
        ({**labels, **({"__q__": key} if key else {})}, value)
        for key, text in parts(query).items()
        for labels, value in find_series(text, at)
    ]


def tell_range(query: str) -> list[dict[str, Any]]:
    """Every fifteen seconds of the last three hours."""
    times = [NOW // 15 * 15 - 15.0 * step for step in range(720, -1, -1)]
    found = []
    for key, text in parts(query).items():
        for labels, value in KNOWN.get(text, []):
            values = [[at, value] for at in times if (labels, value) in find_series(text, at)]
            found.append({"metric": {**labels, **({"__q__": key} if key else {})}, "values": values})
    return found


SILENCE = {
    "id": "s1",
    "matchers": [{"name": "alertname", "value": "Another", "isRegex": False, "isEqual": True}],
    "startsAt": format_time(BEGAN + 60.0),
    "endsAt": format_time(NOW + 3600.0),
    "updatedAt": format_time(BEGAN + 60.0),
    "createdBy": "ann",
    "comment": EVERYWHERE,
    "status": {"state": "active"},
}


@pytest.fixture
def platform() -> Iterator[ToldPlatform]:
    pages = {
        "/api/v1/rules": {"status": "success", "data": {"groups": [{"name": "g", "interval": 15, "rules": [RULE]}]}},
        "/api/v2/silences": [SILENCE],
    }
    with told_platform(vector=lambda query: tell(query, NOW), then=tell, ranges=tell_range, pages=pages) as told:
        yield told


@pytest.fixture
def settings(platform: ToldPlatform, tmp_path: Path) -> Settings:
    """With a secret wherever the configuration can hold one."""
    found = load_settings({"refresh": 60.0}, platform.environ(str(tmp_path)), service_account="/nonexistent")
    secret = tmp_path / "secret"
    secret.write_text(SECRETS["file"])
    assert found.prometheus is not None
    http = HttpConfig(username="me", password=SECRETS["password"], http_headers=(("X-Key", SECRETS["header"]),))
    channel = Channel("ops", "slack", url=f"https://hooks.example/{SECRETS['channel']}")
    pager = Channel("pager", "pagerduty", routing_key=SECRETS["routing"])
    return replace(
        found,
        prometheus=replace(found.prometheus, http=http),
        incidents=replace(found.incidents, channels=(channel, pager)),
        secret_files=(str(secret),),
    )


async def write(settings: Settings, tmp_path: Path, *, earlier: float = 0.0) -> Path:
    """The bundle of an incident that began half an hour ago, as its alert did, or `earlier` seconds before it."""
    session = await asyncio.to_thread(Session.open, settings)
    try:
        await session.once()
        incident = await session.incidents.declare(
            title=f"it broke {MARKUP}",
            severity=None,
            alerts=(),
            commander="ann",
            stability_seconds=None,
            seconds_ago=time.time() - BEGAN + earlier,  # this file may have been imported minutes ago
        )
        await session.record("note", NoteWritten(EVERYWHERE))
        written = await write_incident_bundle(session, incident, str(tmp_path / "x.bundle.zip"), report=lambda text: None)
    finally:
        await session.close()
    return written.path


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    return asyncio.run(write(settings, tmp_path))


@pytest.fixture
def unplugged() -> Iterator[list[str]]:
    with no_network() as tried:
        yield tried


def own_settings(tmp_path: Path) -> Settings:
    """Of the person who replays: other servers, another journal."""
    environ = {"HOME": str(tmp_path / "other"), "USER": "bob", "PATH": "/bin", "PROMETHEUS_URL": "http://192.0.2.1:9090"}
    return load_settings({}, environ, service_account="/nonexistent")


def replayed(file: Path, tmp_path: Path) -> tuple[Settings, Bundle]:
    bundle = open_bundle(file)
    return build_settings(own_settings(tmp_path), bundle), bundle


def test_no_part_has_a_secret(file: Path) -> None:
    """What the configuration holds or names is in no part, however a server, a note or a rule repeats it."""
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert b"see \xe2\x80\xa6" in contents["rules.json"]
    assert all(
        name in contents for name in ("series.jsonl", "journal.jsonl", "silences.json", "settings.json", "runbooks.jsonl")
    )
    encoded = (base64.b64encode(text.encode()) for text in SECRETS.values())
    spelled = [*(text.encode() for text in SECRETS.values()), *encoded]
    assert [(name, text) for name, content in contents.items() for text in spelled if text in content] == []
    assert b"of-now" not in contents["rules.json"]


def test_the_series_are_readable_without_this_program(file: Path) -> None:
    """By the documented format alone: the value at each time, null before the alert began, and the alerts' history."""
    with zipfile.ZipFile(file) as archive:
        lines = [json.loads(line) for line in archive.read("series.jsonl").splitlines()]
        manifest = json.loads(archive.read("manifest.json"))
    (found,) = (line for line in lines if line["query"] == "platform_error_ratio" and line["step"] == manifest["step_seconds"])
    values = {found["start"] + found["step"] * at: value for at, value in enumerate(found["series"][0]["values"])}
    assert {value for at, value in values.items() if BEGAN <= at <= NOW} == {7.8}
    assert {value for at, value in values.items() if at < BEGAN} == {None}
    alerts = next(line for line in lines if line["query"].startswith('{__name__=~"ALERTS'))
    assert {item["labels"]["alertname"] for item in alerts["series"]} == {"HighErrorRate"}


def test_a_replay_shows_what_was_and_says_what_it_does_not_have(file: Path, tmp_path: Path, unplugged: list[str]) -> None:
    """Panel, alert, silence, incident and note of then, without one connection; a source that is missing is unknown."""
    settings, bundle = replayed(file, tmp_path)
    snapshot = asyncio.run(show_moment(settings, bundle, format_time(NOW - 60.0)))
    panel = snapshot.panel("error_ratio")
    assert panel is not None
    assert panel.value == 7.8
    assert [item.alert.name for item in snapshot.alerts] == ["HighErrorRate"]
    assert [item.id for item in snapshot.silences] == ["s1"]
    assert snapshot.read_only
    platform = snapshot.source("platform")
    assert platform is not None
    assert platform.health is Health.NOT_KNOWN_THEN
    latency = snapshot.panel("p95_latency")
    assert latency is not None
    assert latency.value is None
    assert unplugged == []
    assert settings.prometheus is not None
    assert settings.prometheus.url == "http://bundle"


@pytest.mark.parametrize(("earlier", "alerts"), [(0.0, ["HighErrorRate"]), (600.0, ["HighErrorRate"]), (1000.0, [])])
def test_a_replay_begins_at_the_first_alert(settings: Settings, tmp_path: Path, earlier: float, alerts: list[str]) -> None:
    """At the first stored time with an alert that fires, not a moment before it; where none fires within a quarter of an hour,
    when the incident began. `incident` alone means the same."""
    own, bundle = replayed(asyncio.run(write(settings, tmp_path, earlier=earlier)), tmp_path)
    for at in ("", "incident", "incident 1"):
        shown = asyncio.run(show_moment(own, bundle, at))
        assert shown.as_of is not None
        assert [item.alert.name for item in shown.alerts] == alerts
        begins = max(BEGAN, bundle.manifest.began_at) if alerts else bundle.manifest.began_at
        # The moment of no alert is where the incident began, to the last digit.
        assert 0.0 <= shown.as_of.moment - begins < (15.0 if alerts else 0.001)


def test_a_moment_outside_is_refused(file: Path, tmp_path: Path) -> None:
    """Before the window and after it."""
    settings, bundle = replayed(file, tmp_path)
    for at in (bundle.manifest.start - 60.0, bundle.manifest.end + 60.0):
        with pytest.raises(ValueError, match=r"the bundle covers|in the future"):
            asyncio.run(show_moment(settings, bundle, format_time(at)))


def test_an_unreachable_server_is_named(settings: Settings, tmp_path: Path) -> None:
    """The bundle is written all the same; the replay says for each source what it lacks."""
    assert settings.prometheus is not None
    broken = replace(settings.prometheus, url="http://127.0.0.1:9", timeout_seconds=1.0)
    lost = replace(settings, prometheus=broken, alertmanagers=(broken,))
    own, bundle = replayed(asyncio.run(write(lost, tmp_path)), tmp_path)
    assert {item.name: item.state for item in bundle.manifest.sources}["prometheus"] == "not read"
    assert bundle.manifest.source("alertmanager").state == "not read"
    assert all("refused" in bundle.manifest.source(name).detail for name in ("prometheus", "alertmanager"))
    assert "127.0.0.1" not in str(bundle.manifest), "no bundle has an address"
    snapshot = asyncio.run(show_moment(own, bundle, ""))
    assert not snapshot.alerts_known
    assert {item.health for item in snapshot.sources if item.name == "prometheus"} == {Health.NOT_KNOWN_THEN}


def test_a_part_that_cannot_be_read_is_refused(file: Path, tmp_path: Path) -> None:
    """Valid hashes around content of another shape: said with the part's name, and nothing else happens."""
    settings, bundle = replayed(file, tmp_path)
    for name, content in {
        "panels.json": b'{"overview": [{"id": 5}]}',
        "runbooks.jsonl": b"[" * 3000,
        "journal.jsonl": b'{"at": "x"}\n',
        "series.jsonl": b"\xff\xfe",
        "settings.json": b'{"thresholds": 5}',
    }.items():
        with pytest.raises(BundleError, match=name):
            ReplaySession(settings, Bundle(bundle.manifest, {name: content}, name="x"))


async def test_b_on_the_page_of_an_incident_writes_its_bundle(settings: Settings, tmp_path: Path) -> None:
    """To the path in the field, `esc` writes none, a path that cannot be written is named, and a replay refuses the key."""
    await asyncio.to_thread(declare, settings)
    app = ConsoleApp(settings)
    file = tmp_path / "night.zip"
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("9")
        await patience.until(pilot, lambda: "it broke" in text_of(app.screen), "the incident")
        await pilot.press("b")
        await patience.until(pilot, lambda: "Write the bundle to" in text_of(app.screen), "the question")
        assert "incident-1.bundle.zip" in text_of(app.screen)
        await pilot.press("escape")
        await patience.until(pilot, lambda: "Write the bundle to" not in text_of(app.screen), "the page")
        for path, notice in ((tmp_path / "none" / "x.zip", "No such file"), (file, f"written to {file}")):
            await pilot.press("b")
            await patience.until(pilot, lambda: "Write the bundle to" in text_of(app.screen), "the question")
            app.screen.query_one(Input).value = str(path)
            await pilot.press("enter")
            await patience.until(pilot, lambda said=notice: any(said in item for item in notices_of(app)), notice)  # type: ignore[misc]
    replaying = console(file, tmp_path, at=format_time(open_bundle(file).manifest.end))
    async with replaying.run_test(size=(120, 40)) as pilot:
        await patience.until(pilot, lambda: "REPLAY  AS OF" in text_of(replaying.screen), "the moment")
        await pilot.press("9")
        await patience.until(pilot, lambda: "it broke" in text_of(replaying.screen), "the incident")
        await pilot.press("b")
        await patience.until(pilot, lambda: any("nothing can be changed" in item for item in notices_of(replaying)), "refusal")
    assert not (tmp_path / "incident-1.bundle.zip").exists()


def declare(settings: Settings) -> None:
    async def write() -> None:
        session = await asyncio.to_thread(Session.open, settings)
        await session.incidents.declare(title="it broke", commander="ann", seconds_ago=NOW - BEGAN)
        await session.close()

    asyncio.run(write())


def console(file: Path, tmp_path: Path, at: str = "") -> ConsoleApp:
    settings, bundle = replayed(file, tmp_path)
    return create_app(bundle, settings, at=at)


async def test_the_console_on_a_bundle(file: Path, tmp_path: Path, unplugged: list[str]) -> None:
    """Line 1 says REPLAY and AS OF; there is no now to return to; keys that change something do nothing; what the bundle
    contains is text; the journal of the person who looks is not opened.
    """
    app = console(file, tmp_path, at=format_time(NOW - 60.0))
    async with app.run_test(size=(120, 40)) as pilot:
        await patience.until(pilot, lambda: "REPLAY  AS OF" in text_of(app.screen), "the moment")
        await patience.until(pilot, lambda: "7.80 %" in text_of(app.screen), "the panel")
        shown = text_of(app.screen)
        assert "[bold red]boom[/]" in shown
        assert "\x1b" not in shown
        await pilot.press("colon", *"live", "enter")
        await patience.until(pilot, lambda: any("a replay has no live view" in item for item in notices_of(app)), "the notice")
        await pilot.press("escape", "colon", *"declare", "enter")
        await patience.until(pilot, lambda: any("nothing can be changed" in item for item in notices_of(app)), "the refusal")
        assert "REPLAY  AS OF" in text_of(app.screen)
    assert not list((tmp_path / "other").rglob("journal*"))
    assert unplugged == []


async def test_the_first_frame_says_what_is_being_read(file: Path, tmp_path: Path) -> None:
    """Line 2 has the name of the bundle until the moment is there, never `no answer yet` of servers that nobody asks."""
    app = console(file, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        seen = [text_of(app.screen)]
        await patience.until(pilot, lambda: "REPLAY  AS OF" in (seen.append(text_of(app.screen)) or seen[-1]), "the moment")
    assert f"REPLAY of {file.name}: reading it; no server is asked" in seen[0]
    assert "reading it" not in seen[-1]


def change_value(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    changed = parts["series.jsonl"].replace(b"7.8", b"0.1")
    assert changed != parts["series.jsonl"]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in {**parts, "series.jsonl": changed}.items():
            archive.writestr(name, part)


async def test_a_changed_part_ends_the_console(file: Path, tmp_path: Path) -> None:
    """Parts are compared with their hashes after the first frame: the console ends, and its caller gets the reason."""
    change_value(file)
    bundle = open_bundle(file)
    refused: list[BundleError] = []
    app = create_app(bundle, build_settings(own_settings(tmp_path), bundle), refuse=refused.append)
    async with app.run_test(size=(120, 40)) as pilot:
        await patience.until(pilot, lambda: bool(refused), "the refusal")
    assert "series.jsonl is not what was written" in str(refused[0])


def test_the_first_frame_needs_little_of_a_bundle(file: Path) -> None:
    """Before it neither runbooks nor YAML are imported, and no part but the settings is unpacked."""
    code = (
        "import sys, zipfile\n"
        "from console.cli import replay\n"
        "from console.config.load import load_settings\n"
        "unpacked, unpack = [], zipfile.ZipFile.open\n"
        "zipfile.ZipFile.open = lambda file, part, *more: unpacked.append(part.filename) or unpack(file, part, *more)\n"
        "bundle = replay.open_bundle(sys.argv[1])\n"
        "replay.build_settings(load_settings({}, {}, service_account='/nonexistent'), bundle)\n"
        "late = {'yaml', 'console.runbooks.page', 'console.journal.event', 'hashlib'}\n"
        "print(*unpacked, *late & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["manifest.json", "settings.json", "hashlib"]  # the settings are compared with their hash


TEAM_PANELS = """\
title: Shop
panels:
  - {id: shop_orders, title: Orders, unit: per_second, raw: "sum(rate(shop_orders_total[5m]))", absent: none}
"""
TEAM_CHECKLIST = """\
title: The shop opens
items:
  - {id: orders, title: Orders, panel: shop_orders}
  - {id: stock, question: Is there stock?}
"""
LOG_PANEL = """\
panels:
  - {id: refused, title: Refused, unit: count, source: loki, raw: 'sum(rate({app="api"} |= "refused" [5m]))', absent: x}
"""


def team_settings(settings: Settings, folder: Path) -> Settings:
    """With checklists, a board and a panel over logs of a team's own; Loki does not answer."""
    lists = folder / "checklists"
    lists.mkdir()
    (lists / "shop.yaml").write_text(TEAM_CHECKLIST)
    (lists / "hourly.yaml").write_text("title: [")
    for name, text in (("board", TEAM_PANELS), ("log", LOG_PANEL)):
        (folder / f"{name}.yaml").write_text(text)
    own = replace(settings.own, panels=(str(folder / "board.yaml"), str(folder / "log.yaml")))
    loki = Endpoint("http://127.0.0.1:9", timeout_seconds=1.0)
    return replace(settings, own=own, loki=loki, paths=replace(settings.paths, checklists_dir=str(lists)))


async def test_checklists_are_those_of_then(settings: Settings, tmp_path: Path) -> None:
    """A team's own with its panels, and an invalid one with its reason, never this console's file of the same name."""
    given = team_settings(settings, tmp_path)
    own, bundle = await asyncio.to_thread(replayed, await write(given, tmp_path), tmp_path)
    session = await asyncio.to_thread(ReplaySession, own, bundle)
    past = await session.open_past(time.time)
    try:
        await past.go(NOW - 60.0)
        found = await past.checklists.load()
    finally:
        await past.close()
        await session.close()
    shop = found.get("shop")
    assert shop is not None
    assert [item.title for item in shop.items] == ["Orders", "Is there stock?"]
    assert found.get("morning") is not None
    assert [(item.name, item.path) for item in found.broken] == [("hourly", "x.bundle.zip:checklists.jsonl")]


async def test_a_panel_over_logs_is_not_known_in_a_replay(settings: Settings, tmp_path: Path) -> None:
    """The bundle has no counts of lines: the panel says so, with what the bundle says of Loki, and is never fine."""
    own, bundle = await asyncio.to_thread(replayed, await write(team_settings(settings, tmp_path), tmp_path), tmp_path)
    snapshot = await show_moment(own, bundle, "")
    panel, loki = snapshot.panel("refused"), snapshot.source("loki")
    assert panel is not None
    assert loki is not None and loki.fault is not None
    assert panel.verdict is Verdict.NO_DATA
    assert "not known then" in panel.reason
    assert "the bundle says of loki: not read" in loki.fault.sentence()


async def test_a_recording_for_asciinema(file: Path, tmp_path: Path) -> None:
    """A header and one event a frame, in the order of time, of the size that was asked for; the first one shows the moment."""
    settings, bundle = replayed(file, tmp_path)
    take = Take(format_time(NOW - 300.0), format_time(NOW - 120.0), 60, 80, 24)
    text = await record_cast(bundle, settings, take, report=lambda progress: None)
    header, *events = map(json.loads, text.splitlines())
    assert (header["version"], header["width"], header["height"]) == (2, 80, 24)
    assert [(at, kind) for at, kind, _ in events] == [(0.0, "o"), (1.0, "o"), (2.0, "o"), (3.0, "o")]
    assert "REPLAY" in events[0][2]
    with pytest.raises(BundleError, match="the bundle covers"):
        await record_cast(bundle, settings, replace(take, start=format_time(NOW - 90_000.0)), report=lambda progress: None)


async def test_an_unknown_incident_has_no_bundle(settings: Settings) -> None:
    """The service's own sentence."""
    session = await asyncio.to_thread(Session.open, settings)
    with pytest.raises(IncidentError, match="no incident"):
        await session.incidents.find("77")
    await session.close()


async def test_the_window_of_a_long_incident(settings: Settings) -> None:
    """An hour before to a quarter of an hour after it; at most two days, and then with a larger step."""
    session = await asyncio.to_thread(Session.open, settings)
    incident = await session.incidents.declare(
        title="x", severity=None, alerts=(), commander="", stability_seconds=None, seconds_ago=0.0
    )
    await session.close()
    short = plan_window(replace(incident, closed_at=incident.began_at + 7200.0), now=incident.began_at + 1e6)
    assert short.end - incident.began_at == pytest.approx(8100.0)
    assert incident.began_at - short.start == pytest.approx(3600.0, abs=15.0)
    assert short.step == 15.0
    long = plan_window(incident, now=incident.began_at + 1e6)
    assert long.end == incident.began_at + 48 * 3600.0
    assert (long.end - long.start) / long.step <= 1000


async def test_an_incident_that_a_clock_ahead_declared(settings: Settings, tmp_path: Path) -> None:
    """It begins in half a minute by this machine's clock: its bundle is written all the same, and can be replayed."""
    session = await asyncio.to_thread(Session.open, settings)
    try:
        await session.once()
        declared = await session.incidents.declare(title="it broke", commander="ann", seconds_ago=0.0)
        incident = replace(declared, declared_at=time.time() + 30.0, detected_at=None, since=None)
        written = await write_incident_bundle(session, incident, str(tmp_path / "x.zip"), report=lambda text: None)
    finally:
        await session.close()
    own, bundle = await asyncio.to_thread(replayed, written.path, tmp_path)
    shown = await show_moment(own, bundle, "")
    assert shown.as_of is not None and bundle.manifest.began_at <= bundle.manifest.end <= time.time()
