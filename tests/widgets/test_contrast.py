"""Legibility: the contrast of every text in every theme by WCAG 2, from the tokens and from what is drawn."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.style import Style
from screen_samples import NOW, StillSession, settings, snapshot
from textual.color import Color
from textual.screen import ModalScreen
from textual.theme import Theme

from console.screens.app import ConsoleApp
from widgets.dialogs.confirm import ConfirmDialog
from widgets.terminal.frame_renderer import strips_of
from widgets.theme import COLOUR_BLIND, THEME_NAMES, THEMES

LEAST = 4.5
TEXT = ("primary", "secondary", "warning", "error", "success", "accent", "foreground")
GROUNDS = ("background", "surface", "panel")
DECORATION = set("─━│┃╌└┘┌┐╭╮╰╯▔▁▎▊▌▐▕ ")


def luminance(colour: Color) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of WCAG 2, 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_matches_wcag() -> None:
    """Black on white is 21, and #767676 on white is the known lightest grey that passes."""
    assert contrast(Color.parse("black"), Color.parse("white")) == pytest.approx(21.0)
    assert (
        contrast(Color.parse("#767676"), Color.parse("white")) >= LEAST > contrast(Color.parse("#777777"), Color.parse("white"))
    )


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_every_text_colour_is_legible_on_every_background(theme: Theme) -> None:
    """Each text colour of each theme has at least 4.5:1 on background, surface and panel."""
    poor = {
        f"{text} on {ground}": round(ratio, 2)
        for text in TEXT
        for ground in GROUNDS
        if (ratio := contrast(Color.parse(getattr(theme, text)), Color.parse(getattr(theme, ground)))) < LEAST
    }
    assert poor == {}


def _linear(colour: Color) -> list[float]:
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]


PROTANOPE = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
DEUTERANOPE = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
"""Machado, Oliveira and Fernandes (2009), for linear RGB, with the missing cone fully absent."""


@pytest.mark.parametrize("sight", [PROTANOPE, DEUTERANOPE], ids=["protanope", "deuteranope"])
def test_verdicts_differ_for_colour_blind_people(sight: tuple[tuple[float, ...], ...]) -> None:
    """Ok, warning and critical of the colour-blind theme differ clearly in simulated vision."""
    seen = [
        [sum(weight * part for weight, part in zip(row, _linear(Color.parse(colour)), strict=True)) for row in sight]
        for colour in (COLOUR_BLIND.success, COLOUR_BLIND.warning, COLOUR_BLIND.error)
    ]
    distances = [
        sum((left - right) ** 2 for left, right in zip(one, other, strict=True)) ** 0.5 for one, other in combinations(seen, 2)
    ]
    assert len(distances) == 3 and min(distances) > 0.25


def _pair(style: Style) -> tuple[Color, Color] | None:
    if style.color is None or style.bgcolor is None:
        return None
    front, ground = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    return (ground, front) if style.reverse else (front, ground)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in THEME_NAMES if name))
async def test_everything_drawn_is_legible(name: str, tmp_path: Path) -> None:
    """All screens, details, dialogs, help and command line: no text below 4.5:1."""
    given = settings(tmp_path, theme=name)
    session = StillSession(given, snapshot())
    app = ConsoleApp(given, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    poor: dict[str, float] = {}
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.2)
        for keys in (
            "1",
            "enter",
            "escape",
            "2",
            "j",
            "enter",
            "escape",
            "z",
            "escape",
            "3",
            "4",
            "5",
            "enter",
            "6",
            "7",
            "?",
            "escape",
            ":",
        ):
            await pilot.press(keys)
            await pilot.pause()
            # The screen behind a dialog is dimmed on purpose.
            region = app.screen.query_one(".dialog").region if isinstance(app.screen, ModalScreen) else app.screen.region
            for line in strips_of(app.screen)[region.y : region.bottom]:
                strip = line.crop(region.x, region.right)
                for segment in strip:
                    pair = _pair(segment.style) if segment.style else None
                    words = segment.text.strip()
                    scrollbar = len(words) == 1 and words in "▁▂▃▄▅▆▇█"
                    if pair and not scrollbar and set(words) - DECORATION and contrast(*pair) < LEAST:
                        poor[f"{keys}: {words[:30]!r} {pair[0].hex} on {pair[1].hex}"] = round(contrast(*pair), 2)
    assert poor == {}


@pytest.mark.parametrize("system", [ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR])
async def test_what_cannot_be_pressed_yet_can_be_read(system: ColorSystem, tmp_path: Path) -> None:
    """The verb of a preview whose word is not typed yet stands out from its background, also where colours are few."""
    given = settings(tmp_path)
    session = StillSession(given, snapshot())
    app = ConsoleApp(given, session_factory=lambda _: session, clock=lambda: NOW, ascii_only=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(ConfirmDialog((), verb="Roll back", confirm_word="1"))
        await pilot.pause()
        button = app.screen.query_one("#confirm")
        assert button.disabled
        row = strips_of(app.screen)[button.region.y].crop(button.region.x, button.region.right)
        (style,) = {segment.style for segment in row if segment.style and "Roll back" in segment.text}
        assert style.color is not None and style.bgcolor is not None
        front, ground = (Color(*each.downgrade(system).get_truecolor()) for each in (style.color, style.bgcolor))
        assert contrast(front, ground) >= LEAST
