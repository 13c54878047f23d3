"""Every key of the console, once: id, key, description and tooltip; footer, help and palette derive from it."""

from __future__ import annotations

from textual.binding import Binding

from widgets.footer import DANGEROUS

SCREENS = (
    ("overview", "Overview", "what is wrong, since when, what changed"),
    ("alerts", "Alerts", "every alert, filtered and sorted"),
    ("workloads", "Workloads", "deployments, their pods and revisions"),
    ("silences", "Silences", "who silenced what, until when"),
    ("runbooks", "Runbooks", "what to do, by name"),
    ("journal", "Journal", "what was done, and how it ended"),
    ("sources", "Sources", "what answers, what does not, and what to try"),
    ("checklist", "Checklists", "what is due, the walk through it, and past walks"),
    ("incident", "Incidents", "what is being worked on, its clocks and its timeline"),
    ("dashboards", "Dashboards", "the five key dashboards, by provider and window"),
    ("platform", "Platform", "what the platform says of itself: ready, services, breakers, models"),
)
"""The screens that a key opens: name, title and what they show."""
_KEYS = {"checklist": "8", "incident": "9", "dashboards": "0", "platform": "f2"}
"""Whose key is not the digit of their place in the list."""


def screen_keys() -> list[Binding]:
    first = SCREENS[0][2]
    keys = [Binding("1", "go('overview')", "screens", key_display="0-9", tooltip=first, id="screen.overview")]
    for at, (name, title, shows) in enumerate(SCREENS[1:], start=2):
        keys.append(Binding(_KEYS.get(name, str(at)), f"go('{name}')", title, show=False, tooltip=shows, id=f"screen.{name}"))
    return keys


GLOBAL = [
    *screen_keys(),
    Binding("colon", "command_line", "command", key_display=":", tooltip="Run anything by name", id="app.command"),
    Binding("question_mark", "help", "help", key_display="?", tooltip="What this screen shows and its keys", id="app.help"),
    Binding("escape", "back", "back", show=False, tooltip="Back to where you were", id="app.back"),
    Binding("q", "quit", "quit", show=False, tooltip="Leave the console", id="app.quit"),
    Binding("ctrl+r", "repaint", "repaint", show=False, tooltip="Draw the whole screen again", id="app.repaint"),
    Binding("ctrl+z", "suspend_process", "suspend", show=False, tooltip="To the shell; `fg` comes back", id="app.suspend"),
    Binding("f5", "refresh_now", "refresh", show=False, tooltip="Ask every source now", id="app.refresh"),
]

BETWEEN = [
    Binding("tab", "app.cycle(1)", "next screen", show=False, tooltip="The next screen", id="screen.next"),
    Binding("shift+tab", "app.cycle(-1)", "previous screen", show=False, tooltip="The previous screen", id="screen.previous"),
    Binding("right", "app.focus_next", "next list", show=False, tooltip="To the next list", id="screen.list_next"),
    Binding("left", "app.focus_previous", "previous list", show=False, tooltip="To the list before", id="screen.list_previous"),
]
"""Of every screen: Textual's own tab would only move the focus."""

RUNBOOK = Binding("b", "runbook", "runbook", tooltip="The runbook that belongs to this", id="alert.runbook")
OWN = Binding("a", "own", "ack", tooltip="Mark the alert as yours; the mark ends when it resolves", id="alert.own")
SILENCE = Binding("z", "silence", "silence", tooltip="Silence the alert for a while", id="alert.silence")
COPY = Binding(
    "y",
    "copy",
    "copy",
    show=False,
    tooltip="Copy what the cursor is on: into tmux's buffer, else to the terminal's clipboard and a file",
    id="item.copy",
)
FILTER = Binding("slash", "filter", "filter", key_display="/", tooltip="Show only what matches", id="rows.filter")
SORT = Binding("o", "sort", "sort", tooltip="Another order", id="rows.sort")
GROUP = Binding("v", "group", "group", tooltip="Group by another label", id="rows.group")
EDIT = Binding("e", "edit", "edit", tooltip="Change this silence", id="silence.edit")
LOGS = Binding("l", "logs", "logs", tooltip="The last log lines of a pod", id="workload.logs")
QUERY = Binding("x", "explore", "query", tooltip="Explore the query behind this", id="panel.explore")
NEW = Binding("n", "new", "new", tooltip="A new silence", id="silence.new")
EXPIRE = Binding("d", "act('expire')", "expire", group=DANGEROUS, tooltip="End this silence now", id="action.expire")

ROLLBACK = Binding(
    "ctrl+l", "act('rollback')", "roll back", key_display="^L", group=DANGEROUS, tooltip="Back to an earlier revision",
    id="action.rollback",
)  # fmt: skip
SCALE = Binding("s", "act('scale')", "scale", group=DANGEROUS, tooltip="Another number of replicas", id="action.scale")
RESTART = Binding("r", "act('restart')", "restart", group=DANGEROUS, tooltip="New pods, one after another", id="action.restart")
PAUSE = Binding("p", "act('pause')", "pause", group=DANGEROUS, tooltip="Pause the rollout", id="action.pause")
RESUME = Binding("P", "act('resume')", "resume", group=DANGEROUS, tooltip="Resume the rollout", id="action.resume")

INCIDENT = Binding("i", "incident", "incident", show=False, tooltip="Declare an incident from this alert", id="alert.incident")

ALERT_KEYS = [RUNBOOK, OWN, SILENCE, INCIDENT, COPY]
WORKLOAD_ACTIONS = [ROLLBACK, SCALE, RESTART, PAUSE, RESUME]
