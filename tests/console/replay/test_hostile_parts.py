"""A bundle whose hashes are right and whose contents are not: every value may be another one, of another kind or size."""

from __future__ import annotations

import asyncio
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import patience
import pytest
from network import no_network
from painting import text_of

from console.config.load import load_settings
from console.replay import contents
from console.replay.bundle_file import FORMAT, VERSION, Bundle, BundleError, IncidentNote, Manifest, SourceNote, encode_lines
from console.replay.contents import KeptChecklist, KeptEvent, KeptLine, KeptMark, KeptPanels, KeptPattern, encode_value
from console.replay.session import show_moment
from console.replay.settings import build_settings
from console.runbooks.index import RunbookIndex
from console.screens.replay import create_app
from console.state.snapshot_json import document
from queries.catalogue.loader import load_board, load_dashboard
from queries.model.series import Series
from queries.prometheus import alert_series
from queries.stored.series import Grid, encode_query
from queries.text.times import format_time

RUNBOOKS = Path(__file__).resolve().parents[3] / "runbooks"
BEGAN = 1_767_276_000.0
LINES = 'sum(count_over_time({app=~".+"} [5m]))'
MANIFEST = Manifest(
    FORMAT, VERSION, "cad-console", BEGAN + 900.0, "prod", "cad", IncidentNote(1, "incident-1", "it broke"),
    BEGAN - 600.0, BEGAN + 900.0, BEGAN, 15.0,
    tuple(SourceNote(name, "read") for name in ("prometheus", "alertmanager", "kubernetes", "loki", "journal")),
)  # fmt: skip
OTHERS: tuple[Any, ...] = (
    "[bold red]x[/]", "\x1b[2J\x1b]52;c;aGk=\x07", "\u202eevil", "", "x" * 70_000, "9" * 400, "../../etc/passwd", "NaN", "+Inf",
    "2026-13-45T99:99:99Z", "(((", "a[", "${x[5m]}", -1, 0, 1, 1e308, -1e308, 1e-320, 2**63, 2**200, True, None, [], {}, [[]],
    {"a": 1},
)  # fmt: skip


@cache
def whole_parts() -> dict[str, bytes]:
    """As a bundle has them."""
    grid = Grid.between(BEGAN - 600.0, BEGAN + 900.0, 15.0)
    times = [grid.start + grid.step * at for at in range(grid.count)]
    alert = (("alertname", "HighErrorRate"), ("severity", "critical"))
    firing = Series((("__name__", "ALERTS"), ("alertstate", "firing"), *alert), tuple((at, 1.0) for at in times[40:]))
    since = Series((("__name__", "ALERTS_FOR_STATE"), *alert), tuple((at, BEGAN) for at in times[40:]))
    up = Series((), tuple((at, 3.0) for at in times))
    series = {alert_series.QUERY: (firing, since), "count(up)": (up,), "platform_error_ratio": (up,)}
    rule = {
        "type": "alerting", "name": "HighErrorRate", "query": "platform_error_ratio > 1", "duration": 0, "labels": {},
        "annotations": {"summary": "x"}, "health": "ok", "state": "inactive", "alerts": [],
    }  # fmt: skip
    times_of = {"startsAt": format_time(BEGAN), "endsAt": format_time(BEGAN + 600.0), "updatedAt": format_time(BEGAN)}
    matcher = {"name": "alertname", "value": "x", "isRegex": True, "isEqual": True}
    silence = {"id": "s", "matchers": [matcher], **times_of, "createdBy": "ann", "comment": "", "status": {"state": "active"}}
    declared = {"title": "it broke", "severity": "P1"}
    events = [
        KeptEvent(BEGAN, "incident.declared", "incident-1", "ann", "prod", "a" * 32, int(BEGAN * 1e6), encode_raw(declared)),
        KeptEvent(BEGAN + 9.0, "note", "note", "ann", "prod", "b" * 32, int(BEGAN * 1e6) + 9, encode_raw({"text": "seen"})),
    ]
    pages = [page for page in RunbookIndex.load(RUNBOOKS).runbooks if "HighErrorRate" in page.alerts]
    checklist = "title: Shop\nitems:\n  - {id: orders, title: Orders, panel: error_ratio}\n"
    line = KeptLine("deployment/api", "api-1/web", int(BEGAN * 1e9), "broken")
    pattern = KeptPattern("deployment/api", BEGAN, 900.0, 900.0, "new", 0, 3, "error", "broken", "broken", ["api-1/web"])
    return {
        contents.SERIES: b"\n".join(encode_query(query, grid, found) for query, found in series.items()),
        contents.LOG_SERIES: encode_query(LINES, grid, [up]),
        contents.RULES: json.dumps({"status": "success", "data": {"groups": [{"name": "g", "rules": [rule]}]}}).encode(),
        contents.SILENCES: json.dumps([silence]).encode(),
        contents.ALERTING: b'{"global": {"external_labels": {"cluster": "x"}}, "alerting": {"alert_relabel_configs": []}}',
        contents.METADATA: b'{"up": [{"type": "gauge", "help": "x", "unit": ""}]}',
        contents.JOURNAL: encode_lines(events),
        contents.MARKS: encode_lines([KeptMark(BEGAN, "alert", "HighErrorRate", "!")]),
        contents.LOGS: encode_lines([line]),
        contents.PATTERNS: encode_lines([pattern]),
        contents.PANELS: encode_value(KeptPanels(load_board("overview")[:4], (load_dashboard("ocr_performance"),))),
        contents.SETTINGS: encode_value(contents.KeptSettings()),
        contents.RUNBOOKS: b"\n".join(map(encode_value, pages)),
        contents.CHECKLISTS: encode_lines([KeptChecklist("shop", checklist)]),
    }


