"""Brings k9s and pint into the user's cache, for the families of `make bench` that run beside them.

Run by `make bench-peers`. Go builds the pinned releases from the module proxy (ten minutes on two cores). What is on PATH is
used before what is in the cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from go_build import Missing, attempt, cache_folder, go, install

HOW = "`make bench-peers` builds it with Go"


@dataclass(frozen=True)
class Peer:
    name: str
    module: str
    version: str
    package: str
    stamp: str
    """The variable that holds the version that the program tells."""


PEERS = (
    Peer("k9s", "github.com/derailed/k9s", "v0.50.18", "github.com/derailed/k9s", "github.com/derailed/k9s/cmd.version"),
    Peer("pint", "github.com/cloudflare/pint", "v0.80.0", "github.com/cloudflare/pint/cmd/pint", "main.version"),
)


def find(name: str) -> str | None:
    """The program on PATH, or the one that was built into the cache."""
    built = folder() / name
    return shutil.which(name) or (str(built) if built.is_file() else None)


def folder() -> Path:
    return cache_folder("bench-peers")


def say(text: str) -> None:
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


def build(target: Path, work: Path, *, peer: Peer) -> None:
    """In a module of its own that requires the peer, as a program of another module would."""
    go("mod", "init", "bench-peers", where=work, seconds=60)
    say(f"fetching {peer.name} {peer.version}")
    go("get", f"{peer.package}@{peer.version}", where=work)
    say(f"building {peer.name} {peer.version} (minutes)")
    flags = f"-s -w -X {peer.stamp}={peer.version}"
    options = ("-p", str(os.cpu_count() or 2), "-trimpath", "-ldflags", flags)
    go("build", *options, "-o", str(work / peer.name), peer.package, where=work)
    if not (work / peer.name).is_file():
        raise Missing(f"Go built no {peer.name}")
    install(work / peer.name, target / peer.name)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the peers of the benchmarks into the cache.")
    parser.add_argument("--into", type=Path, default=folder(), help="folder of the programs (default: %(default)s)")
    target = parser.parse_args(arguments).into.resolve()
    failed = {}
    for peer in PEERS:
        if not (target / peer.name).is_file():
            reason = attempt(partial(build, peer=peer), target, peer.name, say)
            failed.update({peer.name: reason} if reason else {})
    if failed:
        say("; ".join(f"{name} could not be built: {reason}" for name, reason in failed.items()))
        return 1
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
