"""Token rotation: its value is in no text, file or process list. tests/cluster/test_rotate_token.py has each step fail."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from action_bench import API, Bench, outcome
from token_issuer import NEW, OLD, Issuer

from console.actions.plan import CheckLevel, Outcome, RunStep
from console.config.services import Token

TARGET = "token/render-api"
SECRET = "render-token"
MERGE = "application/merge-patch+json"


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    folder = tmp_path / "issuer"
    folder.mkdir()
    return Issuer(folder)


def rotating(bench: Bench, issuer: Issuer, **changes: Any) -> None:
    """The bench with a Secret, a file and a workload that consume the token."""
    data = {"token": base64.b64encode(f"{OLD}\n".encode()).decode(), "other": "eA=="}
    bench.cluster.apply([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "data": data}])
    consumer = issuer.folder / "consumer"
    token = Token(
        "render-api", tuple(issuer.commands.items()), str(issuer.folder), secrets=(f"{SECRET}/token",), files=(str(consumer),),
        restart=(f"deployment/{API}",),
    )  # fmt: skip
    bench.settings = bench.facts.settings = replace(bench.settings, tokens=(replace(token, **changes),))


def in_secret(bench: Bench) -> str:
    (found,) = [item for item in bench.cluster.objects("secrets") if item["metadata"]["name"] == SECRET]
    assert found["data"]["other"] == "eA=="
    return base64.b64decode(found["data"]["token"]).decode()


def assert_nothing_leaked(bench: Bench, issuer: Issuer, steps: list[RunStep], tmp_path: Path) -> None:
    issuer.assert_nothing_leaked((*steps, *bench.previews), tmp_path / "state")


async def test_the_old_token_is_withdrawn_last(bench: Bench, issuer: Issuer, tmp_path: Path) -> None:
    """Made, written to Secret and file, the consumer restarted, proved, and only then withdrawn; white space stays."""
    rotating(bench, issuer)
    steps = await bench.act("rotate-token", TARGET)
    result, text = outcome(steps)
    assert (result, text.partition("; ")[2]) == (
        Outcome.DONE, "every consumer has the new token, its smoke test passed, and the old one is withdrawn",
    )  # fmt: skip
    assert issuer.calls == ["make", "smoke", "withdraw", "smoke"]
    assert (issuer.valid, in_secret(bench), (issuer.folder / "consumer").read_text()) == ([NEW], f"{NEW}\n", f"{NEW}\n")
    begun = [event.data["step"] for event in bench.journal.events() if event.data.get("state") == "begun"]  # type: ignore[union-attr]
    consumer = f"{issuer.folder}/consumer"
    assert begun == [
        "make", f"write secret/{SECRET}/token", f"write {consumer}", f"restart deployment/{API}", "smoke", "withdraw",
        "smoke after withdrawal",
    ]  # fmt: skip
    assert bench.cluster.deployment(API).revision == 2
    assert "./smoke" in (issuer.folder / "processes").read_text()
    assert_nothing_leaked(bench, issuer, steps, tmp_path)


async def test_what_cannot_be_brought_back_is_said_loudest(bench: Bench, issuer: Issuer, tmp_path: Path) -> None:
    """The smoke test fails with both: nothing is withdrawn, and the outcome says where to look."""
    rotating(bench, issuer, restart=())
    issuer.fail("smoke", once=False)
    steps = await bench.act("rotate-token", TARGET)
    result, text = outcome(steps)
    assert result is Outcome.ROLLBACK_FAILED
    assert "both tokens are valid, none was withdrawn; the smoke test with the old one failed" in text
    assert (set(issuer.valid), in_secret(bench)) == ({OLD, NEW}, f"{OLD}\n")
    assert_nothing_leaked(bench, issuer, steps, tmp_path)


async def test_a_token_from_a_file_or_of_the_console(bench: Bench, issuer: Issuer, tmp_path: Path) -> None:
    """A file's token is used and never withdrawn by the console; one that the console makes is registered first."""
    issuer.program("register", "cat >> valid")
    no_make = tuple((step, command) for step, command in issuer.commands.items() if step not in ("make", "register"))
    (issuer.folder / "valid").write_text(f"{OLD}\n{NEW}\n")
    rotating(bench, issuer, commands=no_make, read=str(issuer.folder / "source"), restart=())
    issuer.fail("smoke")
    steps = await bench.act("rotate-token", TARGET)
    assert outcome(steps)[0] is Outcome.ROLLED_BACK
    assert set(issuer.valid) == {OLD, NEW} and issuer.calls == ["smoke", "smoke"]
    steps = await bench.act("rotate-token", TARGET)
    assert outcome(steps)[0] is Outcome.DONE and issuer.valid == [NEW]
    assert "nothing to do" in outcome(await bench.act("rotate-token", TARGET))[1]
    own = tuple((step, command) for step, command in issuer.commands.items() if step != "make")
    rotating(bench, issuer, commands=own, secrets=(), restart=())
    assert outcome(await bench.act("rotate-token", TARGET))[0] is Outcome.DONE
    (made,) = issuer.valid
    assert made not in (OLD, NEW) and len(bytes.fromhex(made)) == 32 and (issuer.folder / "consumer").read_text() == f"{made}\n"


