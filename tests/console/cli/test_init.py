"""`init`: what it finds, what it says of each address, and what it writes."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_server import Reply, Request, serve
from servers import servers, start_alertmanager, start_prometheus

from console.cli.init import Init
from console.cli.main import main
from console.config.load import load_settings
from console.setup import candidates, search
from console.setup.config_text import ChosenCluster, ChosenServer, ConfigChoices, ServerAccess, render_config

DEAD = "http://127.0.0.1:9"
HTML = {"Content-Type": "text/html"}
QUERY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


@pytest.fixture(scope="session")
def programs() -> None:
    """Finds the servers in the real home, before `home` takes it away."""
    servers()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, no variable that names a server, and no server on the usual ports of the machine that tests."""
    for name in ("PROMETHEUS_URL", "ALERTMANAGER_URL", "CAD_ML_API_URL", "GRAFANA_URL", "LOKI_URL", "KUBECONFIG", "SHELL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CAD_CONSOLE_CONFIG", "CAD_CONSOLE_ENVIRONMENT", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("console.cli.init.local_candidates", tuple)
    return tmp_path


def config_of(home: Path) -> Path:
    return home / ".config" / "cad-console" / "config.yaml"


def _flat(out: str) -> str:
    """The output without the breaks of its long lines."""
    return " ".join(out.split())


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["init", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.servers
@pytest.mark.usefixtures("programs")
def test_real_servers_are_named_and_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real Prometheus and Alertmanager are named with their versions, signals and rules, and a wrong port by who answers."""
    rules = {
        "rules.yml": "groups: [{name: g, rules: [{record: ocr_error_ratio, expr: vector(1)}, "
        "{alert: HighErrorRate, expr: vector(1)}]}]"
    }
    config = "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    with (
        start_prometheus(config, rules, folder=tmp_path / "p") as prometheus,
        start_alertmanager(folder=tmp_path / "a") as alertmanager,
    ):
        monkeypatch.setenv("PROMETHEUS_URL", prometheus.url)
        monkeypatch.setenv("ALERTMANAGER_URL", alertmanager.url)
        code, out, _ = run(capsys, "--yes")
        assert code == 0, out
        assert "Prometheus 2." in out and "Alertmanager 0." in out
        assert "this Prometheus does not scrape the platform" in _flat(out)
        assert "1 differ, the console reads those raw: ocr_error_ratio" in _flat(out)
        assert "alerting rules: 1 are loaded; of those that panels name, " in _flat(out)
        settings = load_settings({}, {"HOME": str(home)})
        assert settings.prometheus is not None and settings.prometheus.url == prometheus.url
        assert [item.url for item in settings.alertmanagers] == [alertmanager.url]
        assert stat.S_IMODE(config_of(home).stat().st_mode) == 0o600
        monkeypatch.setenv("PROMETHEUS_URL", alertmanager.url)
        monkeypatch.setenv("ALERTMANAGER_URL", prometheus.url)
        code, _, err = run(capsys, "--yes", "--print")
    assert code == 1
    assert "an Alertmanager answers here, not a Prometheus" in err
    assert "a Prometheus answers here, not an Alertmanager" in err


def test_what_does_not_answer_is_said_and_kept_with_a_comment(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dead address and a login page are reported each in a sentence; the file keeps both, says so, and loads; exit 1."""
    with serve(lambda request: Reply(b"<html>Sign in</html>", headers=HTML)) as login:
        monkeypatch.setenv("PROMETHEUS_URL", login)
        monkeypatch.setenv("CAD_ML_API_URL", DEAD)
        code, out, _ = run(capsys, "--yes")
    assert code == 1
    assert "a web page came instead of JSON" in out and "probably a login page" in _flat(out)
    assert "the connection was refused" in out
    settings = load_settings({}, {"HOME": str(home)})
    assert settings.prometheus is not None and settings.prometheus.url == login
    assert "# Did not answer as expected when this was written: " in config_of(home).read_text()


def test_nothing_found_writes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any server the three ways on are printed, no file is written, and the code is 2."""
    code, out, err = run(capsys, "--yes")
    assert code == 2
    assert "Servers: trying 0 addresses" in out
    assert all(way in err for way in ("cad-console init", "PROMETHEUS_URL=", "cad-console demo"))
    assert not config_of(home).parent.exists()


def test_an_existing_file_is_never_replaced_unasked(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--yes refuses it with 2; --force replaces it and keeps the old one, every time under a name of its own."""
    config_of(home).parent.mkdir(parents=True)
    config_of(home).write_text("read_only: true\n")
    monkeypatch.setenv("PROMETHEUS_URL", DEAD)
    code, _, err = run(capsys, "--yes")
    assert (code, config_of(home).read_text()) == (2, "read_only: true\n")
    assert "exists: --force replaces it" in err
    assert run(capsys, "--yes", "--force")[0] == run(capsys, "--yes", "--force")[0] == 1
    assert (config_of(home).parent / "config.yaml.bak").read_text() == "read_only: true\n"
    assert DEAD in (config_of(home).parent / "config.yaml.bak2").read_text()


def test_a_config_that_cannot_be_written_leaves_the_old_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is full when the new file is written: the old one is where it was, and nothing else."""

    def fail(path: Path, parts: object, **_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    config_of(home).parent.mkdir(parents=True)
    config_of(home).write_text("read_only: true\n")
    monkeypatch.setenv("PROMETHEUS_URL", DEAD)
    monkeypatch.setattr("console.cli.init.write_private", fail)
    code, _, err = run(capsys, "--yes", "--force")
    assert code == 2 and "No space left on device" in err
    assert config_of(home).read_text() == "read_only: true\n"
    assert list(config_of(home).parent.iterdir()) == [config_of(home)]


def test_it_asks_nobody_without_a_terminal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe without --yes it says how to go on, and changes nothing."""
    code, _, err = run(capsys)
    assert (code, err) == (
        2,
        "cad-console init: not a terminal: `cad-console init --yes` takes what it finds and asks nothing\n",
    )
    assert not config_of(home).parent.exists()


def test_a_password_in_a_url_reaches_neither_file_nor_screen(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server is tried with it; the file explains where a password belongs, and does not have it."""
    seen: list[str] = []

    def answer(request: Request) -> Reply:
        seen.append(request.path)
        return Reply(QUERY)

    password = "-".join(("correct", "horse"))
    with serve(answer) as url:
        monkeypatch.setenv("PROMETHEUS_URL", url.replace("://", f"://ann:{password}@"))
        code, out, err = run(capsys, "--yes")
    assert code == 0 and seen
    text = config_of(home).read_text()
    assert password not in text + out + err
    assert "password_file" in text and load_settings({}, {"HOME": str(home)}).prometheus is None


@pytest.mark.parametrize(
    ("scheme", "status", "said"),
    [
        ("http", 401, "name the tenant in http_config: http_headers: {X-Scope-OrgID"),
        ("http", 503, "503 the server is starting, stopping or behind a broken proxy"),
        ("http", 404, "404 nothing at this path"),
        ("https", 200, "the server does not speak TLS on this port"),
    ],
)
def test_a_found_server_that_refuses_is_shown_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scheme: str, status: int, said: str
) -> None:
    """It is there, so it is neither `none` nor out of reach; nobody named it, so the file does not get it."""
    with serve(lambda request: Reply(b"no org id", status, {"Content-Type": "text/plain"})) as url:
        address = url.replace("http", scheme, 1)
        found = candidates.Candidate("loki", address, "service n/loki", forward="kubectl port-forward svc/loki")
        monkeypatch.setattr("console.cli.init.local_candidates", lambda: (found,))
        code, out, _ = run(capsys, "--yes")
    assert f"FAIL  Loki: {address}" in out and "answers, but: " in out and said in _flat(out)
    assert "none Loki" not in _flat(out) and "not reachable from here" not in out and code == 2


@pytest.mark.parametrize("other", [(), (401,)])
def test_a_found_server_that_cannot_be_reached_comes_with_its_forward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], other: tuple[int, ...]
) -> None:
    """Also where something else answers on the usual port of this machine."""
    with serve(lambda request: Reply(b"who?", *other)) as url:
        local = [candidates.Candidate("loki", url, "this machine") for _ in other]
        found = candidates.Candidate("loki", DEAD, "service n/loki", forward="kubectl port-forward svc/loki")
        monkeypatch.setattr("console.cli.init.local_candidates", lambda: (*local, found))
        _, out, _ = run(capsys, "--yes")
    assert "none Loki in the cluster, not reachable from here; run this and init again: kubectl port-forward" in _flat(out)
    assert out.count("FAIL") == len(other)


def answers(*lines: str) -> Iterator[str]:
    yield from lines
    raise EOFError


def dialogue(home: Path, *lines: str, **environ: str) -> tuple[int, list[str]]:
    """The exit code of an interactive run with these answers, and the questions that were asked."""
    given, asked = answers(*lines), []

    def ask(question: str) -> str:
        asked.append(question)
        return next(given)

    code = Init({}, {"HOME": str(home), **environ}, ask=ask).run()
    return code, asked


def test_a_server_that_wants_a_token_is_asked_again_with_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A typed address without a scheme is tried; 401 asks for a file with a token, which the config file then names."""
    token = home / "prometheus.token"
    token.write_text("t0ken\n")
    with serve(_wants_token) as url:
        lines = (url.removeprefix("http://"), str(home / "absent"), str(token), "-", "-", "staging", "y", "n")
        code, asked = dialogue(home, *lines)
    out = capsys.readouterr().out
    assert code == 0, out
    assert "401 the server requires credentials" in out
    assert f"no readable file at {home}/absent" in out
    settings = load_settings({}, {"HOME": str(home)})
    assert settings.environment == "staging" and settings.prometheus is not None
    assert settings.prometheus.http.credentials_file == str(token)
    assert "Install the manual page" in asked[-1] and not (home / ".local").exists()
    assert "t0ken" not in config_of(home).read_text() + out


def _wants_token(request: Request) -> Reply:
    return Reply(QUERY) if request.headers.get("authorization") == "Bearer t0ken" else Reply(b"who?", 401)


def test_an_interactive_no_leaves_everything_as_it_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Declining the file, or the replacement of an existing one, changes nothing; the end of input neither."""
    assert dialogue(home, "-", "-", "-", KUBECONFIG="")[0] == 2
    with serve(lambda request: Reply(QUERY)) as url:
        assert dialogue(home, url, "-", "-", "production", "n")[0] == 1
        with pytest.raises(EOFError):
            dialogue(home, url, "-")
    assert not config_of(home).parent.exists()
    config_of(home).parent.mkdir(parents=True)
    config_of(home).write_text("read_only: true\n")
    assert dialogue(home, "n") == (1, [f"{config_of(home)} exists.\nReplace it in the end? The old one is kept as .bak [y/N] "])
    assert config_of(home).read_text() == "read_only: true\n"


def test_completion_and_manual_page_are_installed_after_a_yes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both go where bash and man look for a person's own files."""
    with serve(lambda request: Reply(QUERY)) as url:
        code, _ = dialogue(home, url, "-", "-", "production", "", "y", "y", SHELL="/bin/bash")
    assert code == 0
    share = home / ".local" / "share"
    assert "_shtab_cad_console" in (share / "bash-completion" / "completions" / "cad-console").read_text()
    assert (share / "man" / "man1" / "cad-console.1").read_text().startswith(".TH")


def test_the_text_reads_back_as_what_was_chosen(tmp_path: Path) -> None:
    """Names with YAML's own characters, files and several peers load as they were given."""
    ca = tmp_path / "a ca: #1.pem"
    ca.write_text("x")
    kubeconfig = tmp_path / "kube, config"
    kubeconfig.write_text(
        "{contexts: [{name: 'arn:aws:eks:eu:1:cluster/p, q', context: {cluster: c}}], clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]}"
    )
    servers = {
        "prometheus": (ChosenServer("https://p.example.com", "Prometheus 3", ServerAccess(ca_file=str(ca))),),
        "alertmanager": (ChosenServer("http://a:1", access=ServerAccess(ca_file=str(ca))), ChosenServer("http://b:2")),
    }
    cluster = ChosenCluster(str(kubeconfig), "arn:aws:eks:eu:1:cluster/p, q")
    text = render_config(ConfigChoices("no", "ns-1", servers, cluster), date="2026-01-01")
    path = tmp_path / "config.yaml"
    path.write_text(text)
    settings = load_settings({"config": str(path)}, {"HOME": str(tmp_path)})
    assert (settings.environment, settings.namespace, settings.protected) == ("no", "ns-1", True)
    assert settings.prometheus is not None and settings.prometheus.http.ca_file == str(ca)
    assert [item.url for item in settings.alertmanagers] == ["http://a:1", "http://b:2"]
    assert settings.kubernetes is not None and settings.kubernetes.context == "arn:aws:eks:eu:1:cluster/p, q"
    assert max(len(line) for line in text.splitlines() if line.lstrip().startswith("#")) <= 80


def test_a_flag_replaces_the_variable_of_its_kind() -> None:
    """As everywhere a flag counts before a variable, and several Alertmanagers are several addresses."""
    flags = {"prometheus_url": "http://flag", "alertmanager_url": None}
    environ = {"PROMETHEUS_URL": "http://variable", "ALERTMANAGER_URL": "http://a, http://b"}
    found = [(item.kind, item.url, item.origin) for item in candidates.given_candidates(flags, environ)]
    assert found == [
        ("prometheus", "http://flag", "--prometheus-url"),
        ("alertmanager", "http://a", "ALERTMANAGER_URL"),
        ("alertmanager", "http://b", "ALERTMANAGER_URL"),
    ]


async def test_every_address_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that a variable and the usual port both name is one request, under the name that was given."""
    tried: list[str] = []

    async def probe(kind: str, endpoint: search.HttpConfig, *, namespace: str) -> object:
        tried.append(kind)
        return None

    monkeypatch.setattr(search, "probe", probe)
    given = candidates.Candidate("prometheus", "http://127.0.0.1:9090/", "PROMETHEUS_URL", given=True)
    probed = await search.probe_all(
        (given, candidates.Candidate("prometheus", "http://127.0.0.1:9090", "this machine")), namespace="n"
    )
    assert [item.candidate.origin for item in probed] == ["PROMETHEUS_URL"] and tried == ["prometheus"]
