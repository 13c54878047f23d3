"""The one table of commands: what `:` and the palette run and list, and what keys, footer and help show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from textual.binding import Binding

from console.config.sources import COMMANDS as PLACE_COMMANDS
from console.screens import messages
from console.screens.registry import SCREENS, ScreenInfo
from console.screens.render_context import RenderContext
from queries.model.text import visible
from widgets.theme import THEME_NAMES

if TYPE_CHECKING:
    from console.actions.action import Action
    from console.screens.app import ConsoleApp
    from queries.model.workload import Workload


class Entry(NamedTuple):
    """One line of the command list: the text that runs it. An `open_ended` one takes further arguments."""

    text: str
    description: str
    open_ended: bool = False


class Command(NamedTuple):
    """`run` gets the text after the name. `entries` lists the command with its arguments; by default, the name alone.

    `needs_argument`: the name alone runs nothing. `bulky`: one entry for each object of the cluster, so a search without the
    command's name leaves them out. `parameters` lists what may follow an argument that is complete.
    A command with a `key` is also a binding; `label` is its name in the footer, which shows only the `pinned` ones.
    """

    name: str
    description: str
    run: Callable[[ConsoleApp, str], None]
    entries: Callable[[RenderContext], Iterable[Entry]] | None = None
    open_ended: bool = False
    key: str = ""
    key_display: str | None = None
    binding_id: str = ""
    label: str = ""
    pinned: bool = False
    needs_argument: bool = False
    bulky: bool = False
    parameters: Callable[[RenderContext, str], Iterable[Entry]] | None = None

    @property
    def head(self) -> Entry:
        """The entry of the name alone."""
        return Entry(self.name, self.description, self.open_ended or self.entries is not None)

    def list_entries(self, context: RenderContext) -> Iterable[Entry]:
        return (self.head,) if self.entries is None else self.entries(context)

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


def known_commands(context: RenderContext) -> tuple[Command, ...]:
    """Every command, those of the session's actions included."""
    return (*COMMANDS, *_action_commands(context))


def run_command(app: ConsoleApp, text: str) -> bool:
    """Run a typed command, and return whether there is one of that name; a notice says why one cannot be run."""
    name, _, argument = expand_alias(text.strip(), dict(app.settings.aliases)).partition(" ")
    commands = {item.name: item for item in known_commands(app.context)}
    command = commands.get({"q": "quit"}.get(name, name))
    if command is not None:
        command.run(app, argument.strip())
        return True
    from queries.text.suggestions import nearest_names  # noqa: PLC0415  # only for this error

    near = nearest_names(name, (*commands, *dict(app.settings.aliases)), most=1)
    hint = f"did you mean {near[0]}?" if near else ": lists all commands"
    app.show_notice(f"{name}: unknown command; {hint}", warning=True)
    return False


def expand_alias(text: str, aliases: Mapping[str, str]) -> str:
    """`cr 4` with an alias `cr: scale cad-render` is `scale cad-render 4`; an alias of an alias is not expanded."""
    name, space, rest = text.partition(" ")
    return f"{aliases[name]}{space}{rest}" if name in aliases else text


def find_alias_errors(aliases: Mapping[str, str], context: RenderContext) -> tuple[str, ...]:
    """A sentence for each alias that can never run: a command has its name, or its text begins with no command."""
    names = {item.name for item in known_commands(context)}
    taken = [f"aliases.{name}: a command has this name, so the alias is never used" for name in aliases if name in names]
    lost = [
        f"aliases.{name}: there is no command {text.split()[0]!r}"
        for name, text in aliases.items()
        if text.split()[0] not in names
    ]
    return tuple(map(visible, (*taken, *lost)))


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


def _list_screen(screen: ScreenInfo, context: RenderContext) -> Iterable[Entry]:
    yield Entry(screen.name, f"{screen.title}: {screen.description}")
    if screen.name == "incident":
        yield Entry("incident declare", "Declare an incident; starts response timers and records the timeline")


def _open_dashboard(app: ConsoleApp, argument: str) -> None:
    if argument in dict(_dashboards(app.context)):
        app.call_later(_show_dashboard, app, argument)
    else:
        app.show_notice(f"dashboard: there is no dashboard {argument!r}", warning=True)


async def _show_dashboard(app: ConsoleApp, name: str) -> None:
    from console.screens.dashboards import DashboardsScreen  # noqa: PLC0415  # not before the first frame

    app.go("dashboards")
    if isinstance(app.screen, DashboardsScreen):
        app.screen.choose(replace(app.screen.choice, name=name))


