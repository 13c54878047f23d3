"""A service outside the cluster: a real HTTP process, updated and restored by real programs."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from action_bench import outcome, settings_for
from guard_bench import BRIEF, Signals
from processes import wait_until_dead
from quick_clock import run_quickly

from console.actions.change_steps import StepReport
from console.actions.external import StepRun
from console.actions.plan import CheckLevel, Outcome, Preview, Request, RunStep, Stage
from console.actions.runner import RunContext, run
from console.actions.writers.writer import Writer
from console.config.services import Service
from console.journal.event import Event
from console.journal.payloads import ActionIntent, ActionStep, create_event
from console.journal.sqlite import Journal
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex

TARGET = "external/render"
CANARY = "hunter2-but-longer"


class Outside:
    """A service of small programs in a folder; each writes its name to `calls`, and `is` what the version is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: dict[str, tuple[str, ...]] = {}
        (folder / "version").write_text("1.8.2\n")
        self.program("backup", 'cp version saved; echo "saving"; echo "$PWD/saved"')
        self.program("update", 'echo "$1" > version', "{version}")
        self.program("restart", "cp version running")
        self.program("health", "test -e running")
        self.program("smoke", "! grep -q bad running")
        self.program("restore", 'cp "$1" version', "{backup}")

    def program(self, step: str, text: str, *arguments: str) -> None:
        path = self.folder / step
        path.write_text(f"#!/bin/sh\necho {step} >> calls\n{text}\n")
        path.chmod(0o755)
        self.commands[step] = (f"./{step}", *arguments)

    def service(self, **changes: Any) -> Service:
        limits = (("health", 0.3), ("update", 2.0))
        return replace(Service("render", tuple(self.commands.items()), str(self.folder), limits=limits), **changes)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().split() if path.exists() else []

    @property
    def version(self) -> str:
        return (self.folder / "version").read_text().strip()


class Desk:
    """A session that acts on the service."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.previews: list[Preview] = []

    async def act(self, action: str, *, stop_at: str = "", **parameters: str) -> list[RunStep]:
        async def agree(preview: Preview) -> bool:
            self.previews.append(preview)
            return True

        found = []
        async with aclosing(self.session.run(Request(action, TARGET, parameters), agree)) as steps:  # type: ignore[type-var]
            async for step in steps:
                found.append(step)
                if stop_at and step.text.startswith(stop_at):
                    break
        return found

    def events(self) -> list[Event]:
        assert self.session.journal is not None
        return list(self.session.journal.events())

    def journalled(self) -> list[tuple[str, str]]:
        return [
            (str(event.data.get("step", event.kind)), str(event.data.get("state") or event.data.get("outcome") or ""))
            for event in self.events()
        ]


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    folder = tmp_path / "outside"
    folder.mkdir()
    return Outside(folder)


@pytest.fixture
async def open_desk(tmp_path: Path) -> AsyncIterator[Callable[..., Desk]]:
    opened: list[Session] = []

    def open_one(service: Service, **changes: Any) -> Desk:
        settings = settings_for(tmp_path, None, services=(service,), **changes)
        journal = Journal.open(settings.paths.journal_file)
        session = Session(settings, specs=(), runbooks=RunbookIndex.load(""), journal=journal)
        opened.append(session)
        return Desk(session)

    yield open_one
    for session in opened:
        await session.close()


async def test_a_good_update_is_kept(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Backup, update, restart, health, smoke, in this order; each is journalled before it begins."""
    desk = open_desk(outside.service())
    steps = await desk.act("update-service", to="1.9.0")
    result, text = outcome(steps)
    assert (result, text) == (Outcome.DONE, "done in 0s; update render to 1.9.0: healthy, and its smoke test passed")
    assert outside.calls == ["backup", "update", "restart", "health", "smoke"]
    assert (outside.version, (outside.folder / "running").read_text().strip()) == ("1.9.0", "1.9.0")
    names = [name for name in outside.calls for _ in range(2)]
    states = ["begun", "done"] * 5
    assert desk.journalled() == [("action.intent", ""), *zip(names, states, strict=True), ("action.outcome", "done")]
    stages = {step.text.partition(":")[0]: step.stage for step in steps}
    assert (stages["backup"], stages["smoke"]) == (Stage.EXECUTE, Stage.VERIFY)


