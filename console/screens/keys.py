"""The keys of the console: each binding has an id, a description and a tooltip; footer and help derive from them."""

from __future__ import annotations

from dataclasses import replace

from textual.binding import Binding

from console.screens.commands import COMMANDS
from widgets.footer import DANGEROUS

_BOUND = {command.name: command.bind() for command in COMMANDS if command.key}
_SCREENS = [binding for binding in _BOUND.values() if (binding.id or "").startswith("screen.")]

GLOBAL = [
    *_SCREENS,
    Binding("colon", "command_line", "command", key_display=":", tooltip="Run anything by name", id="app.command"),
    _BOUND["help"],
    Binding("escape", "back", "back", key_display="esc", tooltip="Back to where you were", id="app.back"),
    _BOUND["who"],
    _BOUND["quit"],
    Binding("ctrl+l,ctrl+r", "repaint", "repaint", show=False, tooltip="Repaint the whole screen", id="app.repaint"),
    Binding("ctrl+z", "suspend_process", "suspend", show=False, tooltip="To the shell; `fg` comes back", id="app.suspend"),
    _BOUND["refresh"],
    _BOUND["live"],
    Binding("left_parenthesis", "past_mark(-1)", "event", key_display="( )", tooltip="To the mark before", id="past.mark_back"),
    Binding("right_parenthesis", "past_mark(1)", "next event", show=False, tooltip="To the next mark", id="past.mark"),
    Binding(
        "left_curly_bracket", "past_step(-60)", "minute", key_display="{ }", tooltip="A minute back", id="past.minute_back"
    ),
    Binding("right_curly_bracket", "past_step(60)", "minute on", show=False, tooltip="A minute on", id="past.minute"),
    Binding("semicolon", "past_step(-1)", "second", key_display="; '", tooltip="A second back", id="past.second_back"),
    Binding("apostrophe", "past_step(1)", "second on", show=False, tooltip="A second on", id="past.second"),
    Binding("f8", "past_play", "play", tooltip="Play, or pause", id="past.play"),
    Binding("f7", "past_speed(-1)", "slower", show=False, tooltip="Play slower: 600×, 60×, 10×, 1×", id="past.slower"),
    Binding("f9", "past_speed(1)", "faster", show=False, tooltip="Play faster: 1×, 10×, 60×, 600×", id="past.faster"),
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
HAND_OVER = Binding("h", "hand_over", "hand over", show=False, tooltip="Hand the alert to someone, or back", id="alert.hand")
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
FILTER_ALERTS = replace(FILTER, tooltip="Filter the alerts: opens their list", id="alerts.filter")
VIEWS = Binding(
    "V", "views", "views", show=False, tooltip="Open a view, or save this one: filter, sort order and columns", id="rows.views"
)
GROUP = Binding("v", "group", "group", tooltip="Change the grouping", id="rows.group")
EDIT = Binding("e", "edit", "edit", tooltip="Edit this silence", id="silence.edit")
LOGS = Binding("l", "logs", "logs", tooltip="The log of a pod, or of all pods of a workload", id="workload.logs")
PREVIOUS_LOG = Binding(
    "p", "previous_log", "previous log", show=False, tooltip="The log before the last restart", id="workload.previous"
)
YAML = Binding("y", "yaml", "YAML", tooltip="The YAML of what is under the cursor, or of the page's object", id="object.yaml")
DESCRIBE = Binding(
    "d", "describe", "describe", tooltip="Describe what is under the cursor, or the page's object", id="object.describe"
)
READ_AGAIN = Binding("u", "read", "read again", show=False, tooltip="Read it again now", id="object.again")
WORKLOAD = Binding("w", "workload", "workload", show=False, tooltip="Open the page of its workload", id="alert.workload")
QUERY = Binding("Q", "explore", "query", tooltip="Open this query in Explore", id="panel.explore")
NEW = Binding("n", "new", "new", tooltip="A new silence", id="silence.new")
EXPIRE = Binding("d", "act('expire')", "expire", group=DANGEROUS, tooltip="End this silence now", id="action.expire")

ROLLBACK = Binding(
    "B", "act('rollback')", "roll back", group=DANGEROUS, tooltip="Roll back to an earlier revision", id="action.rollback"
)
SCALE = Binding("S", "act('scale')", "scale", group=DANGEROUS, tooltip="Change the number of replicas", id="action.scale")
RESTART = Binding("R", "act('restart')", "restart", group=DANGEROUS, tooltip="Recreate the pods", id="action.restart")
IMAGE = Binding("I", "act('image')", "image", show=False, group=DANGEROUS, tooltip="Set an image", id="action.image")
LIMITS = Binding(
    "M", "act('limits')", "limits", show=False, group=DANGEROUS, tooltip="Set CPU and memory limits", id="action.limits"
)
PAUSE = Binding("P", "act('pause')", "pause", group=DANGEROUS, tooltip="Pause the rollout", id="action.pause")
RESUME = Binding("U", "act('resume')", "resume", group=DANGEROUS, tooltip="Resume the rollout", id="action.resume")
ACTIONS = Binding("x", "actions", "actions", tooltip="Choose an action for what is under the cursor", id="item.actions")

INCIDENT = Binding("i", "incident", "incident", show=False, tooltip="Declare an incident from this alert", id="alert.incident")

ALERT_KEYS = [RUNBOOK, ACKNOWLEDGE, HAND_OVER, SILENCE, INCIDENT, WORKLOAD, COPY, ACTIONS]
WORKLOAD_ACTIONS = [ROLLBACK, SCALE, RESTART, PAUSE, RESUME, IMAGE, LIMITS]
"""Capitals: a small letter never changes the cluster."""
ALERT_ACTIONS = [ROLLBACK, replace(SCALE, show=False), replace(RESTART, show=False)]
"""For screens with more than alerts: the menu lists all actions, the footer only the most common one."""
PAGE_ACTIONS = [*ALERT_ACTIONS, replace(PAUSE, show=False), replace(RESUME, show=False), IMAGE, LIMITS]
"""For a workload's page, whose other keys need the room."""
MENU_IDS = frozenset({SILENCE.id, ACKNOWLEDGE.id, HAND_OVER.id, NEW.id, EDIT.id})
"""Listed in the menu of actions besides the dangerous ones."""
CHANGING_IDS = MENU_IDS | {
    INCIDENT.id, "journal.settle", "incident.declare", "incident.note", "incident.tick", "incident.update", "incident.deliver",
    "incident.sent", "incident.role", "incident.severity", "incident.follow_up", "walk.agree", "walk.overrule", "walk.note",
    "handover.sign", "drill.stop",
}  # fmt: skip
"""Bindings that write to the journal or to a server besides the dangerous ones: off while a past moment is shown."""
