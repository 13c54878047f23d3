"""The post-incident review as one HTML file that loads nothing: no script, no font, no request, and complete on paper."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from console.incidents.postmortem import Postmortem, build_report_sections, report_head
from console.incidents.report_blocks import (
    Block,
    Bullets,
    Cell,
    Moment,
    PanelChart,
    Paragraph,
    Quote,
    ReportHead,
    ReportTable,
    Section,
)
from queries.text.chart_svg import render_svg
from queries.text.times import SECONDS, format_time, format_timestamp

_STYLE = """
:root { color-scheme: light; --ink: #1f2328; --dim: #57606a; --rule: #d0d7de; --head: #f6f8fa; --accent: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; background: #fff; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif;
  overflow-wrap: break-word; }
header { border-bottom: 3px solid var(--accent); padding-bottom: .75rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--rule);
  break-after: avoid; }
p { margin: .4rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
dt, .dim { color: var(--dim); }
dd { margin: 0; }
table { width: 100%; border-collapse: collapse; font-size: .87rem; margin: .5rem 0; }
.long, dd, h1 { overflow-wrap: anywhere; }
th { text-align: left; background: var(--head); font-weight: 600; }
th, td { padding: .3rem .5rem; border: 1px solid var(--rule); vertical-align: top; }
thead { display: table-header-group; }
tr, figure, blockquote { break-inside: avoid; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
time + span { display: block; color: var(--dim); font-size: .92em; white-space: nowrap; }
figure { margin: 1rem 0; border: 1px solid var(--rule); padding: .25rem; }
figure svg { display: block; width: 100%; height: auto; }
blockquote { margin: .75rem 0; padding: .1rem 0 .1rem .9rem; border-left: 4px solid var(--rule); }
blockquote p { white-space: pre-wrap; }
ul { margin: .4rem 0; padding-left: 1.2rem; }
@page { size: A4; margin: 15mm 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { margin-top: 1.2rem; }
  th, blockquote, header { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
_LONG_WORD = 16
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
"""A browser that opens the file runs no script, loads nothing and sends nothing, whatever the texts in it contain."""


def as_html(report: Postmortem) -> str:
    """The whole report with charts. Every text in it is escaped here, once."""
    head = report_head(report)
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n<meta name="referrer" content="no-referrer"/>',
        f"<title>{escape(head.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        _head(head),
        "<main>",
        *(_section(section) for section in build_report_sections(report)),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _head(head: ReportHead) -> str:
    ended = _cell(Moment(head.ended_at)) if head.ended_at is not None else "still open"
    facts = [
        ("environment", escape(head.environment)),
        ("began", _cell(Moment(head.started_at))),
        ("ended", ended),
        ("report of", _cell(Moment(head.created_at))),
        ("written by", escape(head.author)),
        ("incident", escape(head.identity)),
    ]
    listed = "\n".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts if value)
    return f"<header>\n<h1>{escape(head.title)}</h1>\n<dl>\n{listed}\n</dl>\n</header>"


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f"<section>\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>"


def _block(block: Block) -> str:
    match block:
        case Paragraph(text=text):
            return f"<p>{escape(text)}</p>"
        case ReportTable(head=head, rows=rows, empty=empty):
            return _table(head, rows) if rows else f'<p class="dim">{escape(empty)}</p>'
        case Bullets(lines=lines, empty=empty):
            items = "".join(f"<li>{escape(line)}</li>\n" for line in lines)
            return f"<ul>\n{items}</ul>" if lines else f'<p class="dim">{escape(empty)}</p>'
        case Quote():
            origin = f"{_cell(Moment(block.at))} <b>{escape(block.author)}</b>, {escape(block.status)}"
            return f"<blockquote>\n<div>{origin}</div>\n<p>{escape(block.text)}</p>\n</blockquote>"
        case PanelChart(title=title, data=data):
            return f"<figure>\n{render_svg(data, title).strip()}\n</figure>"


def _table(head: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> str:
    titles = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "\n".join(f"<tr>{''.join(map(_data, row))}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _data(cell: Cell) -> str:
    """A long word may break anywhere, or it would make the table wider than a page."""
    long = isinstance(cell, str) and any(len(word) > _LONG_WORD for word in cell.split())
    return f'<td class="long">{_cell(cell)}</td>' if long else f"<td>{_cell(cell)}</td>"


def _cell(cell: Cell) -> str:
    """A time stands in UTC, and below it in the local zone of the machine that wrote the report, if that is another one."""
    if isinstance(cell, str):
        return escape(cell)
    local = format_time(cell.at, "%Y-%m-%d %H:%M:%S %Z", local=True)
    machine = format_time(cell.at, SECONDS)
    beside = "" if local.endswith(" UTC") else f"<span>{escape(local)}</span>"
    return f'<time datetime="{machine}">{format_timestamp(cell.at)}</time>{beside}'
