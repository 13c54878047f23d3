"""What looks like a secret is hidden, whoever wrote it and however it is encoded; other text stays readable."""

from __future__ import annotations

import subprocess
import time

import pytest

from queries.text.secrets import hide, is_secret_name, redact_text, redact_value

KEY_HEAD = f"-----BEGIN {'private'.upper()} KEY-----"
"""Built at run time: the check for secrets in the repository would take the text itself for a key."""


@pytest.mark.parametrize(
    "shown",
    [
        '{"datasource":{"password":"SECRET one"}}',
        '{"config":"{\\"password\\":\\"SECRET one\\"}"}',
        "{'api_key': 'SECRET one'}",
        'password: "SECRET one"',
        "curl -H 'Authorization: Basic SECRET' http://api",
        "app --db-password SECRET --verbose",
        "--private-key=SECRET",
        "pwd=SECRET",
        "DB_PASS=SECRET",
        "app --db-pass SECRET",
        "AccountName=shop;AccountKey=SECRET;EndpointSuffix=core.windows.net",
        "https://blobs.example/x?sv=2024&sig=SECRET",
        "redis://:SECRET@cache:6379/0",
    ],
)
def test_no_secret_is_left_within_a_text(shown: str) -> None:
    """A secret in JSON, in quotes with a blank, after an option, as Basic authorization, or in a URL is hidden as a whole."""
    text = shown.replace("SECRET", "hunter2")
    for hidden in (redact_value("APP_CONFIG", text), redact_text(text)):
        assert "hunter2" not in hidden and "one" not in hidden and "(hidden " in hidden


@pytest.mark.parametrize(
    "name",
    ["DB_PASS", "PGPASSWORD", "db-password", "MYSQLPASS", "SSHKEY", "API_KEY2", "BASICAUTH", "SENTRY_DSN", "SLACK_WEBHOOK"],
)
def test_a_name_tells_that_a_value_is_secret(name: str) -> None:
    """The names that programs give to their passwords, keys and tokens hide any value, in whatever place it is shown."""
    assert is_secret_name(name)
    assert "hunter2" not in redact_value(name, "hunter2")


@pytest.mark.parametrize("name", ["PASSIVE_MODE", "KEYBOARD", "AUTHOR", "LOG_LEVEL", "DATABASE_URL", "PASSENGERS"])
def test_other_names_hide_nothing(name: str) -> None:
    """A word that only begins like one of those is none."""
    assert not is_secret_name(name)
    assert redact_value(name, "info") == "info"


def test_a_private_key_is_hidden_to_its_end() -> None:
    """No line of a key that openssl wrote is left, also where the text ends or begins in the middle of it; the rest stays."""
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True)
    key = made.stdout.strip()
    lines = key.splitlines()
    assert len(lines) == 3
    shown = redact_text(f"before\n{key}\nafter")
    assert shown.startswith("before\n(hidden ") and shown.endswith("\nafter")
    assert lines[1] not in shown
    assert lines[1] not in redact_text("\n".join(["before", *lines[:2]]))
    cut = redact_text("\n".join([*lines[1:], "after"]))
    assert lines[1] not in cut and cut.endswith("\nafter")


def test_text_without_a_secret_stays_as_it_is() -> None:
    """Line by line: one secret hides its own line, and prose with the same words is left alone."""
    text = "passed 3 of 4 tests\nthe token was renewed\nkey: value\n\nend\n"
    assert redact_text(text) == text
    assert redact_text(f"{text}Bearer abcdefgh12").startswith(text)


def test_what_is_hidden_once_stays_the_same() -> None:
    """A text that passed through here does not change when it passes again, so it can be compared."""
    once = redact_value("API_TOKEN", "hunter2")
    assert redact_value("API_TOKEN", once) == once
    assert redact_value("API_TOKEN", "hunter2") == once != redact_value("API_TOKEN", "hunter3")


def test_known_values_are_hidden_in_every_encoding() -> None:
    """Also as JSON, in a URL and in base64, the longest first; what replaces them is the caller's."""
    value = "pä/ss word"
    text = f'{value} p%C3%A4%2Fss%20word "p\\u00e4/ss word" cMOkL3NzIHdvcmQ='
    assert hide(text, [value, "pä"]) == '(hidden) (hidden) "(hidden)" (hidden)'
    assert hide(value, [value], replacement="…") == "…"


@pytest.mark.parametrize("word", ["x", "a.b-", "token", "://", "eyJ", "hooks.", "x:", "--token ", 'token\\"', KEY_HEAD])
def test_a_long_word_takes_little_time(word: str) -> None:
    """300 kB without a space are searched for secrets in less than a second of processor time, whatever they repeat."""
    began = time.process_time()
    redact_text(word * (300_000 // len(word)))
    assert time.process_time() - began < 1.0