@pytest.mark.parametrize("program", [
    "cat source; cat consumer >&2",
    "cat source; cat source >&2; exit 4",
    "echo token: $(cat source); cat source >&2",
    "cat source; head -c 20000 /dev/zero | tr '\\0' x; cat source >&2",
])  # fmt: skip
async def test_what_make_prints_of_a_token_is_hidden(program: str, bench: Bench, issuer: Issuer, tmp_path: Path) -> None:
    """The old token of a file, and the new one although `make` fails or prints more than it."""
    rotating(bench, issuer, secrets=(), restart=())
    issuer.program("make", program)
    steps = await bench.act("rotate-token", TARGET)
    assert issuer.calls[0] == "make"
    assert_nothing_leaked(bench, issuer, steps, tmp_path)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("other", "holds another token than"), ("", "has no value for the key token"), ("a\nb", "does not hold one token"),
        ("x" * 8192, "holds another token than"), ("x" * 8193, "does not hold one token"),
    ],
    ids=["other", "empty", "two lines", "8192 characters", "8193 characters"],
)  # fmt: skip
async def test_consumers_that_disagree_are_refused(value: str, why: str, bench: Bench, issuer: Issuer) -> None:
    """Nothing starts, because the token to bring back would not be known."""
    rotating(bench, issuer)
    data = {"token": base64.b64encode(value.encode()).decode()}
    bench.cluster.patch("secrets", SECRET, {"data": data}, content_type=MERGE)
    result, text = outcome(await bench.act("rotate-token", TARGET))
    assert result is Outcome.REFUSED and why in text and issuer.calls == []
    assert OLD not in text


async def test_a_secret_that_somebody_wrote_meanwhile_is_left_alone(bench: Bench, issuer: Issuer) -> None:
    """Between the preview and the first write: the server rejects it, and the old token does not overwrite theirs either."""
    rotating(bench, issuer, restart=())
    theirs = base64.b64encode(b"their-token").decode()

    async def write(report: RunStep) -> None:
        if report.text.startswith("make: done"):
            bench.cluster.patch("secrets", SECRET, {"data": {"token": theirs}}, content_type=MERGE)

    result, text = outcome(await bench.act("rotate-token", TARGET, meanwhile=write))
    assert result is Outcome.FAILED and "no consumer was changed" in text, text
    assert (in_secret(bench), issuer.valid) == ("their-token", [OLD])


async def test_a_program_that_makes_no_new_token_withdraws_nothing(bench: Bench, issuer: Issuer) -> None:
    """It printed the old one, or more than a token: the old one stays valid."""
    rotating(bench, issuer, restart=())
    for printed, why in (
        (OLD, "it is the old token"),
        (f"token: {NEW}", "is not one token on one line"),
        ("", "is not one token"),
    ):
        issuer.program("make", f"echo '{printed}'")
        result, text = outcome(await bench.act("rotate-token", TARGET))
        assert result is Outcome.FAILED and why in text
        assert (issuer.valid, in_secret(bench)) == ([OLD], f"{OLD}\n")


async def test_an_owner_of_the_secret_is_named(bench: Bench, issuer: Issuer) -> None:
    """Something else that writes the Secret may bring the old token back."""
    rotating(bench, issuer, restart=())
    owner = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "render", "uid": "1"}
    bench.cluster.patch(
        "secrets", SECRET, {"metadata": {"ownerReferences": [owner]}}, content_type="application/merge-patch+json"
    )

    async def decline(preview: Any) -> bool:
        return False

    await bench.act("rotate-token", TARGET, confirm=decline)
    (warning,) = [check.text for check in bench.previews[0].checks if check.level is CheckLevel.WARN and check.how == "owner"]
    assert warning.startswith(f"ExternalSecret render also sets secret/{SECRET}/token")
