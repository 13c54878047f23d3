"""The themes: dark, light and one for colour-blind people."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="console-dark",
    primary="#5aa9e6",
    secondary="#9aa8b8",
    warning="#f0b429",
    error="#ff6b6b",
    success="#6cc588",
    accent="#7fd1e8",
    foreground="#e4e7eb",
    background="#101418",
    surface="#171c22",
    panel="#1f262e",
    dark=True,
)

LIGHT = Theme(
    name="console-light",
    primary="#0b5cad",
    secondary="#4f5863",
    warning="#7a4f00",
    error="#b3261e",
    success="#155f33",
    accent="#00677d",
    foreground="#1b1f24",
    background="#fafafa",
    surface="#f0f2f4",
    panel="#e3e7eb",
    dark=False,
    variables={"text-muted": "#4b525a"},
)

COLOUR_BLIND = Theme(
    name="console-colour-blind",
    primary="#56b4e9",
    secondary="#b0b0b0",
    warning="#f0e442",
    error="#ee7a1a",
    success="#56b4e9",
    accent="#cc79a7",
    foreground="#f0f0f0",
    background="#101010",
    surface="#181818",
    panel="#242424",
    dark=True,
)
"""The Okabe-Ito palette: blue is ok, yellow is warning, vermilion (lightened for contrast) is critical."""

THEMES = (DARK, LIGHT, COLOUR_BLIND)

THEME_NAMES = {"": DARK.name, "dark": DARK.name, "light": LIGHT.name, "colour-blind": COLOUR_BLIND.name}
"""Their names in the config and on the command line."""
