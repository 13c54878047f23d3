"""Places as sentences, and whether a sentence is about one of them; addresses without secrets."""

from __future__ import annotations

import pytest

from queries.http.endpoint import ClusterEndpoint, ClusterIdentity, ClusterPlace, HttpConfig, RedisEndpoint

PLACE = ClusterPlace("prod", "c", "https://h:6443", "ann", "viewer", "token")


@pytest.mark.parametrize(
    ("place", "identity", "sentence"),
    [
        (PLACE, "ann as viewer", "context prod, server https://h:6443, user ann as viewer"),
        (ClusterPlace("prod", server="https://h", user="ann"), "ann", "context prod, server https://h, user ann"),
        (ClusterPlace("prod", impersonates="viewer"), "as viewer", "context prod, as viewer"),
        (ClusterPlace(server="https://h"), "", "the cluster of this pod, server https://h"),
        (ClusterPlace("prod"), "", "context prod"),
        (ClusterPlace(), "", ""),
    ],
)
def test_a_place_in_a_sentence(place: ClusterPlace, identity: str, sentence: str) -> None:
    """Context, server and who one is; in a pod there is no context."""
    assert (place.identity, place.sentence()) == (identity, sentence)


@pytest.mark.parametrize(
    ("sentence", "same"),
    [
        ("context prod, server https://h:6443", True),
        ("context prod, server https://h:6443, user bob", True),
        ("context prod, server https://h:64430", False),
        ("context prod, server https://h", False),
        ("context other, server https://h:6443", False),
        ("", False),
    ],
)
def test_a_sentence_about_the_same_cluster(sentence: str, same: bool) -> None:
    """With any user or none; a server whose address only begins alike is another."""
    assert PLACE.is_in(sentence) is same


@pytest.mark.parametrize(
    ("identity", "sentence", "bound"),
    [
        (ClusterIdentity("u1", "u2", "ann", ("a", "system:authenticated", "b")), "ann (groups a, b)", True),
        (ClusterIdentity("", "u2", "ann", ("system:authenticated",)), "ann", True),
        (ClusterIdentity("", "", "", ("a",)), "", False),
    ],
)
def test_who_the_server_sees(identity: ClusterIdentity, sentence: str, bound: bool) -> None:
    """The group of everybody is left out; either UID names the cluster."""
    assert (identity.sentence(), identity.is_bound()) == (sentence, bound)


def test_a_target_has_its_namespace() -> None:
    """Unknown places have no sentence."""
    assert (
        ClusterEndpoint("n", place=PLACE).sentence() == f"{PLACE.sentence()}, namespace n"
        and ClusterEndpoint("n").sentence() == ""
    )


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://u:p@h:1/2?x=y", "redis://h:1/2"),
        ("rediss://h", "rediss://h"),
        ("unix://u:p@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("http://h", "the URL of Redis"),
        ("redis://[", "the URL of Redis"),
        ("", "the URL of Redis"),
    ],
)
def test_the_address_of_redis(url: str, where: str) -> None:
    """Without user, password and query."""
    assert RedisEndpoint(url).where == where and "u:p" not in repr(RedisEndpoint(url))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (HttpConfig(), ""),
        (HttpConfig(http_headers=((" Authorization ", "x"),), username="u"), "http_headers.Authorization"),
        (HttpConfig(http_headers=(("X", "x"),), username="u", credentials="c"), "basic_auth"),
        (HttpConfig(password="p"), "basic_auth"),
        (HttpConfig(password_file="f"), "basic_auth"),
        (HttpConfig(credentials="c"), "authorization"),
        (HttpConfig(credentials_file="f"), "authorization"),
    ],
)
def test_what_sets_the_authorization(config: HttpConfig, field: str) -> None:
    """The field that a person would change; no value is ever in a traceback."""
    assert config.authorization_field == field and "'u'" not in repr(config)
