"""The one table of commands: what `:` and the palette run and list, and what keys, footer and help show."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from textual.binding import Binding

from console.screens import messages
from console.screens.registry import SCREENS, ScreenInfo
from widgets.theme import THEME_NAMES

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.screens.app import ConsoleApp


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the command list: the text that runs it. An `open_ended` one takes further arguments."""

    text: str
    description: str
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """`run` gets the text after the name. `entries` lists the command with its arguments; by default, the name alone.

    A command with a `key` is also a binding; `label` is its name in the footer, which shows only the `pinned` ones.
    """

    name: str
    description: str
    run: Callable[[ConsoleApp, str], None]
    entries: Callable[[ConsoleApp], Iterable[Entry]] | None = None
    open_ended: bool = False
    key: str = ""
    key_display: str | None = None
    binding_id: str = ""
    label: str = ""
    pinned: bool = False

    def list_entries(self, app: ConsoleApp) -> Iterable[Entry]:
        return (Entry(self.name, self.description, self.open_ended),) if self.entries is None else self.entries(app)

    def bind(self) -> Binding:
        """The binding of its key; the id is what a config's `keys` remap."""
        return Binding(
            self.key,
            f"run_command({self.name!r})",
            self.label or self.name,
            show=self.pinned,
            key_display=self.key_display,
            tooltip=self.description,
            id=self.binding_id,
        )


def find_command(app: ConsoleApp, name: str) -> Command | None:
    """The command of that name; None if there is none."""
    return next((item for item in (*COMMANDS, *_action_commands(app)) if item.name == name), None)


def list_entries(app: ConsoleApp) -> tuple[Entry, ...]:
    """Everything that can be run now: screens, panels, runbooks, actions on every workload, alerts, themes."""
    return tuple(entry for command in (*COMMANDS, *_action_commands(app)) for entry in command.list_entries(app))


def filter_entries(entries: tuple[Entry, ...], text: str) -> tuple[Entry, ...]:
    """The entries that start with the text, then those that contain all of its words."""
    prefix = text.strip().lower()
    if not prefix:
        return entries
    first = [item for item in entries if item.text.lower().startswith(prefix)]
    words = prefix.split()
    others = [
        item
        for item in entries
        if item not in first and all(word in f"{item.text} {item.description}".lower() for word in words)
    ]
    return (*first, *others)


def run_command(app: ConsoleApp, text: str) -> None:
    """Run a typed command; a notice says what is wrong with one that cannot be run."""
    name, _, argument = text.strip().partition(" ")
    command = find_command(app, {"q": "quit"}.get(name, name))
    if command is None:
        app.show_notice(f"{name}: unknown command; : lists all commands", warning=True)
    else:
        command.run(app, argument.strip())


# Screens


def _screen_command(screen: ScreenInfo) -> Command:
    first = screen is SCREENS[0]
    return Command(
        screen.name,
        screen.description,
        partial(_go, screen.name),
        partial(_list_screen, screen),
        key=screen.key,
        key_display="0-9" if first else None,
        binding_id=f"screen.{screen.name}",
        label="screens" if first else screen.title,
        pinned=first,
    )


def _go(name: str, app: ConsoleApp, argument: str) -> None:
    if (name, argument) == ("incident", "declare"):
        app.flows.incidents.declare()
    else:
        app.go(name)


def _list_screen(screen: ScreenInfo, app: ConsoleApp) -> Iterable[Entry]:
    yield Entry(screen.name, f"{screen.title}: {screen.description}")
    if screen.name == "incident":
        yield Entry("incident declare", "Declare an incident; starts response timers and records the timeline")


def _open_dashboard(app: ConsoleApp, argument: str) -> None:
    if argument in dict(_dashboards(app)):
        app.call_later(_show_dashboard, app, argument)
    else:
        app.show_notice(f"dashboard: there is no dashboard {argument!r}", warning=True)


async def _show_dashboard(app: ConsoleApp, name: str) -> None:
    from console.screens.dashboards import DashboardsScreen  # noqa: PLC0415  # not before the first frame

    app.go("dashboards")
    if isinstance(app.screen, DashboardsScreen):
        app.screen.choose(replace(app.screen.choice, name=name))


def _dashboards(app: ConsoleApp) -> tuple[tuple[str, str], ...]:
    from queries.model.dashboard import DASHBOARDS  # noqa: PLC0415  # not before the first frame

    return app.session.boards if app.session else DASHBOARDS


def _list_dashboards(app: ConsoleApp) -> Iterable[Entry]:
    return (Entry(f"dashboard {name}", f"{title}: the dashboard") for name, title in _dashboards(app))


# Details


def _open_panel(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenPanelRequested(argument))


def _list_panels(app: ConsoleApp) -> Iterable[Entry]:
    specs = app.session.specs if app.session else ()
    return (Entry(f"panel {spec.id}", f"{spec.title}: series, chart, query") for spec in specs)


def _open_runbook(app: ConsoleApp, argument: str) -> None:
    if app.session is None or not argument:
        app.go("runbooks")
        return
    match = app.session.find_runbook(argument)
    if match.runbook is None:
        app.show_notice(match.error, warning=True)
        return
    tracked = next((item for item in app.context.alerts if item.alert.name == match.alert), None)
    fingerprint = tracked.alert.fingerprint if tracked else ""
    app.flows.navigation.open(messages.OpenRunbookRequested(match.runbook.id, fingerprint))


