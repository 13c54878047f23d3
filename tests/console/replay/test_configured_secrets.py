"""What is taken out of a bundle: the secrets of the configuration, and nothing that a replay needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from console.config.load import load_settings
from console.config.settings import Settings
from console.replay.configured_secrets import Redactor
from queries.http.endpoint import Endpoint, HttpConfig

CONFIG = """\
environments:
  prod:
    loki:
      url: http://loki:3100
      http_config:
        http_headers:
          X-Scope-OrgID: {values: [cad-ml-platform]}
          X-Team: {values: [platform-team], secrets: [hidden-by-its-key]}
          X-API-Key: {values: [hidden-by-its-name]}
          X-Session: {values: [Bearer hidden-by-its-form]}
"""


def load(folder: Path) -> Settings:
    file = folder / "config.yaml"
    file.write_text(CONFIG)
    file.chmod(0o600)
    environ = {"HOME": str(folder), "USER": "ann", "PATH": "/bin", "CAD_CONSOLE_CONFIG": str(file)}
    return load_settings({}, environ, service_account="/nonexistent")


def test_a_header_that_is_no_secret_stays(tmp_path: Path) -> None:
    """A tenant that is called like the namespace: its queries and objects stay what they are. A value under `secrets`, and one
    of a header whose name says that it holds a key, and one that has the form of a token, are taken out.
    """
    redactor = Redactor(load(tmp_path))
    kept = b'{"query": "up{namespace=\\"cad-ml-platform\\"}", "team": "platform-team"}'
    assert redactor.redact(kept) == kept
    found = json.loads(redactor.redact(b'["hidden-by-its-key", "hidden-by-its-name", "Bearer hidden-by-its-form"]'))
    assert found == ["…", "…", "…"]


def test_a_secret_of_digits_breaks_no_number(tmp_path: Path) -> None:
    """It is taken out of texts, also beside quotes and escapes; a time that contains its digits stays one."""
    http = HttpConfig(username="me", password="12345")
    redactor = Redactor(replace(load(tmp_path), prometheus=Endpoint("http://p", http)))
    line = {"at_ns": 1761234567890123456, "text": 'password="12345" \\ 12345', "values": [12345, 1.12345, None]}
    found = json.loads(redactor.redact(json.dumps(line).encode()))
    assert found == {**line, "text": 'password="…" \\ …'}
