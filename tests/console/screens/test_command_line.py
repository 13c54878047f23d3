"""The command line: arguments, fuzzy completion, history, aliases, and a cluster with 10,000 workloads."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from painting import notices_of
from screen_samples import NOW, cluster, snapshot
from textual import events
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input

from console.actions.plan import Outcome, Request, RunStep, Stage
from console.actions.registry import ACTIONS
from console.config.load import load_settings
from console.config.services import Service, Token
from console.screens.action_run import ActionRunScreen
from console.screens.action_run_model import ActionRunModel
from console.screens.command_line import CommandLine
from console.screens.completion import MOST, Completion
from console.screens.filterable_screen import FilterField
from console.screens.messages import OpenExploreRequested
from console.screens.render_context import RenderContext
from console.state.incident import Incident, Incidents, Update
from console.state.journal_state import JournalState
from queries.model.severity import Priority
from widgets.terminal.frame_renderer import strips_of
from widgets.type_ahead import takes_type_ahead

API = cluster().workloads[0]


def requests_of(scene: Any) -> list[Request]:
    """What the actions are asked for; nothing is run."""
    found: list[Request] = []
    scene.app.flows.actions.run = found.append
    return found


async def run(scene: Any, pilot: Pilot[None], text: str, *keys: str) -> str:
    """Open the command line, type this in one piece, and press the keys."""
    await pilot.press("colon")
    scene.app.screen.query_one("#command-input").value = text
    await pilot.pause()
    return await scene.press(pilot, *keys) if keys else scene.text


async def test_arguments_follow_in_order_and_are_completed(stage: Callable[..., Any]) -> None:
    """`:scale cad-ml-api 4` needs no `replicas=`; a part of the name is enough; a space lists what may follow."""
    scene = stage()
    scene.session.actions = ACTIONS
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        asked = requests_of(scene)
        text = await run(scene, pilot, "scale ")
        assert "scale cad-ml-api" in text and "scale ocr-provider-deepseek" in text
        await scene.press(pilot, "escape")
        await run(scene, pilot, "scale cmapi", "tab")
        assert scene.app.screen.query_one("#command-input").value == "scale cad-ml-api "
        assert "now 6; the desired number of pods" in scene.text
        await scene.press(pilot, *"4", "enter")
        await run(scene, pilot, "scale ocrdeep 3", "enter")
        await run(scene, pilot, "roll cad-ml-a", "enter")
        await run(scene, pilot, "rollback cad-ml-api 41", "enter")
        assert [(item.action, item.target, dict(item.parameters)) for item in asked] == [
            ("scale", "deployment/cad-ml-api", {"replicas": "4"}),
            ("scale", "deployment/ocr-provider-deepseek", {"replicas": "3"}),
            ("rollback", "deployment/cad-ml-api", {}),
            ("rollback", "deployment/cad-ml-api", {"revision": "41"}),
        ]
        await run(scene, pilot, "restart cad-ml-api 4", "enter")
        assert "restart: unexpected '4'; it takes no parameters" in notices_of(scene.app)


async def test_the_nodes_of_the_pods_can_be_cordoned(stage: Callable[..., Any]) -> None:
    """`:cordon ` lists the nodes that pods of the namespace run on, and how many; tab and enter ask for that node."""
    scene = stage()
    scene.session.actions = ACTIONS
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        asked = requests_of(scene)
        assert "cordon node-1" in await run(scene, pilot, "cordon ")
        await scene.press(pilot, "escape")
        await run(scene, pilot, "cordon node-1", "enter")
        assert [(item.action, item.target) for item in asked] == [("cordon", "node/node-1")]


def test_every_action_offers_its_targets(stage: Callable[..., Any]) -> None:
    """Whatever an action is for, its name and a space list what the console knows of that kind, and each entry is a target that
    the action takes. Services and ConfigMaps are not watched: their names are typed, and run as they are.
    """
    scene = stage()
    scene.session.actions = ACTIONS
    update = Update("u1", NOW, "ann", "We are investigating.")
    incident = Incident(
        id="i1", number=1, title="slow", severity=Priority.P1, declared_at=NOW, declared_by="ann", updates=(update,)
    )
    workloads = tuple(replace(API, kind=kind, uid=kind) for kind in ("Deployment", "CronJob", "Rollout"))
    shown = snapshot(
        cluster=replace(cluster(), workloads=workloads), ledger=JournalState(incidents=Incidents((incident,), count=1))
    )
    settings = replace(scene.settings, services=(Service("render", ()),), tokens=(Token("fonts", ()),))
    context = RenderContext(settings, NOW, session=scene.session, snapshot=shown)
    completion = Completion(context, (), {})
    listed = {action: completion.complete(f"{action.name} ") for action in ACTIONS if action.target_kind != "matchers"}
    assert len(listed) > 20
    for action, entries in listed.items():
        if action.target_kind in ("service", "configmap"):
            assert entries == () and completion.is_complete(f"{action.name} any-name"), action.name
        else:
            assert entries and all(item.text.startswith(f"{action.name} ") for item in entries), action.name
            assert not completion.is_complete(f"{action.name} nothing-of-this-name"), action.name
    assert [item.text for item in completion.complete("expire ")] == ["expire s-1"]
    assert [item.text for item in completion.complete("notify ")] == ["notify update/i1/u1"]


async def test_what_is_not_complete_is_not_run(stage: Callable[..., Any]) -> None:
    """Enter on a command that needs an argument lists what it may be; an unknown name gets the nearest one."""
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        text = await run(scene, pilot, "theme", "enter")
        assert "theme light" in text and len(scene.app.screen_stack) == 2
        await scene.press(pilot, "escape")
        await run(scene, pilot, "zzqx", "enter")
        assert notices_of(scene.app) == ["zzqx: unknown command; : lists all commands"]
        assert scene.app.history.texts == ()


async def test_commands_outlast_the_console(stage: Callable[..., Any], tmp_path: Path) -> None:
    """The last ones come first in the next start's list; a file that a person broke costs a notice, nothing more."""
    for _ in range(2):
        scene = stage()
        async with scene.app.run_test(size=(80, 24)) as pilot:
            await scene.until(pilot, "HighErrorRate")
            await run(scene, pilot, "journal", "enter")
            await run(scene, pilot, "theme light", "enter", "colon")
            assert scene.text.index("theme light") < scene.text.index("journal ")
    assert json.loads((tmp_path / "commands.json").read_text()) == {"commands": ["theme light", "journal"]}
    (tmp_path / "commands.json").write_text("[")
    scene = stage()
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        assert any("commands.json cannot be read" in each for each in notices_of(scene.app))


