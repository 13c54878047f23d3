"""A real API server whose admission webhook does not answer: named in the preview, and nothing is changed by the write."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from action_bench import Bench, Facts, outcome, settings_for
from cluster_fixture import Namespace, names, until

from console.actions.plan import Outcome, Preview
from console.journal.sqlite import Journal
from queries.http.endpoint import ClusterEndpoint

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.skipif("control-plane" not in names(), reason="the cluster in the process calls no webhooks"),
    pytest.mark.parametrize("target", ["control-plane"], indirect=True, scope="session"),
]
TARGET, HOOK = "deployment/web", "guard.example.com"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and never answers."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in kept:
        connection.close()


class Webhook:
    """The configuration of a webhook for the Deployments of one namespace."""

    def __init__(self, ns: Namespace, port: int, *, seconds: int) -> None:
        self._ns, self._name = ns, f"{HOOK}-{ns.name}"
        where = {"matchLabels": {"kubernetes.io/metadata.name": ns.name}}
        rule = {
            "apiGroups": ["apps"],
            "apiVersions": ["v1"],
            "operations": ["UPDATE"],
            "resources": ["deployments", "deployments/scale"],
        }
        hook = {
            "name": HOOK, "clientConfig": {"url": f"https://127.0.0.1:{port}/validate"}, "rules": [rule],
            "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": seconds, "namespaceSelector": where,
            "failurePolicy": "Fail",
        }  # fmt: skip
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        self.body = {**kind, "metadata": {"name": self._name}, "webhooks": [hook]}

    def install(self) -> None:
        """Returns once it is in force."""
        answer = self._ns.http.post(CONFIGURATIONS, json=self.body)
        assert answer.status_code == 201, answer.text
        change = {"metadata": {"labels": {"touched": "yes"}}}

        def refuses() -> bool:
            return self._ns.patch(self._ns.deployments("web"), change, dryRun="All").status_code == 500

        until(refuses, "the webhook to be in force", seconds=30.0)

    def remove(self) -> None:
        self._ns.http.delete(f"{CONFIGURATIONS}/{self._name}")


@pytest.fixture
async def bench(ns: Namespace, tmp_path: Path) -> AsyncIterator[Bench]:
    ns.add(replicas=1)
    await asyncio.to_thread(ns.rolled_out)
    await asyncio.to_thread(ns.quiet)
    # Below the 10 s after which the API server gives up a TLS handshake, however long the webhook's own timeout is.
    endpoint = ClusterEndpoint(ns.name, kubeconfig=str(ns.kubeconfig(tmp_path / "kubeconfig")), timeout_seconds=6.0)
    facts = Facts(endpoint)
    settings = settings_for(tmp_path, endpoint, namespace=ns.name, verify_timeout_seconds=60.0)
    with Journal.open(settings.paths.journal_file) as journal:
        yield Bench(None, settings, facts, journal)  # type: ignore[arg-type]  # what counts its writes is not asked here
    await facts.close()


@pytest.mark.parametrize("action", [("scale", {"replicas": "2"}), ("restart", {})], ids=["scale", "restart"])
async def test_a_webhook_that_does_not_answer(
    ns: Namespace, bench: Bench, silent_port: int, action: tuple[str, dict[str, str]]
) -> None:
    """There before the preview it blocks there; installed after the confirmation the write failed, and nothing was changed."""
    name, parameters = action
    hook = Webhook(ns, silent_port, seconds=1)
    before = ns.get(ns.deployments("web"))["spec"]
    try:
        await asyncio.to_thread(hook.install)
        result, text = outcome(await bench.act(name, TARGET, **parameters))
        assert result is Outcome.REFUSED, text
        assert f"the server would reject it: the admission webhook {HOOK} did not answer: " in text
        assert "context deadline exceeded" in text
        hook.remove()
        dry_run = {"metadata": {"labels": {"touched": "yes"}}}
        await asyncio.to_thread(
            until, lambda: ns.patch(ns.deployments("web"), dry_run, dryRun="All").status_code == 200, "the webhook to be gone"
        )

        async def install(_: Preview) -> bool:
            await asyncio.to_thread(hook.install)
            return True

        result, text = outcome(await bench.act(name, TARGET, confirm=install, **parameters))
        assert result is Outcome.FAILED, text
        assert text.startswith(f"failed, nothing was changed: the admission webhook {HOOK} did not answer: ")
        assert ns.get(ns.deployments("web"))["spec"] == before
    finally:
        hook.remove()


async def test_a_webhook_slower_than_the_console_changes_nothing_that_is_called_done(
    ns: Namespace, bench: Bench, silent_port: int
) -> None:
    """The console gives up first: nobody knows what the server would do, and the action is not confirmed."""
    hook = Webhook(ns, silent_port, seconds=30)
    before = ns.get(ns.deployments("web"))["spec"]
    try:
        answer = ns.http.post(CONFIGURATIONS, json=hook.body)
        assert answer.status_code == 201, answer.text
        await asyncio.sleep(3.0)  # in force
        result, text = outcome(await bench.act("restart", TARGET))
        assert result is Outcome.REFUSED, text
        assert "could not check whether the server would accept it: the API server did not answer within 6s" in text
        assert ns.get(ns.deployments("web"))["spec"] == before
    finally:
        hook.remove()
