"""A token rotation that fails, on every cluster: whichever step it is, a token works at every consumer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cluster_fixture import Namespace
from cluster_hands import TARGET, Hands
from fault_proxy import Answer, Exchange, Fault, FaultProxy, ProxyHouse
from token_issuer import NEW, OLD, Issuer, encode

from console.actions.plan import Outcome, RunStep
from console.config.services import Service, Token

SECRETS = ("render", "viewer")
FAILED = ("make", "register")
"""The steps before any consumer is changed."""
STEPS = (*FAILED, "first secret", "second secret", "file", "restart workload", "restart service", "smoke", "withdraw",
         "smoke after")  # fmt: skip


class Rotation:
    """A token with two Secrets, a file, a workload and a service outside the cluster as its consumers."""

    def __init__(self, ns: Namespace, hands: Hands, issuer: Issuer, proxy: FaultProxy) -> None:
        self.ns, self.hands, self.issuer, self.proxy = ns, hands, issuer, proxy
        self.file = issuer.folder / "consumer"
        for name in SECRETS:
            data = {"token": encode(f"{OLD}\n"), "other": "eA=="}
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
            assert ns.http.post(ns.path("secrets", group="v1"), json=body).status_code == 201
        issuer.program("restart", "cp consumer running")
        issuer.program("health", "test -e running")
        programs = tuple((step, issuer.commands.pop(step)) for step in ("restart", "health"))
        hands.configure(
            services=(Service("viewer", programs, str(issuer.folder)),),
            tokens=(
                Token(
                    "render-api",
                    tuple(issuer.commands.items()),
                    str(issuer.folder),
                    secrets=tuple(f"{name}/token" for name in SECRETS),
                    files=(str(self.file),),
                    restart=(TARGET, "external/viewer"),
                ),
            ),
        )

    def at_consumers(self) -> set[str]:
        """What the consumers hold now, as the server and the file system say."""
        found = {self.file.read_text()}
        for name in SECRETS:
            data = self.ns.get(self.ns.path("secrets", name, group="v1"))["data"]
            assert data["other"] == "eA=="
            found.add(base64.b64decode(data["token"]).decode())
        return found

    async def run(self, failing: str) -> RunStep:
        """Its last step; the named step fails the first time it is tried."""
        match failing:
            case "make" | "register" | "smoke" | "withdraw":
                self.issuer.fail(failing)
            case "smoke after":
                lines = (self.issuer.folder / "smoke").read_text().splitlines()
                lines.insert(2, "grep -qx withdraw calls && exit 9")
                (self.issuer.folder / "smoke").write_text("\n".join(lines))
            case "first secret" | "second secret":
                self._refuse_first(f"/secrets/{SECRETS[failing == 'second secret']}")
            case "restart workload":
                self._refuse_first("/deployments/web")
            case "restart service":
                self.issuer.fail("restart")
        moved = self.issuer.folder / "moved"

        def without_file(step: RunStep) -> None:
            """It is gone while the console wants to replace it."""
            if failing == "file" and step.text == f"write {self.file}":
                self.file.rename(moved)
            elif moved.exists():
                moved.rename(self.file)

        return await self.hands.act("rotate-token", target="token/render-api", meanwhile=without_file)

    def _refuse_first(self, end: str) -> None:
        """The server fails at the first write of this object, and takes every later one."""
        failed: list[str] = []

        async def fail(exchange: Exchange) -> bool:
            failed.append(exchange.target)
            await exchange.send(Answer(500, "Internal Server Error", (("Content-Type", "text/plain"),), b"no\n").raw())
            return True

        def only(exchange: Exchange) -> bool:
            path, _, query = exchange.target.partition("?")
            return exchange.method == "PATCH" and path.endswith(end) and "dryRun" not in query and not failed

        self.proxy.use(Fault("refuse", fail, only=only))


@pytest.fixture
async def rotation(ns: Namespace, tmp_path: Path) -> AsyncIterator[Rotation]:
    ns.add(replicas=1)
    await asyncio.to_thread(ns.rolled_out)
    folder = tmp_path / "issuer"
    folder.mkdir()
    with ProxyHouse() as house:
        proxy = house.proxy(str(ns.http.base_url))
        hands = Hands(ns, tmp_path, server=proxy.url)
        yield Rotation(ns, hands, Issuer(folder, registers=True), proxy)
        await hands.close()


@pytest.mark.parametrize("step", STEPS)
async def test_at_every_failure_a_token_works(step: str, rotation: Rotation, tmp_path: Path) -> None:
    """Until the new one is proved, the old one is valid and back at every consumer; after that the new one is. No value of
    either is in a step, a preview, a file of the console or a process list.
    """
    end, issuer = await rotation.run(step), rotation.issuer
    valid, held = set(issuer.valid), rotation.at_consumers()
    if step in FAILED:
        assert end.outcome is Outcome.FAILED and f"no consumer was changed: {step} failed" in end.text, end.text
        assert (held, valid) == ({f"{OLD}\n"}, {OLD})
    elif step == "withdraw":
        assert end.outcome is Outcome.FAILED and "the old one may still be valid" in end.text, end.text
        assert (held, valid) == ({f"{NEW}\n"}, {OLD, NEW})
    elif step == "smoke after":
        assert end.outcome is Outcome.ROLLBACK_FAILED and "make a new token by hand now" in end.text, end.text
        assert (held, valid) == ({f"{NEW}\n"}, {NEW})
    else:
        assert end.outcome is Outcome.ROLLED_BACK, end.text
        assert (held, valid) == ({f"{OLD}\n"}, {OLD}), end.text
    running = rotation.issuer.folder / "running"
    assert not running.exists() or {running.read_text()} == held, "the service runs with what it holds"
    issuer.assert_nothing_leaked((*rotation.hands.steps, *rotation.hands.previews), tmp_path / "state")


async def test_a_secret_that_cannot_be_written_back_is_said_loudest(rotation: Rotation) -> None:
    """The smoke test fails, and then the server takes no write of the Secret: both tokens stay valid, and the outcome names the
    consumer that may have the new one.
    """
    rotation.issuer.fail("smoke")

    async def fail(exchange: Exchange) -> bool:
        await exchange.send(Answer(500, "Internal Server Error", (("Content-Type", "text/plain"),), b"no\n").raw())
        return True

    def only(exchange: Exchange) -> bool:
        writes = exchange.method == "PATCH" and exchange.target.partition("?")[0].endswith("/secrets/viewer")
        return writes and "smoke" in rotation.issuer.calls

    rotation.proxy.use(Fault("refuse", fail, only=only))
    end = await rotation.run("")
    assert end.outcome is Outcome.ROLLBACK_FAILED, end.text
    assert "both tokens are valid, none was withdrawn; secret/viewer/token may still have the new one" in end.text
    assert set(rotation.issuer.valid) == {OLD, NEW}
