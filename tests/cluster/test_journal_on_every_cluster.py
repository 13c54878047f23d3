"""The shared journal on the cluster in the process and, where there is one, on a real control plane."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from cluster_fixture import Namespace, until
from two_consoles import EACH, examine, settled, two, two_of_one

from console.config.load import load_settings
from console.journal.acknowledgements import Ownership
from console.journal.payloads import ActionIntent, NoteWritten
from console.monitor.session import Session

SEGMENT_BYTES = 8 << 10


def segments(ns: Namespace) -> list[dict[str, str]]:
    """The data of each config map of the journal."""
    found = ns.get(ns.maps(), labelSelector="cad-console/journal=segment")["items"]
    return [dict(item.get("data") or {}) for item in found]


def test_two_hosts_and_one_cluster(ns: Namespace, tmp_path: Path) -> None:
    """Two hosts append a thousand events, one killed meanwhile: the cluster has each once, in segments within limits."""
    with two(tmp_path, ns.journal_store(tmp_path)) as (output, files):
        settled(tmp_path, files)
    examine(tmp_path, output, files)
    found = segments(ns)
    keys = [key for data in found for key in data]
    assert len(keys) == len(set(keys)) == 2 * EACH
    assert all(sum(len(key) + len(text) for key, text in data.items()) <= SEGMENT_BYTES for data in found)


def test_two_on_one_host_and_one_cluster(ns: Namespace, tmp_path: Path) -> None:
    """Two consoles of one host bring the same waiting events to the same cluster: each is there once."""
    with two_of_one(tmp_path, ns.journal_store(tmp_path)) as output:
        until(lambda: sum(map(len, segments(ns))) >= 2 * EACH, "all events in the cluster", seconds=60.0)
    assert sum(map(len, segments(ns))) == 2 * EACH
    examine(tmp_path, output, {"ann": "one", "bob": "one"})


@contextlib.asynccontextmanager
async def console(ns: Namespace, folder: Path, who: str) -> AsyncIterator[Session]:
    """Whoever it is has a host of their own, and the cluster's store."""
    home = folder / who
    home.mkdir(exist_ok=True)
    config = home / "config.yaml"
    config.write_text(f"environments: {{production: {{store: {{kubernetes: {{namespace: {ns.name}}}}}}}}}\n")
    output = {"HOME": str(home), "USER": who, "KUBECONFIG": str(ns.kubeconfig(folder / "kubeconfig"))}
    output |= {"CAD_CONSOLE_CONFIG": str(config), "CAD_CONSOLE_ENVIRONMENT": "production"}
    session = await asyncio.to_thread(Session.open, load_settings({}, output))
    session.start(lambda _: None)
    try:
        await within(lambda: session.sharing and session.sharing.word != "no answer yet")
        yield session
    finally:
        await session.close()


async def within(what: Callable[[], object], *, seconds: float = 15.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "not so in time"
        await asyncio.sleep(0.05)


async def test_an_acknowledgement_is_not_taken_without_a_word(ns: Namespace, tmp_path: Path) -> None:
    """Who comes second is asked, at once and with the first one's name; said so, it is theirs on both consoles; of two at the
    same moment both consoles agree.
    """
    async with console(ns, tmp_path, "ann") as ann, console(ns, tmp_path, "bob") as bob:
        assert (await ann.acknowledge("fp")).ownership is Ownership.OURS
        requested = await bob.acknowledge("fp")
        assert (requested.ownership, requested.written, requested.caveat) == (Ownership.ANOTHER, False, "")
        assert requested.acknowledgement and requested.acknowledgement.author.startswith("ann@")
        assert (await bob.acknowledge("fp", over=requested.acknowledgement)).ownership is Ownership.OURS
        await within(lambda: ann.snapshot().ledger.owners["fp"].author.startswith("bob@"))
        output = await asyncio.gather(ann.acknowledge("both"), bob.acknowledge("both"))
        assert any(item.ownership is Ownership.OURS for item in output)
        await within(lambda: len({each.snapshot().ledger.owners["both"].author for each in (ann, bob)}) == 1)


async def test_one_bad_event_is_named_and_ends_nothing(ns: Namespace, tmp_path: Path) -> None:
    """A stamp of the year 2255 and a time before the calendar are left out, counted, named; sharing goes on; deleted from the
    cluster, all is ok again.
    """
    async with console(ns, tmp_path, "ann") as ann, console(ns, tmp_path, "bob") as bob:
        await ann.record("first", NoteWritten())
        await within(lambda: bob.snapshot().ledger.recent)
        (name,) = [item["metadata"]["name"] for item in ns.get(ns.maps(), labelSelector="cad-console/journal=segment")["items"]]
        now = time.time()
        fine = {
            "stamp": int(now * 1e6),
            "at": now,
            "kind": "note",
            "subject": "bad",
            "author": "eve",
            "environment": "",
            "data": {},
        }
        bad: dict[str, Any] = {
            f"{(1 << 53) - 1:017d}.a": json.dumps({**fine, "id": "a", "stamp": (1 << 53) - 1}),
            f"{int(now * 1e6):017d}.b": json.dumps({**fine, "id": "b", "at": -7e10}),
        }
        ns.patch(ns.maps(name), {"data": bad})
        for each in (ann, bob):
            await within(lambda each=each: each.sharing and len(each.sharing.left_out) == 2)
        await ann.record("second", NoteWritten())
        await within(lambda: len(bob.snapshot().ledger.recent) == 2)
        ns.patch(ns.maps(name), {"data": dict.fromkeys(bad)})
        for each in (ann, bob):
            await within(lambda each=each: each.sharing and each.sharing.word == "ok")


async def test_an_action_of_a_lost_pod_is_named(ns: Namespace, tmp_path: Path) -> None:
    """Its intent is in the cluster, its pod and its file are gone: the next console names it at once, until it is settled."""
    async with console(ns, tmp_path, "cad") as lost:
        await lost.record("run-1", ActionIntent(title="Scale it", process="cad-console-7f9c boot 7 5"))
        await within(lambda: lost.sharing and not lost.sharing.waiting)
    async with console(ns, tmp_path, "ann") as ann:
        await within(lambda: ann.snapshot().unfinished)
        (found,) = ann.snapshot().unfinished
        assert "on cad-console-7f9c; no outcome, it may still be running" in found.sentence("1s")
        await ann.settle_action(found.intent)
        await within(lambda: not ann.snapshot().unfinished)
