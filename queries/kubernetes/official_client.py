"""What `kubernetes`, the official client, does here: reading a pod's service account, whose token is renewed on disk, and
connecting through a proxy.

Importing it takes a third of a second, so every other kubeconfig does without: see `connection.open_plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from queries.errors import NotConfigured
from queries.kubernetes.connection import POOL_SIZE, Connection
from queries.kubernetes.socks import SocksProxy


def open_service_account() -> Connection:
    """The connection of a pod with its own service account. Raises NotConfigured outside of a cluster."""
    from kubernetes.config.incluster_config import load_incluster_config  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

    return _open(lambda configuration: load_incluster_config(client_configuration=configuration))  # type: ignore[no-untyped-call]


def open_kubeconfig(
    cluster: Mapping[str, Any],
    certificates: Mapping[str, str],
    authorization: str,
    *,
    socks: SocksProxy | None,
    basic: Callable[[str, str], str],
) -> Connection:
    """The connection to a cluster of a kubeconfig, with its proxy or the environment's. Raises NotConfigured.

    `socks` is a proxy that the caller dials through; `basic` makes the header of a user and a password.
    """
    from kubernetes.config.kube_config import KubeConfigLoader  # noqa: PLC0415 - costs 0.3 s, in a thread of ours

    def load(configuration: Any) -> None:
        # Without empty fields, and without a proxy that the caller uses: the client's own SOCKS needs another package.
        section = {key: value for key, value in cluster.items() if value and not (socks and key == "proxy-url")}
        loader: Any = KubeConfigLoader(  # type: ignore[no-untyped-call]
            {
                "current-context": "chosen",
                "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
                "clusters": [{"name": "chosen", "cluster": section}],
                "users": [{"name": "chosen", "user": certificates}],
            },
            config_base_path="/",
        )
        loader.load_and_set(configuration)
        # `KubeAccess` decides on renewal, not the loader's own hook.
        configuration.refresh_api_key_hook = None
        if authorization:
            configuration.api_key["BearerToken"] = authorization
        if socks is not None:
            configuration.proxy = None  # one of the environment: the cluster's own overrides it
        elif proxy := section.get("proxy-url"):
            # As in client-go the cluster's own proxy overrides NO_PROXY.
            configuration.no_proxy = None
            name, _, password = urlsplit(proxy).netloc.rpartition("@")[0].partition(":")
            if name:
                configuration.proxy_headers = {"Proxy-Authorization": basic(unquote(name), unquote(password))}

    return _open(load)


def _open(load: Callable[[Any], None]) -> Connection:
    from kubernetes.client.configuration import Configuration  # noqa: PLC0415 - as above
    from kubernetes.client.rest import RESTClientObject  # noqa: PLC0415 - as above
    from kubernetes.config.config_exception import ConfigException  # noqa: PLC0415 - as above

    configuration = Configuration()
    configuration.retries = False
    configuration.keep_alive = True
    configuration.connection_pool_maxsize = POOL_SIZE
    try:
        load(configuration)
    except ConfigException as error:
        what = str(error).splitlines()[0][:300]
        raise NotConfigured(f"the kubeconfig cannot be used: {what}", hint="check it with kubectl config view") from None
    manager = RESTClientObject(configuration).pool_manager

    def authorize() -> str:
        return configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""

    return Connection(str(configuration.host), lambda: manager, authorize)
