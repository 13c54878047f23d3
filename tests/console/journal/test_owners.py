"""Owner marks: set, taken away, and ended with the alert."""

from __future__ import annotations

from pathlib import Path

from console.journal.owners import folded, own, owners, release, release_resolved
from console.journal.sqlite import Journal


def test_the_last_word_counts(tmp_path: Path) -> None:
    """Own, own by another, release: what remains is what was said last, each environment for itself."""
    with Journal.open(tmp_path / "j") as journal:
        own(journal, "a", author="ann", environment="prod", now=1.0, name="HighErrorRate")
        own(journal, "a", author="bob", environment="prod", now=2.0)
        own(journal, "b", author="ann", environment="prod", now=3.0)
        own(journal, "c", author="ann", environment="staging", now=3.0)
        release(journal, "b", author="ann", environment="prod", now=4.0)
        assert owners(journal, environment="prod") == {"a": "bob"}
        assert owners(journal) == {"a": "bob", "c": "ann"}


def test_a_mark_ends_when_the_alert_resolves(tmp_path: Path) -> None:
    """Of the owned alerts those that are gone are released, with the reason in the journal; the others stay."""
    with Journal.open(tmp_path / "j") as journal:
        for name in ("gone", "there"):
            own(journal, name, author="ann", environment="prod", now=1.0)
        held = owners(journal, environment="prod")
        assert release_resolved(journal, held, {"there"}, author="ann", environment="prod", now=2.0) == ("gone",)
        assert owners(journal, environment="prod") == {"there": "ann"}
        assert journal.events()[-1].data == {"why": "resolved"}


def test_other_events_do_not_matter() -> None:
    """Folding nothing gives nobody."""
    assert folded(()) == {}