def _list_runbooks(app: ConsoleApp) -> Iterable[Entry]:
    runbooks = app.session.runbooks.runbooks if app.session else ()
    return (Entry(f"runbook {item.id}", item.title) for item in runbooks)


def _open_alert(app: ConsoleApp, argument: str) -> None:
    tracked = next((item for item in app.context.alerts if item.alert.name.lower() == argument.lower()), None)
    if tracked is None:
        app.show_notice(f"alert: there is no current alert {argument!r}", warning=True)
    else:
        app.flows.navigation.open(messages.OpenAlertRequested(tracked.alert.fingerprint))


def _list_alerts(app: ConsoleApp) -> Iterable[Entry]:
    return (Entry(f"alert {name}", "alert detail") for name in sorted({item.alert.name for item in app.context.alerts}))


def _explore(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenExploreRequested(argument))


def _open_handover(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenHandoverRequested())


# Silences and actions


def _silence(app: ConsoleApp, argument: str) -> None:
    app.flows.silences.open(messages.NewSilenceRequested(argument))


def _action_commands(app: ConsoleApp) -> Iterable[Command]:
    """One command for each action that has no command of its own."""
    names = {item.name for item in COMMANDS}
    actions = app.session.actions if app.session else ()
    for action in actions:
        if action.name not in names:
            yield Command(action.name, action.title, partial(_run_action, action), partial(_list_targets, action))


def _run_action(action: Action, app: ConsoleApp, argument: str) -> None:
    """`rollback cad-ml-api revision=41`."""
    from console.actions.plan import Request  # noqa: PLC0415  # not before the first frame

    try:
        words = shlex.split(argument)
    except ValueError as error:
        app.show_notice(f"{action.name}: {error}", warning=True)
        return
    if not words:
        app.show_notice(f"{action.name}: expected a target and, if needed, parameters as name=value", warning=True)
        return
    parameters = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    kind = {"deployment": "deployment/", "silence": "silence/"}.get(action.target_kind, "")
    target = words[0] if "/" in words[0] or not kind else kind + words[0]
    app.flows.actions.run(Request(action=action.name, target=target, parameters=parameters, cause="asked by name"))


def _list_targets(action: Action, app: ConsoleApp) -> Iterable[Entry]:
    cluster = app.context.snapshot.cluster if app.context.snapshot else None
    if action.target_kind != "deployment" or cluster is None:
        return
    open_ended = any(parameter.required for parameter in action.parameters)
    for workload in cluster.workloads:
        yield Entry(f"{action.name} {workload.name}", f"{action.title} {workload.target}", open_ended)


# The console itself


def _set_slow(app: ConsoleApp, argument: str) -> None:
    if argument in ("on", "off", ""):
        app.set_slow(not app.flow.slow if not argument else argument == "on")
    else:
        app.show_notice(f"slow: {argument!r} is neither on nor off", warning=True)


def _list_slow(app: ConsoleApp) -> Iterable[Entry]:
    yield Entry("slow on", "For a slow link: fewer frames, no blinking cursor, a byte counter")
    yield Entry("slow off", "Every frame at once")


def _set_theme(app: ConsoleApp, argument: str) -> None:
    if argument in THEME_NAMES:
        app.theme = THEME_NAMES[argument]
    else:
        app.show_notice(f"theme: {argument!r} is not one of {', '.join(filter(None, THEME_NAMES))}", warning=True)


def _list_themes(app: ConsoleApp) -> Iterable[Entry]:
    return (Entry(f"theme {name}", f"colours: {name}") for name in THEME_NAMES if name)


def _doctor(app: ConsoleApp, argument: str) -> None:
    app.go("sources")


def _refresh(app: ConsoleApp, argument: str) -> None:
    app.refresh_now()


def _help(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.show_help()


def _quit(app: ConsoleApp, argument: str) -> None:
    app.call_later(app.action_quit)


COMMANDS = (
    *(_screen_command(screen) for screen in SCREENS),
    Command("explore", "Type PromQL and see the result", _explore, open_ended=True),
    Command("silence", 'New silence: silence alertname="X"', _silence, open_ended=True),
    Command("handover", "Shift handover: what the next person has to know; sign it there", _open_handover),
    Command("doctor", "Sources: the state of each source, and what to try", _doctor),
    Command("refresh", "Fetch from every source now", _refresh, key="f5", binding_id="app.refresh"),
    Command(
        "help", "What this screen shows and its keys", _help,
        key="question_mark", key_display="?", binding_id="app.help", pinned=True,
    ),
    Command("slow", "Fewer frames for a slow link", _set_slow, _list_slow),
    Command("quit", "Quit the console", _quit, key="q", binding_id="app.quit"),
    Command("dashboard", "Open a dashboard", _open_dashboard, _list_dashboards),
    Command("theme", "Change the colours", _set_theme, _list_themes),
    Command("panel", "Open a panel", _open_panel, _list_panels),
    Command("runbook", "Open a runbook by name, path, URL or alert", _open_runbook, _list_runbooks),
    Command("alert", "Open an alert by name", _open_alert, _list_alerts),
)  # fmt: skip
