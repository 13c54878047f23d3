"""The comparison of two revisions: its ratios, its table, and the tree that it makes of a revision."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import compare
import pytest
import ratios
from ratios import Ratio, Run


def ratio(*pairs: float, control: bool = False) -> Ratio:
    return Ratio("bytes", "B", 100.0, 110.0, tuple(sorted(pairs)), control=control)


def test_the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() -> None:
    """One pair that met a busy machine moves neither side: what counts is how each pair compares."""
    pairs: list[tuple[Run, Run]] = [({"cpu": 1.0}, {"cpu": 1.1}), ({"cpu": 4.0}, {"cpu": 4.4}), ({"cpu": 2.0}, {"cpu": 9.0})]
    found, missing = ratios.compare(pairs, units={"cpu": "%"})
    assert missing == []
    assert found[0].median == pytest.approx(1.1) and found[0].pairs == pytest.approx((1.1, 1.1, 4.5))
    assert (found[0].base, found[0].new) == (2.0, 4.4)


@pytest.mark.parametrize(
    ("base", "new", "expected"), [(0.0, 0.0, 1.0), (0.0, 3.0, math.inf), (4.0, 0.0, 0.0), (4.0, 5.0, 1.25)]
)
def test_nothing_against_nothing_is_equal_and_something_against_nothing_is_over(
    base: float, new: float, expected: float
) -> None:
    """Bytes while nothing changes are 0 on a good tree: one byte more is over the limit, not a division by zero."""
    assert ratios.divide(new, base) == expected


@pytest.mark.parametrize(("pairs", "over"), [((1.0, 1.05, 1.2), False), ((1.0, 1.051, 1.2), True), ((math.inf,) * 3, True)])
def test_only_a_median_beyond_the_limit_is_over(pairs: tuple[float, ...], over: bool) -> None:
    """The spread is shown, the median decides."""
    assert ratio(*pairs).over is over
    assert not ratio(*pairs, control=True).over


def test_a_figure_that_one_run_lacks_is_named_and_not_compared() -> None:
    """A family that failed on one tree must not look as if it were equal."""
    pairs: list[tuple[Run, Run]] = [({"a": 1.0, "b": 1.0}, {"a": 1.0}), ({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0})]
    found, missing = ratios.compare(pairs, units={"a": "B", "b": "B"})
    assert [one.figure for one in found] == ["a"] and missing == ["b"]


def test_the_table_names_what_is_over_with_its_spread() -> None:
    """The last line alone answers whether anything got slower."""
    text = ratios.table([ratio(1.0, 1.1, 1.3), ratio(0.9, 1.0, 1.1)], base="aaa", new="bbb")
    assert text.splitlines()[-1] == "Over 1.05: bytes 1.100 (pairs 1.00–1.30)."
    assert "| bytes | 100 B | 110 B | 1.100 | 1.00–1.30 | OVER |" in text
    assert "| 1.000 | 0.90–1.10 | ok |" in text
    assert ratios.table([ratio(1.0)], base="a", new="b").endswith("Over 1.05: none.")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository of one file; its commit."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "file").write_text("of the base")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    (root / "file").write_text("changed since")
    monkeypatch.setattr(compare, "ROOT", root)
    return compare.resolve("HEAD")


def test_a_revision_is_exported_once_and_installed_once(repository: str, tmp_path: Path) -> None:
    """The second comparison with a revision starts at once, and measures the commit's files, not the changed ones."""
    installed: list[Path] = []
    tree = compare.export(repository, install=installed.append, into=tmp_path / "trees")
    assert (tree / "file").read_text() == "of the base"
    assert compare.export(repository, install=installed.append, into=tmp_path / "trees") == tree
    assert installed == [tree]


@pytest.mark.parametrize("broken", [KeyboardInterrupt(), compare.Unusable("pip failed")])
def test_an_interrupted_tree_leaves_nothing_and_the_repository_knows_of_none(
    repository: str, tmp_path: Path, broken: BaseException
) -> None:
    """A half-installed tree would be measured the next time, and a worktree left behind would stand in `git worktree list`."""

    def fail(_tree: Path) -> None:
        raise broken

    with pytest.raises(type(broken)):
        compare.export(repository, install=fail, into=tmp_path / "trees")
    assert list((tmp_path / "trees").iterdir()) == []
    assert len(compare.git("worktree", "list").stdout.splitlines()) == 1


def test_a_revision_that_git_does_not_know_is_named(repository: str) -> None:
    """Also where it looks like an option."""
    for name in ("nowhere", "--help"):
        with pytest.raises(compare.Unusable, match=f"no revision {name}"):
            compare.resolve(name)
