"""Image references are read as the kubelet reads them."""

from __future__ import annotations

import pytest

from queries.model.image import parse_image

HERE = "registry.example.com/cad-ml/api"
DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("nginx", "", "")),
        ("localhost:5000/a/b:1", ("localhost:5000/a/b", "1", "")),
        ("localhost:5000/a", ("localhost:5000/a", "", "")),
        ("[::1]:5000/a__b/c---d:V_1.2-x", ("[::1]:5000/a__b/c---d", "V_1.2-x", "")),
        (f"{HERE}:1.9.0@{DIGEST}", (HERE, "1.9.0", DIGEST)),
        (f"{HERE}@sha512:{'0' * 128}", (HERE, "", f"sha512:{'0' * 128}")),
        (f"{HERE}@sha384:{'0' * 96}", (HERE, "", f"sha384:{'0' * 96}")),
        (f"{'0a' * 32}:1", ("0a" * 32, "1", "")),
    ],
)
def test_a_reference_is_read_into_its_parts(text: str, parts: tuple[str, str, str]) -> None:
    """A colon before the last slash is a registry's port, and the parts make the same text again."""
    found = parse_image(text)
    assert (found.repository, found.tag, found.digest) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":1", "a:", "a:.1", "a:b c", f"a:{'x' * 129}", "Nginx", "a//b", "a/", "/a", "a/B:1", "a_/b", "a b", "-a",
        "a@sha256:abc", f"a@sha256:{'0A' * 32}", f"a@md5:{'0' * 32}", "a@", f"a@{DIGEST}@{DIGEST}", f"a/{'b' * 255}",
        "http://a/b:1", "ex_ample.com/a", "a:1\n", "0a" * 32,
    ],
)  # fmt: skip
def test_what_a_kubelet_would_call_invalid_is_refused(text: str) -> None:
    """No such reference gets as far as a pod that ends as InvalidImageName."""
    with pytest.raises(ValueError, match=r" is not |, not an image repository: | has at most "):
        parse_image(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a@sha256:abc", "'sha256:abc' is not a digest (e.g. sha256: and 64 hexadecimal digits in lower case)"),
        ("a@" + "x" * 81, f"'{'x' * 80}' is not a digest"),
        ("a:.1", "'.1' is not a tag (letters, digits, `_`, `.` and `-`, at most 128)"),
        ("a:" + "x" * 129, f"'{'x' * 80}' is not a tag"),
        ("a//b", "'a//b' is not an image repository (e.g. registry.example.com/cad/api, in lower case)"),
        ("ex.com:80/" + "B" * 90, f"'ex.com:80/{'B' * 70}' is not an image repository"),
        (f"a/{'b' * 254}", "an image repository has at most 255 characters, this one 256"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str) -> None:
    """The wrong part, cut to 80 characters, and what is expected instead."""
    with pytest.raises(ValueError) as refused:
        parse_image(text)
    assert words in str(refused.value)


def test_the_longest_parts() -> None:
    """255 characters of a repository and 128 of a tag are allowed."""
    longest = f"a/{'b' * 253}"
    assert parse_image(f"{longest}:{'x' * 128}").repository == longest


@pytest.mark.parametrize(
    ("text", "host"),
    [("Registry/a", True), ("a.b/c", True), ("localhost/a", True), ("host:80/a", True), ("a_b/c", False)],
)
def test_the_first_part_may_be_a_host(text: str, host: bool) -> None:
    """With a dot, a colon or a capital, or as localhost; only a host may have capitals, only a path an underscore."""
    assert parse_image(text).repository == text
    refused = text.replace("a_b", "a.b_c") if not host else text.replace("/", "/B", 1)
    with pytest.raises(ValueError):
        parse_image(refused)


@pytest.mark.parametrize(
    ("text", "latest"),
    [("a", True), ("a:latest", True), ("a:1", False), (f"a@{DIGEST}", False), (f"a:latest@{DIGEST}", False)],
)
def test_what_the_registry_calls_latest(text: str, latest: bool) -> None:
    """By that tag or by neither tag nor digest; a digest is one image for ever."""
    assert parse_image(text).is_latest is latest
