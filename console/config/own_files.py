"""Paths of a team's own runbooks, panels, signals, rules, calls of the platform's administration, and drills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from console.config.errors import InvalidSetting
from queries.model.frozen import dataclass

KEYS = ("runbooks", "panels", "signals", "rules", "admin_calls", "drills")
YAML = (".yaml", ".yml")
RULES = (*YAML, ".rules")


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """Folders of runbooks, and files of everything else, in the order of the config file."""

    runbooks: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    admin_calls: tuple[str, ...] = ()
    drills: tuple[str, ...] = ()


def find_own_files(table: Mapping[str, str | Sequence[str] | None], base: Path) -> OwnFiles:
    """The files named by each of `KEYS`: one place or a list of them, relative to `base`. Raises InvalidSetting."""

    def every(key: str, find: Callable[[str], tuple[str, ...]]) -> tuple[str, ...]:
        places = table.get(key) or ()
        files: dict[str, None] = {}
        for index, place in enumerate((places,) if isinstance(places, str) else places):
            try:
                files.update(dict.fromkeys(find(place)))
            except InvalidSetting as error:
                raise InvalidSetting(error.expected, *((key,) if isinstance(places, str) else (key, index))) from None
        return tuple(files)

    return OwnFiles(
        runbooks=every("runbooks", lambda place: (find_folder(base, place),)),
        panels=every("panels", lambda place: find_files(base, place)),
        signals=every("signals", lambda place: find_files(base, place)),
        rules=every("rules", lambda place: find_files(base, place, suffixes=RULES)),
        admin_calls=every("admin_calls", lambda place: find_files(base, place)),
        drills=every("drills", lambda place: find_files(base, place)),
    )


def find_folder(base: Path, place: str) -> str:
    """A folder, relative to `base`. Raises InvalidSetting where there is none."""
    folder = base / Path(place).expanduser()
    if not folder.is_dir():
        raise InvalidSetting(f"expected a folder, found none at {folder}")
    return str(folder)


def find_files(base: Path, place: str, *, suffixes: tuple[str, ...] = YAML) -> tuple[str, ...]:
    """A file, a folder's files with one of the suffixes, or the matches of a pattern (`panels/*.yaml`), sorted. Raises
    InvalidSetting where that is nothing.
    """
    import glob  # noqa: PLC0415  # not before the first frame, unless there are such files

    path = base / Path(place).expanduser()
    if path.is_dir():
        found = sorted(str(item) for item in path.iterdir() if item.suffix in suffixes and item.is_file())
        if not found:
            raise InvalidSetting(f"expected files that end in {' or '.join(suffixes)}, found none in {path}")
    elif path.is_file():
        found = [str(path)]
    elif glob.has_magic(place):
        root = Path(path.anchor)
        found = sorted(str(item) for item in root.glob(str(path.relative_to(path.anchor))) if item.is_file())
        if not found:
            raise InvalidSetting(f"expected files, found none that match {path}")
    else:
        raise InvalidSetting(f"expected a file, a folder or a pattern, found nothing at {path}")
    return tuple(found)