def _dashboards(context: RenderContext) -> tuple[tuple[str, str], ...]:
    from queries.model.dashboard import DASHBOARDS  # noqa: PLC0415  # not before the first frame

    return context.session.boards if context.session else DASHBOARDS


def _list_dashboards(context: RenderContext) -> Iterable[Entry]:
    return (Entry(f"dashboard {name}", f"{title}: the dashboard") for name, title in _dashboards(context))


# Details


def _open_panel(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenPanelRequested(argument))


def _list_panels(context: RenderContext) -> Iterable[Entry]:
    if context.session is None:
        return
    for spec in context.session.specs:
        yield Entry(f"panel {spec.id}", f"{spec.title}: series, chart, query")
    titles = dict(context.session.boards)
    for panel_id, (board, title) in context.session.dashboards.panels.items():
        yield Entry(f"panel {panel_id}", f"{title}: a panel of {titles.get(board, board)}")


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


def _list_runbooks(context: RenderContext) -> Iterable[Entry]:
    runbooks = context.session.runbooks.runbooks if context.session else ()
    return (Entry(f"runbook {item.id}", item.title) for item in runbooks)


def _open_workload(app: ConsoleApp, argument: str) -> None:
    """`workload cad-ml-api` or `workload statefulset/redis`; the latter also where its kind is not listed."""
    from queries.model.workload import parse_kind  # noqa: PLC0415  # not before the first frame

    cluster = app.context.snapshot.cluster if app.context.snapshot else None
    listed = cluster.workload(argument) if cluster is not None else None
    kind = parse_kind(argument.partition("/")[0])
    target = listed.target if listed else f"{kind.lower()}/{argument.partition('/')[2]}" if kind and "/" in argument else ""
    if not target:
        app.show_notice(f"workload: there is no workload {argument!r} in this namespace", warning=True)
    else:
        app.flows.navigation.open(messages.OpenWorkloadRequested(target))


def _list_workloads(context: RenderContext) -> Iterable[Entry]:
    cluster = context.snapshot.cluster if context.snapshot else None
    for item in cluster.workloads if cluster else ():
        yield Entry(f"workload {_short_target(item)}", f"{item.kind}: what is wrong, pods, events, revisions")


def _short_target(workload: Workload) -> str:
    """The name alone of a Deployment, as before there were other kinds."""
    return workload.name if workload.kind == "Deployment" else workload.target


def _open_nodes(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenNodesRequested())


def _open_services(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenServicesRequested())


def _open_logs(app: ConsoleApp, argument: str) -> None:
    if argument.startswith(("/", "~", "./", "../")):
        app.flows.navigation.open(messages.OpenLogFileRequested(argument))
    elif argument:
        app.flows.navigation.open(messages.OpenLogsRequested(argument))
    else:
        app.show_notice("logs: expected a workload, pod/NAME, job/NAME, or a file: /PATH", warning=True)


def _list_logs(context: RenderContext) -> Iterable[Entry]:
    cluster = context.snapshot.cluster if context.snapshot else None
    for item in cluster.workloads if cluster else ():
        if item.kind != "CronJob":
            yield Entry(f"logs {item.target}", "the logs of all its pods")


def _open_alert(app: ConsoleApp, argument: str) -> None:
    tracked = next((item for item in app.context.alerts if item.alert.name.lower() == argument.lower()), None)
    if tracked is None:
        app.show_notice(f"alert: there is no current alert {argument!r}", warning=True)
    else:
        app.flows.navigation.open(messages.OpenAlertRequested(tracked.alert.fingerprint))


def _list_alerts(context: RenderContext) -> Iterable[Entry]:
    return (Entry(f"alert {name}", "alert detail") for name in sorted({item.alert.name for item in context.alerts}))


def _explore(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenExploreRequested(argument))


def _open_handover(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenHandoverRequested())


def _open_presence(app: ConsoleApp, argument: str) -> None:
    app.flows.navigation.open(messages.OpenPresenceRequested())


# Silences and actions


def _open_guard(app: ConsoleApp, argument: str) -> None:
    if why := app.flows.actions.open_guard():
        app.show_notice(why, warning=True)


def _open_drills(app: ConsoleApp, argument: str) -> None:
    if why := app.flows.drills.open(argument):
        app.show_notice(why, warning=True)


