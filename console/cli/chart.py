"""`cad-console chart`: one panel's chart as an SVG file."""

from __future__ import annotations

import argparse
import sys

from console.alerts.chart import build_chart, chart_marks
from console.checks.own_panels import find_board_panel, list_board_panels
from console.cli.checklist import write
from console.cli.one_shot import with_session
from console.config.load import load_settings
from console.monitor.session import Session
from queries.model.panel_result import HistoryRange, PanelHistory
from queries.model.text import visible
from queries.text.chart_svg import render_svg
from queries.text.durations import format_duration, parse_duration
from queries.text.suggestions import suggest_spelling
from queries.text.times import InvalidTime

COMPARISONS = {"yesterday": 86_400.0, "last-week": 7 * 86_400.0}
_LONGEST_SECONDS = 366 * 86_400.0


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("panel", help="a panel of the overview or of a dashboard, by its id or its title")
    parser.add_argument("--range", metavar="DURATION", default="1h", help="the time range of the chart: 5m, 6h, 30d")
    parser.add_argument("--compare", choices=tuple(COMPARISONS), help="add the panel's values from an earlier time")
    parser.add_argument(
        "--heat-map", action="store_true", help="draw the panel's heat map: requests by duration, or errors by code"
    )
    parser.add_argument("--svg", metavar="FILE", help="write the SVG to this file instead of printing it")
    parser.epilog = "exit codes: 0 written; 1 no data in the range; 2 no such panel, or the source did not respond"


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments)
    try:
        seconds = parse_duration(arguments.range, least=60.0, most=_LONGEST_SECONDS)
    except InvalidTime as error:
        print(f"cad-console chart: --range: {error}", file=sys.stderr)
        return 2
    back = COMPARISONS.get(arguments.compare or "", 0.0)
    if back and arguments.heat_map:
        print(
            "cad-console chart: a heat map cannot be compared with an earlier time: omit --compare or --heat-map",
            file=sys.stderr,
        )
        return 2
    requested = HistoryRange(seconds, back_seconds=back, heat=arguments.heat_map)
    return with_session(settings, lambda session: _draw(session, arguments, requested))


async def _draw(session: Session, arguments: argparse.Namespace, requested: HistoryRange) -> int:
    name = arguments.panel.casefold()
    spec = next((item for item in session.specs if name in (item.id.casefold(), item.title.casefold())), None)
    spec = spec or find_board_panel(session.settings, name)
    if spec is None:
        known = suggest_spelling(name, (*(item.id for item in session.specs), *list_board_panels(session.settings)))
        print(f"cad-console chart: no panel {visible(arguments.panel)}; {known}", file=sys.stderr)
        return 2
    snapshot = await session.once()
    if arguments.heat_map and spec.heat_map is None:
        known = ", ".join(item.id for item in session.specs if item.heat_map is not None)
        print(f"cad-console chart: {visible(spec.id)} has no heat map; expected one of {known}", file=sys.stderr)
        return 2
    history: PanelHistory | None = None
    async for each in session.spec_histories(spec, requested):
        history = each
    if history is None or history.fault is not None:
        reason = history.fault.sentence() if history and history.fault else "no history"
        print(f"cad-console chart: {visible(reason)}", file=sys.stderr)
        return 2
    state = snapshot.panel(spec.id)
    data = build_chart(
        history,
        group_by=spec.group_by,
        unit=spec.unit,
        thresholds=(state.threshold if state else spec.threshold).lines,
        lower_is_worse=spec.lower_is_worse,
        earlier=(arguments.compare or "").replace("-", " "),
        marks=chart_marks(snapshot, await session.chart_events(), history.start, history.end),
    )
    drawn = bool(data.heat_map or history.series)
    title = f"{spec.title}, {format_duration(requested.seconds)}, {session.settings.environment}"
    return write(render_svg(data, title), arguments.svg) or (0 if drawn else 1)
