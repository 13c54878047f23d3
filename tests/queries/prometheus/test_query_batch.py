"""Many expressions in one request: whose remark is whose, which failure is the server's, and when one is sent again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from queries.errors import RequestRejected, SourceError, TimedOut, Unreachable
from queries.model.annotations import NO_ANNOTATIONS, Annotations
from queries.model.series import Sample
from queries.prometheus.query_batch import BATCH_LABEL, BatchQuery, BatchResult, QueryBatch, join_queries, split_queries

HAIR = 2.0**-10
A, B, C = BatchQuery("a", "up\n# every target"), BatchQuery("b", "down"), BatchQuery("c", "sum(up)")


class Server:
    """Answers every query of a request with the number 1; refuses a query of `errors`, and several unless it `joins`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.errors: dict[str, SourceError] = {}
        self.asked: list[tuple[str, ...]] = []
        self.joins = True
        self.batch: QueryBatch[Sample] = QueryBatch(self.answer, clock=lambda: self.now)

    async def answer(self, text: str) -> tuple[Sequence[Sample], Annotations]:
        parts = split_queries(text)
        self.asked.append(tuple(part.query for part in parts))
        if len(parts) > 1 and not self.joins:
            raise RequestRejected("too many series", status=422)
        for part in parts:
            if part.query in self.errors:
                raise self.errors[part.query]
        return [Sample(((BATCH_LABEL, part.key),) if part.key else (), 1.0) for part in parts], NO_ANNOTATIONS

    async def fetch(self, *parts: BatchQuery) -> BatchResult[Sample]:
        self.asked.clear()
        return await self.batch.fetch(parts)

    def refuse(self, *parts: BatchQuery) -> None:
        self.errors = {part.query: RequestRejected("no such function", status=400) for part in parts}


@pytest.mark.parametrize(
    ("line", "key"), [(1, "a"), (3, "a"), (4, "a"), (5, "b"), (6, "b"), (7, "b"), (8, "c"), (10, "c"), (11, ""), (None, "")]
)
def test_a_remark_is_about_the_query_on_its_line(line: int | None, key: str) -> None:
    """Its first line, its last one and those between; a line beyond the request, and no position, are about none."""
    parts = (A, B, C)
    lines = join_queries(parts).splitlines()
    assert [at for at, text in enumerate(lines, start=1) if "label_replace(" in text] == [1, 5, 8] and len(lines) == 10
    answer: BatchResult[Sample] = BatchResult()
    answer.annotate(parts, Annotations(infos=("PromQL info: look here" + (f" ({line}:2)" if line else ""),)))
    assert answer.annotations == {key: ("PromQL info: look here",)}


def test_the_remark_on_a_single_query_is_its_own() -> None:
    """Whatever its position: the query was sent as it is."""
    answer: BatchResult[Sample] = BatchResult()
    answer.annotate((B,), Annotations(infos=("PromQL info: look here (99:2)",)))
    assert answer.annotations == {"b": ("PromQL info: look here",)}


def test_what_was_joined_comes_apart_again() -> None:
    """With every character of a key; one that was not joined, or has more behind it, is a query of its own."""
    parts = (A, BatchQuery('b"\\', "down"), C)
    assert split_queries(join_queries(parts)) == parts and split_queries(join_queries(parts[:1])) == parts[:1]
    for text in ("up", "", f"{join_queries(parts)} or up"):
        assert split_queries(text) == (BatchQuery("", text),)


@pytest.mark.parametrize(("refused", "raises"), [((A,), False), ((A, B), True)])
async def test_a_server_that_refuses_all_of_several_failed_itself(refused: tuple[BatchQuery, ...], raises: bool) -> None:
    """One that refuses some of them refused those; the rest has its result, from a request of its own."""
    server = Server()
    server.refuse(*refused)
    if raises:
        with pytest.raises(RequestRejected):
            await server.fetch(A, B)
    else:
        answer = await server.fetch(A, B)
        assert (set(answer.faults), [item.value for item in answer.items["b"]], answer.received) == ({"a"}, [1.0], None)
    assert server.asked == [(A.query, B.query), (A.query,), (B.query,)]


async def test_a_single_query_that_is_refused_is_its_own_fault() -> None:
    """Of one query nobody can tell whether it or the server failed: the panel shows the fault, and the refresh goes on."""
    server = Server()
    server.refuse(A)
    answer = await server.fetch(A)
    assert answer.faults["a"].what == "no such function" and server.asked == [(A.query,)]


@pytest.mark.parametrize(
    ("error", "raises"),
    [(Unreachable("refused"), True), (TimedOut("too slow"), True), (TimedOut("aborted", status=503), False)],
    ids=["unreachable", "no answer", "aborted by the server"],
)
async def test_only_a_refusal_splits_a_request(error: SourceError, raises: bool) -> None:
    """A server that does not answer is not asked for each query by itself; one that aborted the request is."""
    server = Server()
    server.errors = {A.query: error}
    if raises:
        with pytest.raises(type(error)):
            await server.fetch(A, B)
        assert server.asked == [(A.query, B.query)]
    else:
        assert set((await server.fetch(A, B)).faults) == {"a"}


async def test_a_refused_query_is_sent_again_at_the_end_of_its_wait() -> None:
    """After two seconds twice, then twice as long each time, up to a minute; alone, so that the rest stays one request."""
    server = Server()
    server.refuse(A)
    await server.fetch(A, B, C)
    for wait in (2.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        server.now += wait - HAIR
        assert (await server.fetch(A, B, C)).faults["a"].what == "no such function"
        assert server.asked == [(B.query, C.query)], wait
        server.now += HAIR
        assert set((await server.fetch(A, B, C)).faults) == {"a"}
        assert server.asked == [(B.query, C.query), (A.query,)], wait


async def test_a_query_that_the_server_takes_again_is_sent_with_the_rest() -> None:
    """Its refusals are forgotten: refused once more, it waits two seconds as at first."""
    server = Server()
    for _ in range(3):
        server.refuse(A)
        await server.fetch(A, B)
        server.now += 2.0
        server.refuse()
        assert not (await server.fetch(A, B)).faults
        assert not (await server.fetch(A, B)).faults and server.asked == [(A.query, B.query)]


@pytest.mark.parametrize(("passed", "apart"), [(60.0 - HAIR, True), (60.0, False), (-60.0, False)])
async def test_queries_that_fail_only_together_are_sent_apart_for_a_minute(passed: float, apart: bool) -> None:
    """Then together again; also after the clock was set back."""
    server = Server()
    server.joins = False
    assert not (await server.fetch(A, B)).faults
    server.now += passed
    assert not (await server.fetch(A, B)).faults
    assert server.asked[0] == ((A.query,) if apart else (A.query, B.query))