async def test_an_alias_runs_its_command(stage: Callable[..., Any]) -> None:
    """With what follows it; one that can never run is named at the start."""
    aliases = (("up", "scale cad-ml-api"), ("quit", "journal"), ("x", "nonsense y"))
    scene = stage(aliases=aliases)
    scene.session.actions = ACTIONS
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        asked = requests_of(scene)
        assert "alias of scale cad-ml-api" in await run(scene, pilot, "up")
        await scene.press(pilot, "space", *"9", "enter")
        assert [(item.target, dict(item.parameters)) for item in asked] == [("deployment/cad-ml-api", {"replicas": "9"})]
        assert "aliases.x: there is no command 'nonsense'" in notices_of(scene.app)
        assert "aliases.quit: a command has this name, so the alias is never used" in notices_of(scene.app)


def test_aliases_come_from_the_config(tmp_path: Path) -> None:
    """A name with a space could never be typed: it is refused with its place."""
    file = tmp_path / "config.yaml"
    file.write_text('aliases: {up: "scale  cad-ml-api"}\n')
    assert load_settings({"config": str(file)}, {"HOME": str(tmp_path)}).aliases == (("up", "scale cad-ml-api"),)
    file.write_text('aliases: {"a b": journal}\n')
    with pytest.raises(Exception, match="an alias is one word"):
        load_settings({"config": str(file)}, {"HOME": str(tmp_path)})


async def test_ten_thousand_workloads_are_completed_beside_the_loop(stage: Callable[..., Any], monkeypatch: Any) -> None:
    """No key computes in the loop's thread; enter waits for the choices of what was typed before it, and loses nothing."""
    many = tuple(replace(API, name=f"team-{at % 97}-api-{at}", uid=str(at)) for at in range(10_000))
    scene = stage(snapshot(cluster=replace(cluster(), workloads=many, pods=(), revisions=())))
    scene.session.actions = ACTIONS
    threads: set[str] = set()
    complete = Completion.complete

    def watched(self: Completion, typed: str) -> Any:
        if typed:
            threads.add(threading.current_thread().name)
        return complete(self, typed)

    monkeypatch.setattr(Completion, "complete", watched)
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        asked = requests_of(scene)
        await pilot.press("colon")
        await pilot.pause()
        await pilot.press(*"restart t42api42", "enter")
        for _ in range(500):
            if asked:
                break
            await pilot.pause(0.01)
        assert [item.target for item in asked] == ["deployment/team-42-api-42"]
        assert threads and threading.main_thread().name not in threads


