"""The window over a log: it follows the end or stays where it is, and lays out only what is in view."""

from __future__ import annotations

from textual.app import App, ComposeResult

from queries.model.log import LogLine
from widgets.log_view import LogView, build_labels, shorten_names
from widgets.styled_text import Line


class Log:
    """Lines whose number is their time."""

    def __init__(self, *texts: str) -> None:
        self.lines = [LogLine(at, at, "pod-a", text) for at, text in enumerate(texts)]
        self.fetched = 0

    def add(self, text: str) -> None:
        at = self.lines[-1].at_ns + 1
        self.lines.append(LogLine(at, at, "pod-b", text))

    def count(self) -> int:
        return len(self.lines)

    def window(self, first: int, last: int) -> list[LogLine]:
        found = self.lines[max(0, first) : max(0, last)]
        self.fetched += len(found)
        return found

    def index_of(self, key: tuple[int, int]) -> int:
        return next((at for at, line in enumerate(self.lines) if line[:2] >= key), len(self.lines))


class Stage(App[None]):
    CSS = "LogView { width: 40; height: 6; }"

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.view = LogView(log)

    def compose(self) -> ComposeResult:
        yield self.view

    @property
    def shown(self) -> list[str]:
        return [text_of(self.view.line_at(at, 40)) for at in range(self.view.line_count(40))]


def text_of(line: Line) -> str:
    return "".join(text for text, _ in line)


async def test_it_follows_the_end_until_a_person_moves() -> None:
    """Then the first line in view stays, whatever arrives or falls out; the end is followed again from there on."""
    log = Log(*(f"line {at}" for at in range(100)))
    stage = Stage(log)
    async with stage.run_test() as pilot:
        stage.view.focus()
        await pilot.pause()
        assert [line.strip() for line in stage.shown] == [f"line {at}" for at in range(94, 100)]
        log.add("new")
        stage.view.update()
        assert stage.shown[-1].strip() == "new" and stage.view.follows
        await pilot.press("up", "up")
        held = stage.shown
        assert held[0].strip() == "line 93" and not stage.view.follows
        log.add("newer")
        del log.lines[:50]
        stage.view.update()
        assert stage.shown == held and stage.view.position() == (43, 52)
        del log.lines[:48]
        stage.view.update()
        assert stage.shown[0].strip() == "line 98", "what is gone makes room for the next line"
        await pilot.press("down", "down", "down", "down")
        assert stage.view.follows and stage.shown[-1].strip() == "newer"
        await pilot.press("home")
        assert stage.shown[0].strip() == "line 98"
        await pilot.press("end")
        assert stage.view.follows


async def test_a_long_line_is_wrapped_or_one_row() -> None:
    """Every row of it can be reached; unwrapped, left and right move it."""
    long = " ".join(f"word{at:03}" for at in range(24))
    log = Log("first", long, "last")
    stage = Stage(log)
    async with stage.run_test() as pilot:
        stage.view.focus()
        await pilot.press("home")
        seen: list[str] = []
        for _ in range(14):
            seen += [line for line in stage.shown if line not in seen]
            await pilot.press("down")
        assert [word for line in seen for word in line.split()] == ["first", *long.split(), "last"]
        for _ in range(14):
            await pilot.press("up")
        assert stage.shown[0].strip() == "first"
        stage.view.wraps = False
        stage.view.update()
        assert len(stage.shown) == 3 and stage.shown[1].strip().startswith("word000 word001")
        await pilot.press("right", "right")
        assert stage.shown[1].strip().startswith("word005")
        await pilot.press("left", "left", "left")
        assert stage.shown[1].strip().startswith("word000")


async def test_a_line_is_text_with_its_level_and_its_matches() -> None:
    """Escape codes, markup and bidi are text; E marks an error without any colour; matches are marked."""
    log = Log("ERROR \x1b[31mred [bold]x[/bold] \u202eevil", "WARN low", "plain")
    log.lines.append(LogLine(9, 9, "", "pod a ended, replaced by b", 0, True))
    log.lines.append(LogLine(10, 10, "pod-a", "x" * 10, 1_048_576))
    stage = Stage(log)
    stage.view.spans = lambda text: [(at, at + 3) for at in [text.find("red")] if at >= 0]
    async with stage.run_test() as pilot:
        await pilot.press("home")
        await pilot.resize_terminal(120, 24)
        stage.view.styles.width = 100
        await pilot.pause()
        first, second, plain, notice, cut = (line.rstrip() for line in stage.shown)
        assert first == r" E ERROR \e[31mred [bold]x[/bold] \u202eevil"
        assert (second, plain, notice) == (" W WARN low", "   plain", " ── pod a ended, replaced by b")
        assert cut.endswith("xxx… (cut: the line has 1,048,576 bytes)")
        assert ("red", "match") in stage.view.line_at(0, 100)


async def test_a_hundred_thousand_lines_cost_no_more_than_a_window() -> None:
    """A frame, a page, a jump to the start and the end: each looks at a few windows of lines, never at all of them."""
    log = Log(*(f"line {at}" for at in range(100_000)))
    stage = Stage(log)
    async with stage.run_test() as pilot:
        stage.view.focus()
        await pilot.pause()
        for key in ("up", "pageup", "home", "pagedown", "end"):
            log.fetched = 0
            await pilot.press(key)
            assert 0 < log.fetched <= 6 * 8, key


def test_the_shortest_name_that_tells_pods_apart() -> None:
    """The end of a pod's name, with the container; the whole name where two have the same end. No two look alike."""
    assert shorten_names(["api-7d9c-x2x9k", "api-7d9c-abcde"]) == {"api-7d9c-x2x9k": "x2x9k", "api-7d9c-abcde": "abcde"}
    assert shorten_names(["db-0", "db-0/proxy", "web-0"]) == {"db-0": "db-0", "db-0/proxy": "0/proxy", "web-0": "web-0"}
    labels = build_labels([f"api-{at:05}" for at in range(20)], 10)
    assert len({text for text, _ in labels.values()}) == 20 and len({tone for _, tone in labels.values()}) == 5
