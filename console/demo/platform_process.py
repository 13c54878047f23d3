"""The simulated platform alone as a process, for a compose file that starts the servers."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Sequence

from console.demo.cluster import DemoCluster
from console.demo.embedded_cluster import EmbeddedView
from console.demo.platform_api import PlatformApi
from console.demo.scenarios import SCENARIOS, scenario
from console.demo.simulator import NAMESPACE, Simulator
from console.demo.stack import DEFAULT_SEED


def main(words: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. Exit code 1 where it cannot listen on the address."""
    parser = argparse.ArgumentParser(prog="platform", description=__doc__)
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:8000")
    parser.add_argument("--scenario", choices=[item.name for item in SCENARIOS], default="calm")
    arguments = parser.parse_args(words)
    host, _, port = arguments.listen.rpartition(":")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    cluster = DemoCluster(NAMESPACE)
    cluster.seed()
    cluster.start()
    simulator = Simulator(scenario(arguments.scenario), EmbeddedView(cluster), seed=DEFAULT_SEED, now=time.time())
    api = PlatformApi(simulator, host=host, port=int(port))
    try:
        api.start()
        simulator.begin()
        print(f"the simulated platform listens on {arguments.listen}", flush=True)  # noqa: T201
        ended.wait()
    except OSError as error:
        print(f"{arguments.listen}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        api.stop()
        cluster.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
