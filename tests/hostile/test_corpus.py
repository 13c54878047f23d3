"""Hostile text at each place where it leaves: file, log, URL, query, command line, folder."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import extend
from real_program import Bench
from screen_samples import shipped_runbooks
from servers import start_prometheus

from console.actions.plan import Request
from console.actions.silence import CreateSilence, SilenceFacts
from console.journal.event import Event
from console.journal.sqlite import Journal
from console.log import LogFormatter
from console.runbooks.index import RunbookIndex
from queries.kubernetes.api import quote_segment
from queries.model.matcher import Matcher, parse_matchers
from queries.model.text import visible

CORPUS = (
    "[bold red]x[/] [@click=app.quit]quit[/]",
    "\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0=\x07",
    "\x9b31m\x90q\x9c",
    "\u202egnp.exe\u2066\u2069\u200f\u061c",
    "Z" + "\u0301" * 3000,
    "x" * 1_000_000,
    "nul\0byte",
    "lone \ud800 surrogate \udcff",
    "line\nbreak\r\nand\ttab \u2028 \u2029 \x85",
    '"} or vector(1) or up{a="',
    "\\",
    '\\"',
    "'; touch CANARY; '",
    "$(touch CANARY) `touch CANARY` ${IFS}&& touch CANARY | touch CANARY > CANARY",
    "-rf --kubeconfig=/etc/passwd",
    "!!:s/x/y/ ~root *",
    "../../../../etc/passwd",
    "..\\..\\x",
    "%2e%2e%2f?a=b#c;d",
    "{{ .Secret }} ${ENV} %s %(x)s {0}",
    "\U000e0041\ufeff\u3164",
    "",
)
ANY = st.text(st.characters(), max_size=80) | st.sampled_from(CORPUS)
SENDABLE = ANY.map(lambda text: text.replace("\0", "").encode("utf-8", "ignore").decode()[:4000])
"""What can be an argument of a program: no NUL, no surrogate."""
CONTROL = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def controls(text: str) -> list[str]:
    return [character for character in text if ord(character) in CONTROL or 0xD800 <= ord(character) < 0xE000]


@settings(deadline=None)
@given(ANY)
def test_the_log_holds_printable_lines(text: str) -> None:
    """A record with hostile words and arguments: every line of it is printable, and can be written as UTF-8."""
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "asking %s failed", (text,), None)
    line = LogFormatter("%(message)s").format(record)
    assert "asking" in line and [item for item in controls(line) if item != "\n"] == []
    line.encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(ANY.map(lambda text: text[:100]), ANY.map(lambda text: text[:20]), ANY)
def test_the_journal_keeps_any_text(tmp_path: Path, subject: str, author: str, text: str) -> None:
    """Written and read again as it was; what no file can hold (lone surrogates) is written out."""
    with Journal.open(tmp_path / "journal.sqlite3") as journal:
        kept = journal.append(Event(1.0, "note", subject, author, "e", {"text": text, text: [subject]}))
        (read,) = journal.events(after=kept.sequence - 1)
    wanted = text.encode("utf-8", "backslashreplace").decode()
    assert read.data["text"] == wanted
    assert read.subject == subject.encode("utf-8", "backslashreplace").decode()


@settings(deadline=None)
@given(ANY)
def test_a_name_stays_one_part_of_a_url(text: str) -> None:
    """No name adds a segment, a query or a fragment, or climbs up."""
    made = quote_segment(text)
    parts = urlsplit(f"http://h/api/v1/pods/{made}/log?x=1")
    assert parts.path.count("/") == 5 and parts.query == "x=1" and not parts.fragment
    assert made not in (".", "..")
    if not controls(text):
        assert unquote(made) == text


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_prometheus(folder=tmp_path_factory.mktemp("prometheus")) as server:
        yield server.url


@pytest.mark.servers
@settings(deadline=None, max_examples=60)
@given(SENDABLE.filter(lambda text: "\r" not in text))
def test_a_label_value_means_itself_in_promql(prometheus: str, text: str) -> None:
    """Real Prometheus understands a quoted value as exactly that value, whatever quotes and braces are in it."""
    matcher = str(Matcher("x", text))
    answer = httpx.post(f"{prometheus}/api/v1/query", data={"query": "absent(nothing_here{" + matcher + "})"}, timeout=10.0)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["data"]["result"]
    assert found["metric"].get("x", "") == text


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SENDABLE, SENDABLE, SENDABLE)
def test_a_command_that_is_copied_says_what_it_shows(tmp_path: Path, value: str, comment: str, author: str) -> None:
    """A real shell reads the command line as exactly these arguments, and runs nothing that stands in them."""
    if not value.strip() or not comment.strip() or not author.strip():
        return
    matcher = Matcher("instance", value)
    request = Request("silence", str(matcher), {"duration": "1h", "comment": comment, "created_by": author})
    command = CreateSilence().plan(request, SilenceFacts((), None), 1_800_000_000.0).command
    folder = tmp_path / "shell"
    folder.mkdir(exist_ok=True)
    tool = folder / "amtool"
    tool.write_text('#!/bin/sh\nfor word in "$@"; do printf \'%s\\0\' "$word"; done\n')
    tool.chmod(0o700)
    ran = subprocess.run(
        ["/bin/bash", "--noprofile", "--norc"],
        input=command.encode(),
        env={"PATH": f"{folder}:/usr/bin:/bin", "LANG": "C.UTF-8"},
        cwd=folder,
        capture_output=True,
        timeout=10,
        check=False,
    )
    words = ran.stdout.decode().split("\0")[:-1]
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert words[:2] == ["silence", "add"] and words[2] == f"--author={author.strip()}"
    assert f"--comment={comment.strip()}" in words
    assert parse_matchers(words[-1]) == (matcher,)
    assert [item.name for item in folder.iterdir()] == ["amtool"]


@settings(deadline=None)
@given(ANY)
def test_no_name_of_a_runbook_leads_out_of_the_folder(text: str) -> None:
    """What is not in the index is not opened, however it is spelled."""
    index = shipped_runbooks()
    for name in (text, f"../{text}", f"/etc/{text}", f"{text}/../../etc/passwd"):
        found = index.get(name)
        assert found is None or found in index.runbooks


def test_a_link_out_of_the_runbooks_is_not_followed(tmp_path: Path) -> None:
    """A link in a folder that came from elsewhere shows no file of this machine; one within the folder is fine."""
    (tmp_path / "key").write_text("PRIVATE KEY")
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "good.md").write_text("---\ntitle: good\n---\nbody\n")
    (folder / "alias.md").symlink_to("good.md")
    (folder / "evil.md").symlink_to("../key")
    told = {item.id: item for item in RunbookIndex.load(folder).runbooks}
    assert told["good"].broken is None and told["alias"].broken is None
    assert "points outside the folder" in (told["evil"].broken or "") and "PRIVATE" not in told["evil"].body


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


def test_yaml_bombs_are_refused(tmp_path: Path) -> None:
    """Aliases of aliases in config, runbook and kubeconfig: a sentence, at once, and not gigabytes."""
    bench = Bench(tmp_path)
    config = tmp_path / "bomb.yaml"
    config.write_text(BOMB + "environments: *j\n")
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "bomb.md").write_text(f"---\n{BOMB}title: *j\n---\n")
    (broken,) = RunbookIndex.load(folder).runbooks
    assert "aliases" in (broken.broken or "")
    good = tmp_path / "good.yaml"
    good.write_text("{}\n")
    kube = tmp_path / "kubeconfig"
    kube.write_text(
        BOMB + "current-context: x\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n"
        "clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: 'true', args: *j}}}]\n"
    )
    began = time.monotonic()
    wrong, named = bench.run_all(
        ("status", "--config", str(config)), ("status", "--config", str(good), "--kubeconfig", str(kube))
    )
    assert time.monotonic() - began < extend(10.0)
    assert wrong.code == 2 and "bomb.yaml" in wrong.err and "aliases" in wrong.err
    assert "Traceback" not in named.err and "aliases" in named.out


HOSTILE_WORDS = (
    b"../../etc/passwd",
    b"\xff\xfe",
    b"\x1b[2J\x1b]0;x\x07",
    "\u202ex".encode(),
    b"$(touch CANARY)",
    b"-",
    b"x" * 50_000,
)


@pytest.mark.slow
@pytest.mark.parametrize("words", HOSTILE_WORDS, ids=lambda words: repr(words[:12]))
def test_arguments_that_are_hostile_are_named_and_not_obeyed(words: bytes, tmp_path: Path) -> None:
    """As the name of a runbook, a target, a cause, a filter: an exit code, no traceback, no control character, no file."""
    bench = Bench(tmp_path)
    good = tmp_path / "good.yaml"
    good.write_text("{}\n")
    text = words.decode("utf-8", "surrogateescape")
    commands = (
        ("runbook", "--config", str(good), "--", text),
        ("act", "restart", f"deployment/{text}", "--yes", "--cause", text, "--config", str(good)),
        ("act", "silence", text, "--duration", "1h", "--comment", text, "--yes", "--config", str(good)),
        ("status", "--environment", text, "--config", str(good)),
    )
    for ran in bench.run_all(*commands):
        assert "Traceback" not in ran.err, ran.err[-600:]
        for out in (ran.out, ran.err):
            assert [item for item in controls(out) if item not in "\n\t"] == [], out[:300]
        assert "root:" not in ran.out
    assert not list(tmp_path.rglob("CANARY"))


def test_what_is_visible_can_be_sent_to_any_terminal() -> None:
    """The whole corpus, made visible, is one line of text that UTF-8 can hold, and not a megabyte of it."""
    for text in CORPUS:
        shown = visible(text)
        assert controls(shown) == [] and len(shown) < 60_000
        shown.encode()
        json.dumps(shown)
