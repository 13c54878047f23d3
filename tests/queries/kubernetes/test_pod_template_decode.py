"""Pod templates as the API server sends them."""

from __future__ import annotations

from queries.kubernetes.pod_template_decode import decode_containers


def test_environment_is_shown_by_name_and_references_by_what_they_are() -> None:
    """Literals as they are, references as `<kind name/key>`: the value behind a reference was never read."""
    template = {
        "spec": {
            "initContainers": [{"name": "init", "image": "i:1"}],
            "containers": [
                {
                    "name": "main",
                    "image": "m:1",
                    "envFrom": [{"prefix": "A_", "secretRef": {"name": "all"}}, {"configMapRef": {"name": "map"}}],
                    "env": [
                        {"name": "PLAIN", "value": "1"},
                        {"name": "EMPTY"},
                        {"name": "S", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
                        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "k"}}},
                        {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                        {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                        {"name": "N", "valueFrom": {"somethingNew": {}}},
                    ],
                }
            ],
        }
    }
    main, init = decode_containers(template)
    assert (main.name, init.name) == ("main", "init")
    assert main.env == (
        ("A_*", "<secret all>"),
        ("*", "<configmap map>"),
        ("PLAIN", "1"),
        ("EMPTY", ""),
        ("S", "<secret db/password>"),
        ("C", "<configmap cfg/k>"),
        ("F", "<field status.podIP>"),
        ("R", "<resource limits.cpu>"),
        ("N", "<unknown source>"),
    )
