"""Owner and mode of the console's own files: ssh's rule, without crying wolf over what Kubernetes and Docker mount."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from console.config.load import load_settings
from console.config.permissions import file_warnings, refuse_state, warn_file
from console.config.settings import Settings
from console.demo.server_binaries import BinaryNotFound, provide_servers
from console.journal.errors import JournalError
from console.journal.sqlite import Journal
from console.text_files import write_export

STRANGER = 4242


class Uid:
    """Who asks; a test that runs as root may also give files to somebody else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def be(self, uid: int) -> None:
        self._monkeypatch.setattr(os, "geteuid", lambda: uid)


@pytest.fixture
def uid(monkeypatch: pytest.MonkeyPatch) -> Uid:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return Uid(monkeypatch)


@pytest.fixture
def someone_elses(tmp_path: Path, uid: Uid) -> Path:
    """A folder whose owner is neither root nor the one who asks."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(folder, STRANGER, STRANGER)
    else:
        uid.be(STRANGER)
    return folder


def test_a_foreign_state_folder_is_refused(someone_elses: Path) -> None:
    """Its owner could rewrite the journal, and plant one: nothing is opened or made in it, and the sentence says what to do."""
    why = refuse_state(someone_elses)
    assert f"{someone_elses} belongs to" in why and "XDG_STATE_HOME" in why
    with pytest.raises(JournalError, match=r"the journal cannot be used: .*belongs to"):
        Journal.open(someone_elses / "journal.sqlite3")
    assert list(someone_elses.iterdir()) == []


@pytest.mark.parametrize("name", ["journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm"])
def test_a_foreign_file_in_one_s_own_folder_is_refused(tmp_path: Path, name: str) -> None:
    """SQLite would replay a planted log into the journal."""
    if os.getuid() != 0:
        pytest.skip("only root may give a file away")
    Journal.open(tmp_path / "journal.sqlite3").close()
    (tmp_path / name).touch()
    os.chown(tmp_path / name, STRANGER, STRANGER)
    with pytest.raises(JournalError, match="belongs to uid 4242"):
        Journal.open(tmp_path / "journal.sqlite3")


@pytest.mark.parametrize(
    ("mode", "words"), [(0o700, ""), (0o755, ""), (0o777, "everybody (0777)"), (0o1777, "everybody (1777)")]
)
def test_a_folder_that_everybody_writes_is_refused(tmp_path: Path, uid: Uid, mode: int, words: str) -> None:
    """The sticky bit does not help: anybody could have made the journal first."""
    tmp_path.chmod(mode)
    why = refuse_state(tmp_path)
    assert words in why and bool(why) == bool(words)


def test_a_volume_of_a_pod_is_taken(tmp_path: Path, uid: Uid, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fsGroup a claim belongs to root, and all on it may be written by the pod's own group: that is no warning there.

    The same folder outside a pod is one.
    """
    state = tmp_path / "cad-console"
    state.mkdir()
    state.chmod(0o2770)
    settings = settings_of(tmp_path)
    assert refuse_state(state) == "" and "is writable by its group (2770)" in " ".join(file_warnings(settings))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert file_warnings(settings) == ()
    if os.getuid() == 0:
        uid.be(10001)
        assert refuse_state(state) == ""


def settings_of(folder: Path, config: str = "{}\n", **environ: str) -> Settings:
    (folder / "config.yaml").write_text(config)
    (folder / "config.yaml").chmod(0o644)
    return load_settings(
        {"config": str(folder / "config.yaml")},
        {"HOME": str(folder), "XDG_STATE_HOME": str(folder), **environ},
        service_account=str(folder / "none"),
    )


CONFIG = """\
environments:
  one:
    prometheus:
      url: http://prom:9090
      http_config:
        {kind}
  other:
    prometheus: {{url: "http://prom:9090", http_config: {{authorization: {{credentials_file: elsewhere}}}}}}
default_environment: one
"""


