"""What a failed write means, by its status alone, and what a program that makes a token may print."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from action_bench import settings_for

from console.actions.program import ANSWER_BYTES
from console.actions.writers.writer import Writer
from console.config.services import Token
from queries.errors import NotConfigured
from queries.model.fault import Fault, FaultKind, describe_rejection, is_rejected, was_never_sent
from queries.text.secrets import SecretText

MOST = 8192
"""Characters of a token."""


@pytest.mark.parametrize("kind", [FaultKind.REJECTED, FaultKind.MALFORMED, FaultKind.TIMED_OUT, FaultKind.UNREACHABLE])
@pytest.mark.parametrize(
    ("status", "certain"),
    [(None, False), (399, False), (400, True), (404, True), (408, None), (409, True), (429, True), (499, True),
     (500, False), (503, False)],
)  # fmt: skip
def test_a_write_was_rejected_if_the_server_said_so(status: int | None, certain: bool | None, kind: FaultKind) -> None:
    """400 to 499 but 408, and a refusal that the client knows for one; a timeout of the server is none."""
    fault = Fault(kind, "what", status=status)
    refused = kind is FaultKind.REJECTED and status is not None and certain is not None
    assert is_rejected(fault) is (bool(certain) or refused)
    assert was_never_sent(fault) is (kind is FaultKind.UNREACHABLE and status is None)
    assert was_never_sent(Fault(FaultKind.NOT_CONFIGURED, "x", status=status))


def test_a_conflict_is_named_as_one() -> None:
    """With the server's own words; every other refusal has its status."""
    assert describe_rejection(Fault(FaultKind.REJECTED, "newer", status=409)) == (
        "conflict: modified since the preview (409); review again (newer)"
    )
    assert describe_rejection(Fault(FaultKind.REJECTED, "bad", status=422)) == "bad (422)"


Made = Callable[..., Writer]


@pytest.fixture
async def open_writer(tmp_path: Path) -> AsyncIterator[Made]:
    opened: list[Writer] = []

    def make(read_only: bool = False, **programs: str) -> Writer:
        commands = []
        for step, text in programs.items():
            path = tmp_path / step
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
            commands.append((step, (f"./{step}",)))
        token = Token("api", tuple(commands), str(tmp_path))
        opened.append(Writer(settings_for(tmp_path, None, tokens=(token,), read_only=read_only)))
        return opened[-1]

    yield make
    for writer in opened:
        await writer.close()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("echo tok", "tok"), ("printf tok", "tok"), ("echo; echo tok; echo", "tok"),
        (f"head -c {MOST} /dev/zero | tr '\\0' x", "x" * MOST), (f"head -c {MOST + 1} /dev/zero | tr '\\0' x", None),
        ("echo two words", None), ("echo one; echo two", None), ("true", None), ("printf 'a\\tb'", None),
        ("echo tok; exit 3", None),
    ],
)  # fmt: skip
async def test_a_made_token_is_one_word_of_at_most_8192_characters(open_writer: Made, text: str, made: str | None) -> None:
    """Anything else is an error, and no part of it in any text."""
    end = await open_writer(make=text).run_program("token/api", "make", {}, secret=True)
    assert (end.secret.reveal() if end.secret else None, bool(end.error)) == (made, made is None)
    assert (end.output, end.answer) == ("", "")


async def test_what_may_be_a_token_is_hidden_from_then_on(open_writer: Made) -> None:
    """Whole lines and words of four characters, from a program that failed too; three are no token."""
    writer = open_writer(make="echo 'token: abcd abc'; exit 1", smoke="echo abcd abc token; echo 'token: abcd abc' >&2; cat")
    assert (await writer.run_program("token/api", "make", {}, secret=True)).error.endswith("failed with exit code 1")
    end = await writer.run_program("token/api", "smoke", {}, token=SecretText("given-one"))
    assert end.output == "(hidden) abc (hidden)\n(hidden)\n(hidden)"
    assert end.answer == "(hidden)"


@pytest.mark.parametrize("extra", [0, 1])
async def test_a_secret_that_is_cut_in_two_is_hidden_too(open_writer: Made, extra: int) -> None:
    """Where more was printed than is kept, the first characters may be the end of a secret; else nothing is left out."""
    tail = ANSWER_BYTES + extra
    text = f"printf 'AAAAAAAAAA'; head -c {tail - 10} /dev/zero | tr '\\0' '\\n'"
    end = await open_writer(smoke=text).run_program("token/api", "smoke", {}, token=SecretText("zAAAAAAAAAA"))
    assert end.output == ("AAAAAAAAAA" if not extra else "")


async def test_only_the_last_lines_are_shown(open_writer: Made) -> None:
    """Twenty of them, of both streams together, and the answer is the last one of standard output."""
    text = "for n in $(seq 1 15); do echo o$n; done; for n in $(seq 1 7); do echo e$n >&2; done"
    end = await open_writer(smoke=text).run_program("token/api", "smoke", {})
    lines = [*(f"o{number}" for number in range(1, 16)), *(f"e{number}" for number in range(1, 8))]
    assert (end.output.splitlines(), end.answer) == (lines[-20:], "o15")


async def test_a_step_without_a_program_is_named(open_writer: Made) -> None:
    writer = open_writer(smoke="true")
    for target, step in (("token/api", "withdraw"), ("token/other", "smoke")):
        with pytest.raises(NotConfigured, match=f"{target} has no program for {step}"):
            await writer.run_program(target, step, {})
    with pytest.raises(NotConfigured, match="no health URL"):
        await writer.check_health("render")


@pytest.mark.parametrize("mode", [0o600, 0o644])
async def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(open_writer: Made, tmp_path: Path, mode: int) -> None:
    """A link stays a link; nothing else is left in the folder."""
    (tmp_path / "held").mkdir()
    real, link = tmp_path / "held" / "token", tmp_path / "link"
    real.write_text("old\n")
    real.chmod(mode)
    link.symlink_to(real)
    inode = real.stat().st_ino
    await open_writer().write_token_file(str(link), SecretText("new-token\n"))
    assert link.is_symlink() and real.read_text() == "new-token\n" and real.stat().st_mode & 0o777 == mode
    assert real.stat().st_ino != inode and [item.name for item in real.parent.iterdir()] == ["token"]
    missing: Any = tmp_path / "nowhere"
    with pytest.raises(OSError, match="No such file"):
        await open_writer().write_token_file(str(missing), SecretText("x"))