def encode_raw(data: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(data))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:40]) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


def change(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    holder = value
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = other
    return value


def spoil(parts: dict[str, bytes], chance: random.Random) -> str:
    """One value of one part becomes another one; says which."""
    name = chance.choice(sorted(parts))
    rows = parts[name].splitlines() if name.endswith(".jsonl") else [parts[name]]
    at = chance.randrange(len(rows))
    value = json.loads(rows[at])
    path, other = chance.choice(places(value)), chance.choice(OTHERS)
    rows[at] = json.dumps(change(value, path, other)).encode()
    parts[name] = b"\n".join(rows)
    return f"{name} {at} {path}: {str(other)[:30]!r}"


async def show(parts: dict[str, bytes], folder: Path) -> dict[str, Any]:
    bundle = Bundle(MANIFEST, parts, name="x")
    own = load_settings({}, {"HOME": str(folder), "USER": "bob", "PATH": "/bin"}, service_account="/nonexistent")
    return document(await show_moment(build_settings(own, bundle), bundle, format_time(BEGAN + 300.0)))


async def test_the_parts_are_those_of_a_bundle(tmp_path: Path) -> None:
    """Unspoiled they show an alert: what follows spoils something that works."""
    found = await show(dict(whole_parts()), tmp_path)
    assert "HighErrorRate" in json.dumps(found["alerts"])


@pytest.mark.parametrize("block", range(6))
def test_a_spoiled_value_is_refused_or_shown_as_text(tmp_path: Path, block: int) -> None:
    """Either the part is named as unreadable, or the moment is shown: nothing else happens, and nothing is reached."""
    refused = shown = 0
    with no_network() as tried:
        for seed in range(block * 40, block * 40 + 40):
            chance, parts = random.Random(seed), dict(whole_parts())
            spoiled = [spoil(parts, chance) for _ in range(chance.choice((1, 1, 2)))]
            try:
                asyncio.run(asyncio.wait_for(show(parts, tmp_path), 60.0))
                shown += 1
            except BundleError as error:
                refused += 1
                assert "\x1b" not in str(error)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {spoiled}") from error
    assert shown > 5 and refused > 5 and tried == []


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_words_of_a_bundle_are_text(tmp_path: Path, size: tuple[int, int]) -> None:
    """Environment, title, mark and alert with markup and escape codes: no screen interprets any of it."""
    hostile = "[red]b[/]\x1b[2J\u202e"
    parts = {
        name: content.replace(b"HighErrorRate", json.dumps(hostile)[1:-1].encode()) for name, content in whole_parts().items()
    }
    named = msgspec.structs.replace(MANIFEST, environment=hostile, incident=IncidentNote(1, "incident-1", hostile))
    bundle = Bundle(named, parts, name=hostile)
    own = load_settings({}, {"HOME": str(tmp_path), "USER": "bob", "PATH": "/bin"}, service_account="/nonexistent")
    app = create_app(bundle, build_settings(own, bundle), at=format_time(BEGAN + 300.0))
    seen = []
    async with app.run_test(size=size) as pilot:
        await patience.until(pilot, lambda: "REPLAY  AS OF" in text_of(app.screen), "the moment")
        await patience.until(pilot, lambda: "[red]b[/]" in text_of(app.screen), "the alert")
        for key in ("2", "9", "1", "left_parenthesis"):
            await pilot.press(key)
            await pilot.pause()
            seen.append(text_of(app.screen))
    assert seen and all("\x1b" not in text and "\u202e" not in text for text in seen)


@pytest.mark.parametrize(
    ("part", "spoiled"),
    [(contents.JOURNAL, b'"stamp":1606938044258990275541962092341162602522'), (contents.SERIES, b'"step":1e-320')],
)
async def test_numbers_that_no_calendar_has(tmp_path: Path, part: str, spoiled: bytes) -> None:
    """A stamp that SQLite cannot hold is refused; a query with a step of no length is not known."""
    name = spoiled.partition(b":")[0]
    parts = dict(whole_parts())
    first, *others = parts[part].splitlines()
    before = first[first.index(name) :].partition(b",")[0]
    parts[part] = b"\n".join([first.replace(before, spoiled), *others])
    assert parts[part] != whole_parts()[part]
    if part == contents.JOURNAL:
        with pytest.raises(BundleError, match=r"journal\.jsonl cannot be read"):
            await show(parts, tmp_path)
    else:
        assert "HighErrorRate" not in json.dumps((await show(parts, tmp_path))["alerts"])