async def test_the_preview_has_the_exact_commands(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """What would run, what a failure leads to, the limits, as whom and where; nothing has started by then."""
    desk = open_desk(outside.service())

    async def decline(preview: Preview) -> bool:
        desk.previews.append(preview)
        assert outside.calls == []
        return False

    async with aclosing(desk.session.run(Request("update-service", TARGET, {"to": "1.9.0"}), decline)) as steps:  # type: ignore[type-var]
        async for _ in steps:
            pass
    (preview,) = desk.previews
    assert preview.plan.command == "./backup && ./update 1.9.0 && ./restart && ./health && ./smoke"
    assert "if a later step fails: ./restore '{backup}' && ./restart && ./health && ./smoke" in preview.plan.notes
    assert "update 2s, restart 2m, health 300ms" in preview.plan.notes[-1]
    assert any("they run on this host" in check.text for check in preview.checks)
    assert outside.calls == []


async def test_a_bad_update_is_restored_and_proved(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """The smoke test finds it; the backup is restored, and health and smoke prove that."""
    desk = open_desk(outside.service())
    result, text = outcome(await desk.act("update-service", to="2.0-bad"))
    assert result is Outcome.ROLLED_BACK
    assert text == (
        "rolled back: smoke failed: ./smoke failed with exit code 1; render was restored, is healthy, and its smoke test passed"
    )
    assert outside.calls == [*("backup", "update", "restart", "health", "smoke"), *("restore", "restart", "health", "smoke")]
    assert outside.version == "1.8.2"
    assert desk.journalled()[-1] == ("action.outcome", "rolled back")


@pytest.mark.parametrize("step", ["update", "restart", "health", "smoke"])
async def test_every_step_that_fails_after_the_backup_restores(
    step: str, outside: Outside, open_desk: Callable[..., Desk]
) -> None:
    """It fails the first time only, so what was restored can be proved."""
    again = "cp version running" if step == "restart" else "true"
    outside.program(step, f"grep -q restore calls && {again}", *outside.commands[step][1:])
    result, text = outcome(await open_desk(outside.service()).act("update-service", to="1.9.0"))
    expected = (Outcome.ROLLED_BACK, f"rolled back: {step} failed: ")
    assert (result, text[: len(expected[1])]) == expected
    assert outside.calls.count("restore") == 1 and outside.version == "1.8.2"


@pytest.mark.parametrize(
    ("text", "why"),
    [("exit 3", "./backup failed with exit code 3"), ("true", "it printed nothing"), ("echo -rf", "cannot be an argument")],
)
async def test_a_backup_that_fails_changes_nothing(
    text: str, why: str, outside: Outside, open_desk: Callable[..., Desk]
) -> None:
    """Nor does one that does not say where it is, if the restore needs that."""
    outside.program("backup", text)
    result, said = outcome(await open_desk(outside.service()).act("update-service", to="1.9.0"))
    assert result is Outcome.FAILED and said.startswith("failed, nothing was changed: backup: ") and why in said
    assert (outside.calls, outside.version) == (["backup"], "1.8.2")


@pytest.mark.parametrize("step", ["restore", "smoke"])
async def test_a_restore_that_fails_says_what_is_where(step: str, outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Loudest of all: what failed, what is not proved, where the backup is, and the command to run by hand."""
    outside.program(step, "echo disk full >&2; exit 5", *outside.commands[step][1:])
    steps = await open_desk(outside.service()).act("update-service", to="2.0-bad")
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    state = "it is not restored" if step == "restore" else "it was restored, but smoke failed"
    for part in ("rollback failed: render may be down", f"then {step} failed", state, f"the backup is {outside.folder}/saved",
                 f"restore it by hand now: ./restore {outside.folder}/saved"):  # fmt: skip
        assert part in text
    assert any("disk full" in item.text for item in steps)


async def test_a_program_that_hangs_is_ended_and_restored(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """An update that hangs, with a child: its time limit ends both, and the backup comes back."""
    outside.program("update", "sleep 60 & echo $! > child; wait", "{version}")
    desk = open_desk(outside.service(limits=(("update", 0.2), ("health", 0.3))))
    result, text = outcome(await desk.act("update-service", to="1.9.0"))
    assert result is Outcome.ROLLED_BACK and "was still running after 200ms: it was stopped, with its children" in text
    assert wait_until_dead(int((outside.folder / "child").read_text()))


@pytest.mark.parametrize(
    "program",
    [
        "sleep 60 & echo $! > child; wait",
        "sleep 60 & echo $! > child; exit 1",
        "head -c 100000000 /dev/zero | tr '\\0' x; echo; exit 1",
        f"echo password={CANARY}; echo {CANARY} >&2; exit 1",
    ],
    ids=["hangs", "forks", "floods", "prints a secret"],
)
async def test_a_health_program_that_misbehaves_restores(
    program: str, outside: Outside, open_desk: Callable[..., Desk]
) -> None:
    """It hangs with a child, leaves one, prints 100 MB or a secret: the update is not healthy and its backup comes back; no
    process is left, and neither a step nor the journal has the secret or more than the end of what it printed.
    """
    outside.program("health", f"if test -e recovered; then exit 0; fi; {program}")
    restore = (outside.folder / "restore").read_text()
    (outside.folder / "restore").write_text(f"{restore}touch recovered\n")
    (outside.folder / "env").write_text(f"RENDER_PASSWORD={CANARY}\n")
    (outside.folder / "env").chmod(0o600)
    desk = open_desk(outside.service(env_files=(str(outside.folder / "env"),)))
    steps = await desk.act("update-service", to="1.9.0")
    result, text = outcome(steps)
    assert result is Outcome.ROLLED_BACK and "health failed: not healthy within" in text, text
    assert outside.version == "1.8.2"
    child = outside.folder / "child"
    assert not child.exists() or wait_until_dead(int(child.read_text()))
    written = [repr(step) for step in steps] + [json.dumps(event.data) for event in desk.events()]
    assert not [item for item in written if CANARY in item]
    assert max(map(len, written)) < 20_000


async def test_read_only_starts_nothing(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Neither through the stages nor past them."""
    desk = open_desk(outside.service(), read_only=True)
    for action, parameters in (("update-service", {"to": "2"}), ("restore-service", {"backup": "/x"})):
        result, text = outcome(await desk.act(action, **parameters))
        assert result is Outcome.REFUSED and "read-only: nothing will be sent" in text
    writer = Writer(desk.session.settings)
    with pytest.raises(PermissionError, match="read-only"):
        await writer.run_program(TARGET, "update", {})
    await writer.close()
    assert outside.calls == []


async def test_restore_alone_is_an_action_too(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """By the path that the backup printed, by default the last one of the journal; its own failure is a failure."""
    (outside.folder / "old").write_text("1.7\n")
    desk = open_desk(outside.service())
    result, _ = outcome(await desk.act("restore-service", backup=str(outside.folder / "old")))
    assert (result, outside.version, outside.calls) == (Outcome.DONE, "1.7", ["restore", "restart", "health", "smoke"])
    await desk.act("update-service", to="1.9.0")
    assert outcome(await desk.act("restore-service"))[0] is Outcome.DONE
    assert (outside.version, desk.previews[-1].plan.command.partition(" && ")[0]) == (
        "1.7",
        f"./restore {outside.folder}/saved",
    )
    outside.program("backup", 'echo "$PWD/half"; exit 3')
    assert outcome(await desk.act("update-service", to="2.0.0"))[0] is Outcome.FAILED
    await desk.act("restore-service")
    assert desk.previews[-1].plan.command.startswith(f"./restore {outside.folder}/saved "), "a backup that failed is none"
    result, text = outcome(await desk.act("restore-service", backup="/nowhere"))
    assert result is Outcome.FAILED and text == "failed: restore: ./restore failed with exit code 1"


@pytest.mark.parametrize(
    ("action", "parameters", "why"),
    [
        ("update-service", {}, "needs a version, such as 1.9.0; none was given"),
        ("update-service", {"to": "--force"}, "'--force' is not one"),
        ("update-service", {"to": "1; reboot"}, "is not one"),
        ("restore-service", {}, "needs a backup, and the journal has none"),
        ("restore-service", {"backup": "--all"}, "cannot be an argument"),
    ],
)
async def test_what_is_refused(
    action: str, parameters: dict[str, str], why: str, outside: Outside, open_desk: Callable[..., Desk]
) -> None:
    """A version or a backup that is missing, or could be taken for an option."""
    result, text = outcome(await open_desk(outside.service()).act(action, **parameters))
    assert result is Outcome.REFUSED and why in text
    assert outside.calls == []


async def test_a_missing_program_blocks(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Also one that only a failure would need: it is checked before anything starts."""
    (outside.folder / "restore").unlink()
    desk = open_desk(outside.service())
    steps = await desk.act("update-service", to="1.9.0")
    result, text = outcome(steps)
    assert [step.preview for step in steps if step.text == "not possible at the moment"] == desk.previews
    assert result is Outcome.REFUSED and "restore: there is no program ./restore that you may run" in text
    assert any(check.level is CheckLevel.BLOCK for check in desk.previews[0].checks)
    assert outside.calls == []


async def test_a_folder_or_a_file_of_another_host_blocks(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """A config file that several hosts share: the console starts everywhere and acts where the service is."""
    for changes, why in (
        ({"folder": "/nowhere"}, "no folder /nowhere on this host"),
        ({"env_files": ("/gone",)}, "/gone cannot"),
    ):
        result, text = outcome(await open_desk(outside.service(**changes)).act("update-service", to="1.9.0"))
        assert result is Outcome.REFUSED and why in text
    (outside.folder / "env").write_text(f"GOOD=1\n{CANARY}\n")
    result, text = outcome(await open_desk(outside.service(env_files=(f"{outside.folder}/env",))).act("update-service", to="1"))
    assert result is Outcome.REFUSED and "line 2: expected NAME=value" in text and CANARY not in text
    assert outside.calls == []


async def test_secrets_of_the_environment_reach_no_text(
    outside: Outside, open_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    """A program that prints its environment, whole and encoded, and fails: neither a step nor the journal has the secret."""
    (outside.folder / "env").write_text(f"# of the service\nexport RENDER_PASSWORD='{CANARY}'\nRENDER_HOME=/srv/render\n")
    outside.program(
        "smoke",
        'env; echo "http://x:$RENDER_PASSWORD@h/"; printf %s "$RENDER_PASSWORD" | base64; echo $RENDER_PASSWORD >&2; exit 1',
    )
    desk = open_desk(outside.service(env_files=(str(outside.folder / "env"),)))
    steps = await desk.act("update-service", to="2.0-bad")
    assert outcome(steps)[0] is Outcome.ROLLBACK_FAILED
    smoke = next(
        event.data["output"]
        for event in desk.events()
        if (event.data.get("step"), event.data.get("state")) == ("smoke", "failed")
    )
    assert "RENDER_PASSWORD=(hidden" in smoke and "RENDER_HOME=/srv/render" in smoke
    written = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    for form in (CANARY, base64.b64encode(CANARY.encode()).decode()):
        assert form.encode() not in written and all(form not in step.text for step in steps)


async def test_a_program_gets_no_variable_of_the_console(
    outside: Outside, open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password in the console's own environment does not reach a program of the config file."""
    monkeypatch.setenv("REDIS_URL", f"redis://:{CANARY}@h")
    outside.program("health", "env > seen; test -e running")
    await open_desk(outside.service()).act("update-service", to="1.9.0")
    seen = (outside.folder / "seen").read_text()
    assert "PATH=" in seen and CANARY not in seen


async def test_leaving_ends_the_program_and_names_the_step(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """A caller that goes away in the middle of an update: nothing runs on unwatched, and the journal says how far it got."""
    outside.program("update", "echo $$ > pid; sleep 60", "{version}")
    desk = open_desk(outside.service(limits=()))
    task = asyncio.create_task(desk.act("update-service", to="1.9.0"))
    until = time.monotonic() + 5.0
    while not (outside.folder / "pid").exists() or not (outside.folder / "pid").read_text().strip():
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    pid = int((outside.folder / "pid").read_text())
    assert await asyncio.to_thread(wait_until_dead, pid)
    end = desk.events()[-1].data
    assert (end["outcome"], end["text"]) == (
        "unknown", "unknown: the console exited; the last step that began: update: ./update 1.9.0",
    )  # fmt: skip


async def test_a_guard_restores_what_its_signals_reject(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """An update that proves itself and then spoils a signal: the guard restores the very backup of this update."""
    desk = open_desk(outside.service())
    session, signals, writer = desk.session, Signals(desk.session.journal), Writer(desk.session.settings)
    found = []

    async def agree(preview: Preview) -> bool:
        return True

    request = Request("update-service", TARGET, {"to": "1.9.0"}, guard=BRIEF)
    steps = run(request, RunContext(session.settings, session.reader, writer, session.journal, guard_source=signals), agree)
    async with aclosing(steps):
        async for step in steps:
            found.append(step)
            if step.guard is not None:
                assert outside.version == "1.9.0" or "restore" in outside.calls
                signals.values.update(error_ratio=8.0)
    await writer.close()
    result, text = outcome(found)
    assert result is Outcome.ROLLED_BACK and text.startswith("rolled back: Error ratio 8.00 %"), text
    assert outside.version == "1.8.2" and outside.calls[-4:] == ["restore", "restart", "health", "smoke"]


async def test_a_guarded_restore_that_ran_is_not_called_not_made(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Its last step fails after the backup was restored: the guard's end says failed, because something was changed."""
    (outside.folder / "old").write_text("1.7-bad\n")
    desk = open_desk(outside.service())
    session, writer = desk.session, Writer(desk.session.settings)

    async def agree(preview: Preview) -> bool:
        return True

    request = Request("restore-service", TARGET, {"backup": str(outside.folder / "old")}, guard=BRIEF)
    steps = run(
        request,
        RunContext(session.settings, session.reader, writer, session.journal, guard_source=Signals(session.journal)),
        agree,
    )
    async with aclosing(steps):
        result, text = outcome([step async for step in steps])
    await writer.close()
    assert (result, outside.version) == (Outcome.FAILED, "1.7-bad"), text
    assert [event.data["result"] for event in desk.events() if event.kind == "guard.ended"] == ["failed"]


KILLED = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
import console.actions.runner, console.actions.writers.writer, console.config.schema, console.journal.search, queries.yaml
from console.actions.plan import Request
from console.config.load import load_settings
from console.journal.sqlite import Journal
from console.monitor.session import Session
from console.runbooks.index import RunbookIndex

async def act(folder):
    async def agree(preview):
        return True
    settings = load_settings({"config": f"{folder}/config.json"}, {"HOME": str(folder), "USER": "tester"})
    session = Session(settings, specs=(), runbooks=RunbookIndex.load(""), journal=Journal.open(settings.paths.journal_file))
    async for _ in session.run(Request("update-service", "external/render", {"to": "2.0-bad"}), agree):
        pass

for stage in sys.argv[2:]:
    folder = Path(sys.argv[1]) / stage
    child = os.fork()
    if not child:
        asyncio.run(act(folder))
        os._exit(1)
    while not (folder / "stuck").exists():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with Journal.open(folder / ".local/state/cad-console/journal.sqlite3") as journal:
        (found,) = journal.unfinished()
        print(json.dumps([stage, found.sentence("1s")]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "at the preview"])
async def test_two_updates_never_run_at_once(when: str, outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Another run without an outcome blocks the preview, or one that began after it the first program; settled, it does not."""
    desk = open_desk(outside.service())
    other = ActionIntent(action="update-service", title="Update render", target=TARGET, process="elsewhere 1 1")

    def begin() -> None:
        assert desk.session.journal is not None
        desk.session.journal.append(create_event(other, at=time.time(), subject="r1", author="ann@far", environment="test"))

    async def agree(preview: Preview) -> bool:
        if when == "at the preview":
            begin()
        return True

    if when == "before":
        begin()
    request = Request("update-service", TARGET, {"to": "1.9.0"})
    result, text = outcome([step async for step in desk.session.run(request, agree)])
    assert result is Outcome.REFUSED and outside.calls == []
    assert ("journal settle r1" if when == "before" else "began at the same moment") in text
    (intent,) = (await desk.session.unfinished_actions(TARGET))[0]
    await desk.session.settle_action(intent)
    assert outcome(await desk.act("update-service", to="1.9.0"))[0] is Outcome.DONE


async def test_a_run_between_preview_and_change_is_previewed_again(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """Another console's whole update while a person reads the preview: its steps in the journal make a new preview."""
    desk = open_desk(outside.service())
    previews: list[Preview] = []

    async def agree(preview: Preview) -> bool:
        assert desk.session.journal is not None
        previews.append(preview)
        step = ActionStep("update", "done", "update: done", target=TARGET)
        if len(previews) == 1:
            desk.session.journal.append(create_event(step, at=time.time(), subject="r1", author="ann@far", environment="test"))
        return len(previews) == 1

    result, text = outcome([step async for step in desk.session.run(Request("update-service", TARGET, {"to": "2"}), agree)])
    assert (result, len(previews), outside.calls) == (Outcome.REFUSED, 2, []), text


def test_a_console_killed_in_any_stage_is_named(tmp_path: Path) -> None:
    """SIGKILL while each of the programs runs: the next start names the action, that its console ended, and that step."""
    stages = ("backup", "update", "restart", "health", "smoke", "restore")
    for stage in stages:
        folder = tmp_path / stage
        folder.mkdir()
        outside = Outside(folder)
        outside.program(stage, "touch stuck; exec sleep 2", *outside.commands[stage][1:])
        service = {step: list(command) for step, command in outside.commands.items()}
        environment = {"protected": False, "services": {"render": service}}
        (folder / "config.json").write_text(json.dumps({"environments": {"test": environment}}))
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), *stages], capture_output=True, text=True, check=False)
    told = dict(map(json.loads, done.stdout.splitlines()))
    assert set(told) == set(stages), done.stderr
    for stage, sentence in told.items():
        assert sentence.startswith("Update render to 2.0-bad: started 1s ago by tester")
        assert f"its console ended before the outcome was known; the last step that began: {stage}: ./{stage}" in sentence


class Probed:
    """A writer whose service is healthy from the given probe on; it notes each."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def check_health(self, service: str) -> str:
        self.asked.append(service)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def run_steps(service: Service, writer: Probed, *steps: str) -> tuple[StepRun, list[StepReport]]:
    made = StepRun(service, TARGET, writer, {})  # type: ignore[arg-type]
    return made, [report async for report in made.run_all(steps)]


async def test_a_health_url_is_asked_until_it_answers(outside: Outside) -> None:
    """The URL is shown and asked instead of a program; a service that becomes healthy within the limit has not failed."""
    url = "http://127.0.0.1:9/healthz"
    writer = Probed("503", "503", "")
    made, reports = await run_steps(outside.service(health_url=url, limits=(("health", 60.0),)), writer, "health", "gone")
    assert reports[0].text == f"health: GET {url}" and len(reports) == 2
    assert writer.asked == ["render"] * 3 and not made.failed and reports[1].done
    assert {report.stage for report in reports} == {Stage.VERIFY} and outside.calls == []


async def test_the_first_step_that_fails_is_the_last(outside: Outside) -> None:
    """A service that stays unhealthy fails with its own reason and the limit; no step comes after it."""
    service = outside.service(health_url="http://127.0.0.1:9/", limits=(("health", 0.05),))
    made, reports = await run_steps(service, Probed("503 not yet"), "health", "health")
    assert made.failed and made.end.error == "not healthy within 50ms: 503 not yet"
    assert len(reports) == 2 and not reports[1].done and reports[1].text.startswith("health: failed: not healthy within")


async def test_a_backup_of_another_environment_is_never_restored(outside: Outside, open_desk: Callable[..., Desk]) -> None:
    """One journal has the events of every environment, and a service may have the same name in two: the default is the last
    backup of this one, and without any there is no default.
    """
    staging = open_desk(outside.service(), environment="staging")
    await staging.act("update-service", to="1.9.0")
    production = open_desk(outside.service(), environment="production")
    assert await production.session.action_steps(TARGET) == ()
    result, text = outcome(await production.act("restore-service"))
    assert result is Outcome.REFUSED and "the journal has none" in text
    assert outside.calls.count("restore") == 0
    assert [event.data["step"] for event in await staging.session.action_steps(TARGET)][-1] == "backup"


@pytest.mark.parametrize(("length", "fits"), [(1024, True), (1025, False)])
async def test_a_backup_is_named_in_1024_characters(
    length: int, fits: bool, outside: Outside, open_desk: Callable[..., Desk]
) -> None:
    """One more cannot be the argument of `restore`, so nothing is changed."""
    outside.program("backup", f"head -c {length} /dev/zero | tr '\\0' x; echo")
    result, said = outcome(await open_desk(outside.service()).act("update-service", to="1.9.0"))
    assert result is (Outcome.DONE if fits else Outcome.FAILED), said
    assert ("its last line cannot be an argument of `restore`" in said) is not fits


class Late(Probed):
    """A service that is healthy from a moment of the loop's clock on."""

    def __init__(self, healthy_at: float) -> None:
        super().__init__("503")
        self._healthy_at = healthy_at

    async def check_health(self, service: str) -> str:
        await super().check_health(service)
        return "" if asyncio.get_running_loop().time() >= self._healthy_at else "503"


@pytest.mark.parametrize(("healthy_at", "probes", "healthy"), [(20.0, 21, True), (21.0, 22, True), (21.5, 22, False)])
def test_a_service_has_its_whole_limit_to_become_healthy(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, healthy_at: float, probes: int, healthy: bool
) -> None:
    """Twenty seconds, probed once a second: at the limit it is not given up yet, and the one probe after it decides."""
    monkeypatch.setattr("console.actions.external.time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))
    writer = Late(healthy_at)
    service = outside.service(health_url="http://127.0.0.1:9/", limits=(("health", 20.0),))
    made, _ = run_quickly(run_steps(service, writer, "health"))
    assert (len(writer.asked), made.failed) == (probes, not healthy)
    assert made.end.error == ("" if healthy else "not healthy within 20s: 503")
    assert made.end.seconds == probes - 1.0
