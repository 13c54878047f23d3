"""What a second at a refresh of one second costs as pods, alerts and providers grow that are not on the screen."""

from __future__ import annotations

from figure import Figure
from stage import Cluster, Stage, Timed
from work import share

_SECONDS = 8.0


def measure(stage: Stage) -> list[Figure]:
    small = _cost(stage, pods=10, alerts=10, providers=10)
    pods = _cost(stage, pods=10_000, alerts=10, providers=10)
    alerts = _cost(stage, pods=10, alerts=5_000, providers=10)
    providers = _cost(stage, pods=10, alerts=10, providers=1_000)
    note = f"{small * 1000:.1f} ms a second with ten of each"
    return [
        Figure("cost with 10,000 pods ÷ with 10", pods / small, "×", 1.5, note),
        Figure("cost with 5,000 alerts ÷ with 10", alerts / small, "×", 1.3, f"{alerts * 1000:.1f} ms a second"),
        Figure("cost with 1,000 providers ÷ with 10", providers / small, "×", 1.5, f"{providers * 1000:.1f} ms a second"),
    ]


def _cost(stage: Stage, *, pods: int, alerts: int, providers: int) -> float:
    """Seconds of CPU a second, values unchanged, after everything has arrived."""
    crowd = Cluster(stage.place("crowd") / "kubeconfig", pods=pods)
    try:
        with (
            stage.platform(providers=providers, alerts=alerts) as sources,
            stage.console(sources.environ(KUBECONFIG=str(crowd.kubeconfig))) as terminal,
        ):
            _settle(terminal)
            return share(terminal, _SECONDS)
    finally:
        crowd.close()


def _settle(terminal: Timed) -> None:
    terminal.read(9.0)
    terminal.draw()
    if "prom ok" not in terminal.text or "kubernetes ok" not in terminal.text:
        raise AssertionError(f"not what was expected on the screen:\n{terminal.text}")
