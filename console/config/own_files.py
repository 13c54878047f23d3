"""A team's own runbooks, panels, signals and rules: where the config file says that they are."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEYS = ("runbooks", "panels", "signals", "rules")
YAML = (".yaml", ".yml")
RULES = (*YAML, ".rules")


class NoSuchPlace(ValueError):
    """A path of the config file where nothing is that could be read; `path` is the key that names it."""

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """Each in the order of the config file: folders of runbooks, and files of all else."""

    runbooks: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def find_own_files(told: Mapping[str, str | Sequence[str] | None], base: Path) -> OwnFiles:
    """What the config file names by each of `KEYS`: one place or a list of them, relative to its folder. Raises NoSuchPlace."""

    def every(key: str, find: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
        places = told.get(key) or ()
        found: dict[str, None] = {}
        for index, place in enumerate((places,) if isinstance(places, str) else places):
            try:
                found.update(dict.fromkeys(find(place)))
            except NoSuchPlace as error:
                error.path = (key,) if isinstance(places, str) else (key, index)
                raise
        return tuple(found)

    return OwnFiles(
        runbooks=every("runbooks", lambda place: (find_folder(base, place),)),
        panels=every("panels", lambda place: find_files(base, place)),
        signals=every("signals", lambda place: find_files(base, place)),
        rules=every("rules", lambda place: find_files(base, place, suffixes=RULES)),
    )


def find_folder(base: Path, place: str) -> str:
    """The folder, relative to the config file's own. Raises NoSuchPlace."""
    folder = base / Path(place).expanduser()
    if not folder.is_dir():
        raise NoSuchPlace(f"expected a folder, found none at {folder}")
    return str(folder)


def find_files(base: Path, place: str, *, suffixes: tuple[str, ...] = YAML) -> tuple[str, ...]:
    """A file, every file of a folder with one of the suffixes, or what a pattern (`panels/*.yaml`) matches, each once and
    sorted. Raises NoSuchPlace where that is nothing."""
    path = base / Path(place).expanduser()
    if path.is_dir():
        found = sorted(str(item) for item in path.iterdir() if item.suffix in suffixes and item.is_file())
        if not found:
            raise NoSuchPlace(f"expected files that end in {' or '.join(suffixes)}, found none in {path}")
    elif path.is_file():
        found = [str(path)]
    elif glob.has_magic(place):
        root = Path(path.anchor)
        found = sorted(str(item) for item in root.glob(str(path.relative_to(path.anchor))) if item.is_file())
        if not found:
            raise NoSuchPlace(f"expected files, found none that match {path}")
    else:
        raise NoSuchPlace(f"expected a file, a folder or a pattern, found nothing at {path}")
    return tuple(found)
