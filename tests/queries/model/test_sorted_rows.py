"""Rows that stay sorted, and what changed between two tuples."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from queries.model.sorted_rows import SortedRows, find_changed_keys, find_changes

_KEYS = st.integers(0, 40)


@given(st.lists(st.tuples(st.lists(_KEYS, max_size=6), st.dictionaries(_KEYS, st.integers(), max_size=6)), min_size=1))
def test_rows_are_those_of_a_sorted_dict(steps: list[tuple[list[int], dict[int, int]]]) -> None:
    """After any changes, few or many at a time, also of keys that are not in."""
    rows: SortedRows[int] = SortedRows()
    expected: dict[int, int] = {}
    assert steps
    for gone, new in steps:
        rows.change(gone, new)
        expected = {key: row for key, row in expected.items() if key not in gone} | new
        assert rows.rows() == tuple(expected[key] for key in sorted(expected))
        assert rows.rows() is rows.rows()


@given(st.lists(st.integers(0, 99), unique=True), st.lists(st.integers(0, 99), unique=True))
def test_changes_lead_from_one_tuple_to_the_other(before: list[int], now: list[int]) -> None:
    """Without what is gone and with what is new, the first becomes the second; what is in neither list stayed."""
    gone, new = find_changes(before, now)
    assert (set(before) - set(gone)) | set(new) == set(now)
    assert set(gone) >= set(before) - set(now) and set(new) >= set(now) - set(before)


@given(st.dictionaries(_KEYS, st.integers(300, 320)), st.dictionaries(_KEYS, st.integers(300, 320)))
def test_changed_keys_are_those_with_another_object(before: dict[int, int], now: dict[int, int]) -> None:
    """Values that are equal and the same stay; what is in one of the two only is found."""
    expected = {key for key in {**before, **now} if before.get(key) is not now.get(key)}
    assert set(find_changed_keys(before, now)) == expected


def test_one_change_of_many_is_found_alone() -> None:
    """Ten thousand rows of which one was replaced."""
    before = [object() for _ in range(10_000)]
    now = [*before[:5_000], object(), *before[5_001:]]
    assert find_changes(before, now) == ([before[5_000]], [now[5_000]])