def _list_drills(context: RenderContext) -> Iterable[Entry]:
    from queries.catalogue.drills import read_drills  # noqa: PLC0415  # not before the first frame

    yield Entry("drill", "Game day: drills, the one that runs, and their reports", open_ended=True)
    for item in read_drills(context.settings.own.drills).drills.values():
        yield Entry(f"drill {item.id}", item.title, open_ended=True)


def _silence(app: ConsoleApp, argument: str) -> None:
    app.flows.silences.open(messages.NewSilenceRequested(argument))


def _action_commands(context: RenderContext) -> Iterable[Command]:
    """One command for each action that has no command of its own."""
    if context.session is None:
        return
    from console.screens import action_targets  # noqa: PLC0415  # not before the first frame

    names = {item.name for item in COMMANDS}
    for action in context.session.actions:
        if action.name not in names:
            yield Command(
                action.name,
                action.title,
                partial(_run_action, action),
                partial(_list_targets, action),
                open_ended=action.target_kind in action_targets.TYPED_TARGETS,
                needs_argument=True,
                bulky=True,
                parameters=partial(_list_parameters, action),
            )


def _run_action(action: Action, app: ConsoleApp, argument: str) -> None:
    """`rollback cad-ml-api revision=41`, or with the values in the order of the parameters: `rollback cad-ml-api 41`."""
    import shlex  # noqa: PLC0415  # not before the first frame

    from console.actions.action import NAMED_TARGETS  # noqa: PLC0415  # as above
    from console.actions.plan import Request  # noqa: PLC0415  # as above
    from console.screens import action_targets  # noqa: PLC0415  # not before the first frame

    try:
        target, *words = shlex.split(argument)
    except ValueError as error:
        why = str(error) if argument else "expected a target, then its parameters as values or as name=value"
        app.show_notice(f"{action.name}: {why}", warning=True)
        return
    known = [name for name, _ in action_targets.describe_parameters(action, target, app.settings)]
    parameters = dict(word.split("=", 1) for word in words if "=" in word)
    missing = [name for name in known if name not in parameters]
    values = [word for word in words if "=" not in word]
    if len(values) > len(missing):
        takes = f"takes {', '.join(known)}" if known else "takes no parameters"
        app.show_notice(visible(f"{action.name}: unexpected {values[len(missing)]!r}; it {takes}"), warning=True)
        return
    parameters |= zip(missing, values, strict=False)
    if "/" not in target and action.target_kind in (*NAMED_TARGETS, "silence", "call"):
        target = f"{action.target_kind}/{target}"
    app.flows.actions.run(Request(action=action.name, target=target, parameters=parameters, cause=f":{action.name}"))


def _list_targets(action: Action, context: RenderContext) -> Iterable[Entry]:
    from console.screens import action_targets  # noqa: PLC0415  # not before the first frame

    for target, description in action_targets.offer_targets(action, context):
        takes_more = bool(action_targets.describe_parameters(action, target, context.settings))
        yield Entry(f"{action.name} {target}", description, takes_more)


def _list_parameters(action: Action, context: RenderContext, target: str) -> Iterable[Entry]:
    from console.screens import action_targets  # noqa: PLC0415  # not before the first frame

    for text, description, open_ended in action_targets.offer_parameters(action, context, target):
        yield Entry(f"{action.name} {target} {text}", description, open_ended)


# Views


def _open_view(app: ConsoleApp, argument: str) -> None:
    app.flows.views.run(argument)


def _list_views(context: RenderContext) -> Iterable[Entry]:
    yield Entry("view save", "Save filter, order and columns of this list by a name", open_ended=True)
    yield Entry("view delete", "Delete a saved view", open_ended=True)
    for name, view in context.views.items:
        words = f", filter: {view.filter}" if view.filter else ""
        yield Entry(f"view {name}", visible(f"{view.screen}{words}"))


# The place


def _switch(kind: str, app: ConsoleApp, argument: str) -> None:
    app.flows.place.switch(kind, argument)


def _list_environments(context: RenderContext) -> Iterable[Entry]:
    return _list_places("environment", context.settings.environments, context.settings.environment)


def _list_contexts(context: RenderContext) -> Iterable[Entry]:
    cluster = context.settings.kubernetes
    return _list_places("context", cluster.contexts if cluster else (), cluster.context if cluster else "")


def _list_namespaces(context: RenderContext) -> Iterable[Entry]:
    return _list_places("namespace", (), "")


