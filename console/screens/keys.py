"""The keys of the console: each binding has an id, a description and a tooltip; footer and help derive from them."""

from __future__ import annotations

from textual.binding import Binding

from console.screens.commands import COMMANDS
from widgets.footer import DANGEROUS

_BOUND = {command.name: command.bind() for command in COMMANDS if command.key}
_SCREENS = [binding for binding in _BOUND.values() if (binding.id or "").startswith("screen.")]

GLOBAL = [
    *_SCREENS,
    Binding("colon", "command_line", "command", key_display=":", tooltip="Run anything by name", id="app.command"),
    _BOUND["help"],
    Binding("escape", "back", "back", show=False, tooltip="Back to where you were", id="app.back"),
    _BOUND["quit"],
    Binding("ctrl+r", "repaint", "repaint", show=False, tooltip="Repaint the whole screen", id="app.repaint"),
    Binding("ctrl+z", "suspend_process", "suspend", show=False, tooltip="To the shell; `fg` comes back", id="app.suspend"),
    _BOUND["refresh"],
]
"""Work on every screen."""

NAVIGATION = [
    Binding("tab", "app.cycle(1)", "next screen", show=False, tooltip="Next screen", id="screen.next"),
    Binding("shift+tab", "app.cycle(-1)", "previous screen", show=False, tooltip="Previous screen", id="screen.previous"),
    Binding("right", "app.focus_next", "next list", show=False, tooltip="Next list", id="screen.list_next"),
    Binding("left", "app.focus_previous", "previous list", show=False, tooltip="Previous list", id="screen.list_previous"),
]
"""Bound on each screen, because Textual's own tab would only move the focus."""

RUNBOOK = Binding("b", "runbook", "runbook", tooltip="Open the runbook for this", id="alert.runbook")
ACKNOWLEDGE = Binding("a", "acknowledge", "ack", tooltip="Acknowledge until resolved, or release", id="alert.own")
SILENCE = Binding("z", "silence", "silence", tooltip="Silence the alert for a while", id="alert.silence")
COPY = Binding(
    "y",
    "copy",
    "copy",
    show=False,
    tooltip="Copy what is under the cursor: to tmux's buffer, or to the terminal's clipboard and a file",
    id="item.copy",
)
FILTER = Binding("slash", "filter", "filter", key_display="/", tooltip="Show only what matches", id="rows.filter")
SORT = Binding("o", "sort", "sort", tooltip="Change the sort order", id="rows.sort")
GROUP = Binding("v", "group", "group", tooltip="Change the grouping", id="rows.group")
EDIT = Binding("e", "edit", "edit", tooltip="Edit this silence", id="silence.edit")
LOGS = Binding("l", "logs", "logs", tooltip="The last log lines of a pod", id="workload.logs")
QUERY = Binding("x", "explore", "query", tooltip="Open this query in Explore", id="panel.explore")
NEW = Binding("n", "new", "new", tooltip="A new silence", id="silence.new")
EXPIRE = Binding("d", "act('expire')", "expire", group=DANGEROUS, tooltip="End this silence now", id="action.expire")

ROLLBACK = Binding(
    "ctrl+l", "act('rollback')", "roll back", key_display="^L", group=DANGEROUS, tooltip="Roll back to an earlier revision",
    id="action.rollback",
)  # fmt: skip
SCALE = Binding("s", "act('scale')", "scale", group=DANGEROUS, tooltip="Change the number of replicas", id="action.scale")
RESTART = Binding("r", "act('restart')", "restart", group=DANGEROUS, tooltip="Recreate pods one at a time", id="action.restart")
PAUSE = Binding("p", "act('pause')", "pause", group=DANGEROUS, tooltip="Pause the rollout", id="action.pause")
RESUME = Binding("P", "act('resume')", "resume", group=DANGEROUS, tooltip="Resume the rollout", id="action.resume")

INCIDENT = Binding("i", "incident", "incident", show=False, tooltip="Declare an incident from this alert", id="alert.incident")

ALERT_KEYS = [RUNBOOK, ACKNOWLEDGE, SILENCE, INCIDENT, COPY]
WORKLOAD_ACTIONS = [ROLLBACK, SCALE, RESTART, PAUSE, RESUME]