@pytest.mark.parametrize(
    "kind",
    [
        "basic_auth: {username: u, password_file: secret}",
        "authorization: {credentials_file: secret}",
        "bearer_token_file: secret",
        "tls_config: {cert_file: public, key_file: secret}",
        "http_headers: {X-API-Key: {files: [secret]}}",
    ],
)
def test_every_secret_file_that_others_can_read_is_warned_about(tmp_path: Path, uid: Uid, kind: str) -> None:
    """File, mode and the command that mends it, once; a certificate is public, and another environment's file is not asked."""
    for name in ("secret", "public"):
        (tmp_path / name).write_text("sesame-77")
        (tmp_path / name).chmod(0o644)
    settings = settings_of(tmp_path, CONFIG.format(kind=kind))
    path = tmp_path / "secret"
    assert file_warnings(settings) == (f"{path} holds a secret and is readable by everybody (0644): chmod 600 {path}",)
    path.chmod(0o640)
    assert "by its group (0640)" in file_warnings(settings)[0]
    path.chmod(0o600)
    assert file_warnings(settings) == ()


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        (
            "environments: {a: {prometheus: {url: 'http://p', http_config: {basic_auth: {username: u, password: hunter2}}}}}",
            True,
        ),
        ("environments: {a: {prometheus: 'http://u:hunter2@p:9090'}}", True),
        ("environments: {a: {prometheus: {url: 'http://p', http_config: {authorization: {type: Bearer}}}}}", False),
        ("environments: {a: {prometheus: 'http://p:9090'}}", False),
    ],
)
def test_a_config_that_holds_a_secret_itself(tmp_path: Path, uid: Uid, text: str, warned: bool) -> None:
    """One with a password in it is warned about, one without may be read by everybody."""
    assert bool(file_warnings(settings_of(tmp_path, text))) is warned


KUBECONFIG = """\
{{current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}],
 clusters: [{{name: a, cluster: {{server: "https://10.0.0.1"}}}}], users: [{{name: a, user: {user}}}]}}
"""


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("{token: abcdef}", "kubeconfig"),
        ("{client-key-data: abcdef}", "kubeconfig"),
        ("{tokenFile: token}", "token"),
        ("{client-key: token}", "token"),
        ("{exec: {command: aws}}", ""),
    ],
)
def test_a_kubeconfig_that_holds_a_secret(tmp_path: Path, uid: Uid, user: str, name: str) -> None:
    """Its token or key, or the file that it names for one; with an exec plugin there is nothing to read in it."""
    for file in ("kubeconfig", "token"):
        (tmp_path / file).write_text(KUBECONFIG.format(user=user))
        (tmp_path / file).chmod(0o644)
    output = file_warnings(settings_of(tmp_path, KUBECONFIG=str(tmp_path / "kubeconfig")))
    assert [text.split(" ")[0] for text in output] == ([str(tmp_path / name)] if name else [])


def test_what_others_can_change_is_warned_about(tmp_path: Path, uid: Uid) -> None:
    """Whoever changes the config chooses where the credentials go."""
    settings = settings_of(tmp_path)
    (tmp_path / "config.yaml").chmod(0o666)
    assert "is writable by everybody (0666): chmod go-w" in file_warnings(settings)[0]


def test_a_file_of_somebody_else_is_warned_about(someone_elses: Path) -> None:
    """Root's is taken, as ssh takes it."""
    assert "belongs to" in next(warn_file(someone_elses, secret=True))


@pytest.mark.parametrize("made", ["kubernetes", "docker"])
def test_a_mounted_secret_is_taken_as_it_is(tmp_path: Path, uid: Uid, made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes mounts Secrets readable by all behind `..data`, Docker below /run/secrets: nobody else is in there."""
    if made == "kubernetes":
        (tmp_path / "..2026_10_01").mkdir()
        (tmp_path / "..2026_10_01" / "token").write_text("sesame")
        (tmp_path / "..data").symlink_to("..2026_10_01")
        (tmp_path / "token").symlink_to("..data/token")
    else:
        monkeypatch.setattr(Path, "absolute", lambda path: Path("/run/secrets") / path.name)
        (tmp_path / "token").write_text("sesame")
    (tmp_path / "token").chmod(0o644)
    assert list(warn_file(tmp_path / "token", secret=True)) == []


def test_a_foreign_log_is_not_written(someone_elses: Path, fresh_log: Callable[[Path], str]) -> None:
    """What is written there could be read, and the file exchanged for a link to another."""
    assert "belongs to" in fresh_log(someone_elses / "console.log")
    assert list(someone_elses.iterdir()) == []


@pytest.fixture
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """`log_to` of a process that has no log yet."""
    import logging

    from console.log import log_to

    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    return lambda path: log_to(str(path))


def test_nothing_is_exported_into_a_foreign_folder(someone_elses: Path) -> None:
    """An incident's update must not be left where another user reads or exchanges it."""
    with pytest.raises(PermissionError, match="belongs to"):
        write_export(str(someone_elses), "update", "text", now=0.0)
    assert list(someone_elses.iterdir()) == []


def test_servers_in_a_foreign_cache_are_not_run(someone_elses: Path, tmp_path: Path) -> None:
    """What `make demo` once brought is run again, so it must have been brought by the same user."""
    cache = tmp_path / "cache"
    (cache / "cad-console").mkdir(parents=True)
    someone_elses.rename(cache / "cad-console" / "servers")
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(cache)}
    with pytest.raises(BinaryNotFound, match=r"refusing to run programs from the cache: .*belongs to"):
        provide_servers(lambda progress: None, environ=environ, sources=())