def test_a_search_narrows_and_is_cut(stage: Callable[..., Any]) -> None:
    """What a longer text finds is what it finds alone; never more entries than a person scrolls through."""
    many = tuple(replace(API, name=f"team-{at % 97}-api-{at}", uid=str(at)) for at in range(3000))
    shown = snapshot(cluster=replace(cluster(), workloads=many))
    context = RenderContext(stage().settings, 0.0, session=stage().session, snapshot=shown)
    narrowed = Completion(context, (), {})
    for typed in ("workload t", "workload te", "workload team-4", "workload team-42", "workload team-42 7"):
        alone = Completion(context, (), {}).complete(typed)
        assert narrowed.complete(typed) == alone and 0 < len(alone) <= MOST


async def test_the_caret_is_seen_without_colour(stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under NO_COLOR a colour alone shows nothing: in every field the caret is reversed, and what is selected is underlined."""
    monkeypatch.setenv("NO_COLOR", "1")
    scene = stage()
    async with scene.app.run_test(size=(100, 30)) as pilot:
        await scene.until(pilot, "HighErrorRate")

        def caret() -> bool:
            field = scene.app.focused
            assert isinstance(field, Input)
            return any(each.style is not None and each.style.reverse for each in strips_of(scene.app.screen)[field.region.y])

        for keys in (("colon",), ("escape", "2", "slash"), ("escape", "6", "slash"), ("escape", "4", "n"), ("tab",)):
            await scene.press(pilot, *keys)
            assert caret(), keys
        scene.app.flows.navigation.open(OpenExploreRequested(""))
        await pilot.pause()
        assert caret()


def deliver(app: Any, typed: str) -> None:
    """Give the application these characters as a terminal does, all in one read; `\r` is enter."""
    for key in typed:
        name = {"\r": "enter", " ": "space", "/": "slash", ":": "colon", "-": "minus"}.get(key, key)
        app.post_message(events.Key(name, None if key == "\r" else key))


async def test_what_is_typed_in_one_go_arrives(stage: Callable[..., Any]) -> None:
    """`:`, a command and enter, faster than the field opens: the command runs, and no letter is taken for a key of the list."""
    scene = stage()
    scene.session.actions = ACTIONS
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        asked = requests_of(scene)
        deliver(scene.app, ":scale cad-ml-api 4\r")
        for _ in range(50):
            await pilot.pause(0.05)
            if asked:
                break
        assert [(item.action, item.target, dict(item.parameters)) for item in asked] == [
            ("scale", API.target, {"replicas": "4"})
        ]
        deliver(scene.app, ":silences\r")
        await scene.until(pilot, "Silences")


async def test_nothing_typed_presses_a_key_of_a_page_without_focus(stage: Callable[..., Any]) -> None:
    """On the page of an action no widget has the focus: its keys `a`, `n`, `u` and `r` in a command are not pressed."""
    scene = stage()
    run = ActionRunModel(Request("rollback", "deployment/cad-ml-api"))
    run.finished, run.confirmed_at = True, NOW
    run.steps.append(RunStep(Stage.OUTCOME, "done", NOW, 1.0, outcome=Outcome.DONE))
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        scene.app.push_screen(ActionRunScreen(run))
        await scene.until(pilot, "Stages")
        scene.app.screen.set_focus(None)
        deliver(scene.app, ":panel burn_6h")
        await scene.until(pilot, "panel burn_6h")
        assert notices_of(scene.app) == []


async def test_a_filter_that_is_typed_in_one_go_presses_no_key_of_the_list(stage: Callable[..., Any]) -> None:
    """`/crash` filters; `c`, `r`, `a`, `s` and `h` are keys of that list."""
    scene = stage()
    scene.session.actions = ACTIONS
    async with scene.app.run_test(size=(80, 24)) as pilot:
        await scene.until(pilot, "HighErrorRate")
        await scene.press(pilot, "4")
        asked = requests_of(scene)
        deliver(scene.app, "/crash")
        for _ in range(50):
            await pilot.pause(0.05)
            if scene.app.screen.query_one(FilterField).value == "crash":
                break
        assert scene.app.screen.query_one(FilterField).value == "crash"
        assert not asked


def test_keys_older_than_a_dialog_never_reach_it() -> None:
    """What confirms a change was pressed after it was shown: of all dialogs only the command line takes older keys."""
    dialogs = [
        found
        for name in ("confirm", "form", "edit_text", "select", "silence", "columns")
        for found in vars(importlib.import_module(f"widgets.dialogs.{name}")).values()
        if isinstance(found, type) and issubclass(found, ModalScreen) and found is not ModalScreen
    ]
    assert len(dialogs) >= 6
    assert not [found for found in dialogs if takes_type_ahead(found)]
    assert takes_type_ahead(CommandLine)
