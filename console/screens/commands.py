"""What the command line and the palette can run, by name."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from console.actions.plan import Request
from console.screens import messages
from console.screens.keys import SCREENS
from queries.model.dashboard import DASHBOARDS
from widgets.theme import THEME_NAMES

if TYPE_CHECKING:
    from console.screens.app import ConsoleApp


@dataclass(frozen=True, slots=True)
class ScreenCommand:
    """One thing to run: what is typed and what it does. `open_ended` ones take more words."""

    words: str
    meaning: str
    open_ended: bool = False


def commands(app: ConsoleApp) -> tuple[ScreenCommand, ...]:
    """Everything that can be run now: screens, panels, runbooks, actions on every workload, themes."""
    found = [ScreenCommand(name, f"{title}: {shows}") for name, title, shows in SCREENS]
    found += [
        ScreenCommand("explore", "type PromQL and see the result", open_ended=True),
        ScreenCommand("silence", 'a new silence: silence alertname="X"', open_ended=True),
        ScreenCommand("handover", "Shift handover: what the next person has to know; sign it there"),
        ScreenCommand("incident declare", "begin an incident: its clocks run, its timeline writes itself"),
        ScreenCommand("doctor", "Sources: what answers, what does not, and what to try"),
        ScreenCommand("refresh", "ask every source now"),
        ScreenCommand("help", "what the screen shows and its keys"),
        ScreenCommand("slow on", "for a slow line: fewer frames, nothing that blinks, a byte counter"),
        ScreenCommand("slow off", "every frame at once"),
        ScreenCommand("quit", "leave the console"),
    ]
    boards = app.session.boards if app.session else DASHBOARDS
    found += [ScreenCommand(f"dashboard {name}", f"{title}: the dashboard") for name, title in boards]
    found += [ScreenCommand(f"theme {name}", f"colours: {name}") for name in THEME_NAMES if name]
    session, snapshot = app.session, app.view.snapshot
    if session is not None:
        found += [ScreenCommand(f"panel {spec.id}", f"{spec.title}: series, chart, query") for spec in session.specs]
        found += [ScreenCommand(f"runbook {item.id}", item.title) for item in session.runbooks.runbooks]
        workloads = snapshot.cluster.workloads if snapshot and snapshot.cluster else ()
        for action in session.actions:
            if action.targets == "deployment":
                for workload in workloads:
                    more = any(parameter.required for parameter in action.parameters)
                    found.append(
                        ScreenCommand(f"{action.name} {workload.name}", f"{action.title} {workload.target}", open_ended=more)
                    )
    names = {item.alert.name for item in snapshot.alerts} if snapshot else set()
    found += [ScreenCommand(f"alert {name}", "alert detail") for name in sorted(names)]
    return tuple(found)


def fitting(found: tuple[ScreenCommand, ...], typed: str) -> tuple[ScreenCommand, ...]:
    """The commands that begin with what was typed, then those that hold all of its words."""
    wanted = typed.strip().lower()
    if not wanted:
        return found
    first = [item for item in found if item.words.lower().startswith(wanted)]
    parts = wanted.split()
    others = [
        item for item in found if item not in first and all(part in f"{item.words} {item.meaning}".lower() for part in parts)
    ]
    return (*first, *others)


def perform(app: ConsoleApp, typed: str) -> None:
    """Run what was typed; what cannot be understood is said."""
    verb, _, rest = typed.strip().partition(" ")
    rest = rest.strip()
    if any(name == verb for name, _, _ in SCREENS):
        app.errands.incidents.run("declare", "") if (verb, rest) == ("incident", "declare") else app.go(verb)
        return
    match verb:
        case "quit" | "q":
            app.call_later(app.action_quit)
        case "help":
            app.action_help()
        case "refresh":
            app.action_refresh_now()
        case "doctor":
            app.go("sources")
        case "theme" if rest in THEME_NAMES:
            app.theme = THEME_NAMES[rest]
        case "slow" if rest in ("on", "off", ""):
            app.set_slow(not app.flow.slow if not rest else rest == "on")
        case "dashboard" if rest in dict(app.session.boards if app.session else DASHBOARDS):
            app.call_later(_open_dashboard, app, rest)
        case "panel" | "runbook" | "explore" | "handover":
            _open(app, verb, rest)
        case "silence":
            app.errands.silence(messages.SilenceRequested(matchers=rest))
        case "alert":
            _open_alert(app, rest)
        case _:
            _act(app, verb, rest)


async def _open_dashboard(app: ConsoleApp, name: str) -> None:
    from console.screens.dashboards import DashboardsScreen  # noqa: PLC0415  # imported when the first key wants it

    app.go("dashboards")
    if isinstance(app.screen, DashboardsScreen):
        app.screen.choose(replace(app.screen.choice, name=name))


def _open(app: ConsoleApp, what: str, words: str) -> None:
    if what != "runbook":
        app.errands.open(what, words)
        return
    if app.session is None or not words:
        app.go("runbooks")
        return
    found = app.session.find_runbook(words)
    if found.runbook is None:
        app.errands.say(found.error, trouble=True)
        return
    tracked = next((item for item in app.view.alerts if item.alert.name == found.alert), None)
    app.errands.open("runbook", found.runbook.id, about=tracked.alert.fingerprint if tracked else "")


def _open_alert(app: ConsoleApp, name: str) -> None:
    tracked = next((item for item in app.view.alerts if item.alert.name.lower() == name.lower()), None)
    if tracked is None:
        app.errands.say(f"no alert {name!r} is known now", trouble=True)
    else:
        app.errands.open("alert", tracked.alert.fingerprint)


def _act(app: ConsoleApp, verb: str, rest: str) -> None:
    """`rollback cad-ml-api revision=41`."""
    session = app.session
    action = next((item for item in session.actions if item.name == verb), None) if session else None
    if action is None or not rest:
        app.errands.say(f"{verb}: no such command; : lists them", trouble=True)
        return
    try:
        words = shlex.split(rest)
    except ValueError as error:
        app.errands.say(f"{verb}: {error}", trouble=True)
        return
    parameters = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    kind = {"deployment": "deployment/", "silence": "silence/"}.get(action.targets, "")
    target = words[0] if "/" in words[0] or not kind else kind + words[0]
    app.errands.run_action(Request(action=verb, target=target, parameters=parameters, cause="asked by name"))