def _list_places(kind: str, names: Iterable[str], current: str) -> Iterable[Entry]:
    command = PLACE_COMMANDS[kind]
    yield Entry(command, f"Choose another {kind}; now {current}" if current else f"Choose another {kind}", open_ended=True)
    for name in names:
        if name != current:
            yield Entry(f"{command} {name}", f"Switch to the {kind} {name}")


# The past


def _go_to(app: ConsoleApp, argument: str) -> None:
    app.flows.past.go_to(argument)


def _list_moments(context: RenderContext) -> Iterable[Entry]:
    yield Entry("at", "Show any moment of the past: 03:12, -2h, 2026-11-29 03:12, incident 4", open_ended=True)
    for text in ("-5m", "-1h", "-1d"):
        yield Entry(f"at {text}", f"Show the moment {text[1:]} ago")
    for incident in context.snapshot.ledger.incidents.all[-_INCIDENTS:] if context.snapshot else ():
        yield Entry(f"at incident {incident.number}", visible(f"When it began: {incident.title}"))


def _return_to_now(app: ConsoleApp, argument: str) -> None:
    app.flows.past.leave()


_INCIDENTS = 20
"""Incidents that completion offers, the newest."""


# The console itself


def _set_slow(app: ConsoleApp, argument: str) -> None:
    if argument in ("on", "off", ""):
        app.set_slow(not app.flow.slow if not argument else argument == "on")
    else:
        app.show_notice(f"slow: {argument!r} is neither on nor off", warning=True)


def _list_slow(context: RenderContext) -> Iterable[Entry]:
    yield Entry("slow on", "For a slow link: fewer frames, no blinking cursor, a byte counter")
    yield Entry("slow off", "Every frame at once")


def _set_theme(app: ConsoleApp, argument: str) -> None:
    if argument in THEME_NAMES:
        app.theme = THEME_NAMES[argument]
    else:
        app.show_notice(f"theme: {argument!r} is not one of {', '.join(filter(None, THEME_NAMES))}", warning=True)


def _list_themes(context: RenderContext) -> Iterable[Entry]:
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
    Command(
        "who", "Who is on: other consoles, what they preview, who holds which alert", _open_presence,
        key="f6", binding_id="app.who",
    ),
    Command("doctor", "Sources: the state of each source, and what to try", _doctor),
    Command("refresh", "Fetch from every source now", _refresh, key="f5", binding_id="app.refresh"),
    Command(
        "help", "What this screen shows and its keys", _help,
        key="question_mark", key_display="?", binding_id="app.help", pinned=True,
    ),
    Command("slow", "Fewer frames for a slow link", _set_slow, _list_slow),
    Command("quit", "Quit the console", _quit, key="q", binding_id="app.quit", pinned=True),
    Command("dashboard", "Open a dashboard", _open_dashboard, _list_dashboards, needs_argument=True),
    Command("theme", "Change the colours", _set_theme, _list_themes, needs_argument=True),
    Command("view", "Open a saved view of a list: filter, order, columns", _open_view, _list_views),
    Command("panel", "Open a panel", _open_panel, _list_panels, needs_argument=True),
    Command("runbook", "Open a runbook by name, path, URL or alert", _open_runbook, _list_runbooks),
    Command("alert", "Open an alert by name", _open_alert, _list_alerts, needs_argument=True),
    Command("workload", "Open the page of a workload by name", _open_workload, _list_workloads, needs_argument=True),
    Command("nodes", "Nodes: conditions, requests and pods; pods without a node; volume usage", _open_nodes),
    Command("services", "Services outside the cluster: health, last backup and change", _open_services),
    Command("guard", "The page of the running guard", _open_guard),
    Command("drill", "Game day: drills, the one that runs, and their reports", _open_drills, _list_drills),
    Command("env", "Switch to another environment", partial(_switch, "environment"), _list_environments),
    Command("ctx", "Switch to another context of the kubeconfig", partial(_switch, "context"), _list_contexts),
    Command("ns", "Switch to another namespace", partial(_switch, "namespace"), _list_namespaces),
    Command("at", "Show any moment of the past: at 03:12, at -2h, at incident 4", _go_to, _list_moments, open_ended=True),
    Command(
        "live", "Back to now, exactly where you were", _return_to_now, key="f4", binding_id="past.live", label="live",
        pinned=True,
    ),
    Command("logs", "Logs of a workload's pods: logs deployment/NAME", _open_logs, _list_logs, needs_argument=True, bulky=True),
)  # fmt: skip
