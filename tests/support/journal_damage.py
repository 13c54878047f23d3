"""Every way in which a journal's file or its export is damaged or edited that we could think of, and what has to show it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class Shown(Enum):
    """What shows a damage."""

    FILE = "the file itself"
    HEAD = "only a head that was noted outside"
    NOT_COVERED = "nothing: it is no event, and the manual says so"


@dataclass(frozen=True)
class Damage:
    """`do` is given the file, and a folder with an earlier copy of it (`earlier`) and another journal (`other`)."""

    name: str
    do: Callable[[Path, Path], None]
    shown: Shown = Shown.FILE


COLUMNS = {
    "id": "'0000'", "stamp": "stamp + 1", "at": "at + 3600.0", "kind": "'action.declined'", "subject": "'elsewhere'",
    "author": "'mallory'", "environment": "'staging'", "data": """'{"text": "nothing happened"}'""", "writer": "'h b 1 2'",
    "previous": "hash", "hash": "previous",
}  # fmt: skip


@contextmanager
def by_hand(path: Path) -> Any:
    """A connection without the triggers, which are put back as they were: nothing but the rows tells of it."""
    hand = sqlite3.connect(path, isolation_level=None)
    triggers = hand.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        hand.execute(f"DROP TRIGGER {name}")
    try:
        yield hand
        for _, statement in triggers:
            hand.execute(statement)
    finally:
        hand.close()


def _rows(statement: str) -> Callable[[Path, Path], None]:
    def do(path: Path, folder: Path) -> None:
        with by_hand(path) as hand:
            hand.executescript(statement)

    return do


def _schema(statement: str) -> Callable[[Path, Path], None]:
    def do(path: Path, folder: Path) -> None:
        hand = sqlite3.connect(path, isolation_level=None)
        hand.executescript(statement)
        hand.close()

    return do


def chain_again(path: Path) -> None:
    """Every hash made again by the published rule, as somebody would who can write the file."""
    with by_hand(path) as hand:
        previous = ""
        columns = "sequence, id, stamp, at, kind, subject, author, environment, writer, data"
        hand.execute("BEGIN")
        for row in hand.execute(f"SELECT {columns} FROM events ORDER BY sequence").fetchall():
            fields = dict(zip(columns.split(", "), row, strict=True))
            fields |= {"data": json.loads(fields["data"]), "previous": previous}
            hash_ = hash_by_rule(fields)
            hand.execute("UPDATE events SET previous = ?, hash = ? WHERE sequence = ?", (previous, hash_, row[0]))
            previous = hash_
        hand.execute("COMMIT")


def hash_by_rule(fields: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _rewritten(path: Path, folder: Path) -> None:
    with by_hand(path) as hand:
        hand.execute("UPDATE events SET author = 'mallory' WHERE sequence = 20")
    chain_again(path)


def _one_less(path: Path, folder: Path) -> None:
    """A row taken out, the others moved up, the chain made again."""
    with by_hand(path) as hand:
        hand.execute("DELETE FROM events WHERE sequence = 20")
        hand.execute("UPDATE events SET sequence = sequence - 1 WHERE sequence > 20")
        hand.execute("UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'events'")
        hand.execute("UPDATE open_intents SET sequence = sequence - 1 WHERE sequence > 20")
    chain_again(path)


def _index_lacks(path: Path, folder: Path) -> None:
    """The index over the kinds has every row but one: it was made as a partial one, and calls itself whole."""
    hand = sqlite3.connect(path, isolation_level=None)
    (sql,) = hand.execute("SELECT sql FROM sqlite_schema WHERE name = 'events_by_kind'").fetchone()
    hand.execute("DROP INDEX events_by_kind")
    hand.execute(f"{sql} WHERE sequence <> 30")
    hand.execute("PRAGMA writable_schema = ON")
    hand.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'events_by_kind'", (sql,))
    hand.close()


def stamp_index_lacks(path: Path, sequence: int) -> None:
    """As above, of the index by which the console sorts."""
    hand = sqlite3.connect(path, isolation_level=None)
    (sql,) = hand.execute("SELECT sql FROM sqlite_schema WHERE name = 'events_by_stamp'").fetchone()
    hand.execute("DROP INDEX events_by_stamp")
    hand.execute(f"{sql} WHERE sequence <> {sequence}")
    hand.execute("PRAGMA writable_schema = ON")
    hand.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'events_by_stamp'", (sql,))
    hand.close()


def _page_size(path: Path) -> int:
    return int.from_bytes(path.read_bytes()[16:18], "big")


def _root(path: Path, name: str) -> int:
    hand = sqlite3.connect(path)
    (page,) = hand.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
    hand.close()
    return int(page)


def _leaf(path: Path, name: str) -> int:
    """The byte at which the leftmost leaf page of a table or index begins."""
    data, size = path.read_bytes(), _page_size(path)
    at = (_root(path, name) - 1) * size
    while data[at] in (2, 5):
        cell = at + int.from_bytes(data[at + 12 : at + 14], "big")
        at = (int.from_bytes(data[cell : cell + 4], "big") - 1) * size
    return at


def _flip(path: Path, at: int, bits: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= bits
    path.write_bytes(data)


def _in_a_text(path: Path, folder: Path) -> None:
    """One bit within the data of an event, in its page of the table."""
    at, size = _leaf(path, "events"), _page_size(path)
    _flip(path, path.read_bytes().index(b"deployment/cad-ml-api", at, at + size))


def _in_a_table_page(path: Path, folder: Path) -> None:
    """One bit of the number of cells."""
    _flip(path, _leaf(path, "events") + 4)


def _in_an_index_page(path: Path, folder: Path) -> None:
    """One bit within a key: the row is there, and cannot be found by its kind."""
    at, size = _leaf(path, "events_by_kind"), _page_size(path)
    _flip(path, path.read_bytes().index(b"action.", at, at + size), bits=2)


def _zeroed(path: Path, folder: Path) -> None:
    data, at, size = bytearray(path.read_bytes()), _leaf(path, "events"), _page_size(path)
    data[at : at + size] = bytes(size)
    path.write_bytes(data)


def _free(path: Path) -> None:
    """Pages that are in no table any more."""
    with by_hand(path) as hand:
        hand.execute("CREATE TABLE gone (x)")
        hand.executemany("INSERT INTO gone VALUES (?)", [("x" * 4000,)] * 9)
        hand.execute("DROP TABLE gone")


def _in_the_freelist(path: Path, folder: Path) -> None:
    _free(path)
    trunk = (int.from_bytes(path.read_bytes()[32:36], "big") - 1) * _page_size(path)
    _flip(path, trunk + 7)


def _in_a_free_page(path: Path, folder: Path) -> None:
    _free(path)
    data, size = path.read_bytes(), _page_size(path)
    trunk = (int.from_bytes(data[32:36], "big") - 1) * size
    _flip(path, (int.from_bytes(data[trunk + 8 : trunk + 12], "big") - 1) * size + 100)


def _cut(share: float) -> Callable[[Path, Path], None]:
    def do(path: Path, folder: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return do


def _wal_lost(path: Path, folder: Path) -> None:
    """The newest events were only in the log beside the file, and that was not copied with it."""
    shutil.copy(folder / "without-wal", path)


def _wal_damaged(path: Path, folder: Path) -> None:
    """SQLite takes what follows a damaged frame of the log for never written."""
    shutil.copy(folder / "without-wal", path)
    shutil.copy(folder / "wal", f"{path}-wal")
    _flip(Path(f"{path}-wal"), 32 + 24 + 100)


def _earlier(path: Path, folder: Path) -> None:
    shutil.copy(folder / "earlier", path)


def _other(path: Path, folder: Path) -> None:
    shutil.copy(folder / "other", path)


_LAST = "(SELECT max(sequence) FROM events)"
_SWAP = """CREATE TEMP TABLE a AS SELECT * FROM events WHERE sequence IN (11, 15);
DELETE FROM events WHERE sequence IN (11, 15);
UPDATE a SET sequence = 26 - sequence; INSERT INTO events SELECT * FROM a;"""
_MOVE = """CREATE TEMP TABLE a AS SELECT * FROM events WHERE sequence BETWEEN 11 AND 20;
DELETE FROM events WHERE sequence BETWEEN 11 AND 20;
UPDATE a SET sequence = 31 - sequence; INSERT INTO events SELECT * FROM a;"""
_COPY = """CREATE TEMP TABLE a AS SELECT * FROM events WHERE sequence = 20;
UPDATE a SET sequence = (SELECT max(sequence) FROM events) + 1, id = 'copy'; INSERT INTO events SELECT * FROM a;"""

OF_FILES = (
    *(Damage(f"the column {name} was edited", _rows(f"UPDATE events SET {name} = {value} WHERE sequence = 20"))
      for name, value in COLUMNS.items()),
    Damage("the column sequence was edited", _rows("UPDATE events SET sequence = 1000 WHERE sequence = 20")),
    Damage("all times moved by an hour", _rows("UPDATE events SET at = at - 3600.0")),
    Damage("the data spelled otherwise", _rows("UPDATE events SET data = data || ' ' WHERE sequence = 20")),
    Damage("the data with a key twice",
           _rows("""UPDATE events SET data = '{"action": "x", ' || substr(data, 2) WHERE sequence = 20""")),
    Damage("a text that became bytes", _rows("UPDATE events SET author = CAST(author AS BLOB) WHERE sequence = 20")),
    Damage("a time that became a text", _rows("UPDATE events SET at = 'yesterday' WHERE sequence = 20")),
    Damage("rows deleted in the middle", _rows("DELETE FROM events WHERE sequence BETWEEN 20 AND 22")),
    Damage("rows deleted at the beginning", _rows("DELETE FROM events WHERE sequence < 5")),
    Damage("rows deleted at the end", _rows(f"DELETE FROM events WHERE sequence > {_LAST} - 3")),
    Damage("rows deleted at the end, and the counter set back", _rows(
        f"""DELETE FROM events WHERE sequence > {_LAST} - 3; DELETE FROM open_intents WHERE sequence > {_LAST};
            UPDATE sqlite_sequence SET seq = {_LAST} WHERE name = 'events'"""), Shown.HEAD),
    Damage("all rows deleted", _rows("DELETE FROM events")),
    Damage("the counter set forward", _rows("UPDATE sqlite_sequence SET seq = seq + 5 WHERE name = 'events'")),
    Damage("two rows changed places", _rows(_SWAP)),
    Damage("ten rows put in another order", _rows(_MOVE)),
    Damage("a row put there twice", _rows(_COPY)),
    Damage("an edit, and the whole chain written again", _rewritten, Shown.HEAD),
    Damage("a row taken out, and the whole chain written again", _one_less, Shown.HEAD),
    Damage("the triggers dropped", _schema("DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_deleted")),
    Damage("a trigger that changes what is written", _schema(
        "CREATE TRIGGER quiet AFTER INSERT ON waiting BEGIN DELETE FROM waiting; END")),
    Damage("an index dropped", _schema("DROP INDEX events_by_kind")),
    Damage("an index that lacks a row", _index_lacks),
    Damage("the index by stamps lacks a row", lambda path, folder: stamp_index_lacks(path, 30)),
    Damage("a column added", _schema("ALTER TABLE events ADD COLUMN more TEXT")),
    Damage("a table dropped", _schema("DROP TABLE waiting")),
    Damage("the version set back", _schema("PRAGMA user_version = 2")),
    Damage("the list of unfinished actions emptied", _rows("DELETE FROM open_intents")),
    Damage("the file's id taken out", _rows("DELETE FROM about")),
    Damage("a bit in a text in a table page", _in_a_text),
    Damage("a bit in the head of a table page", _in_a_table_page),
    Damage("a bit in an index page", _in_an_index_page),
    Damage("a page of zeros", _zeroed),
    Damage("a bit in the list of free pages", _in_the_freelist),
    Damage("a bit in a free page", _in_a_free_page, Shown.NOT_COVERED),
    Damage("half of the file", _cut(0.5)),
    Damage("the last pages cut", _cut(0.8)),
    Damage("the log beside the file lost", _wal_lost, Shown.HEAD),
    Damage("a bit in the log beside the file", _wal_damaged, Shown.HEAD),
    Damage("an earlier copy in its place", _earlier, Shown.HEAD),
    Damage("another journal in its place", _other, Shown.HEAD),
    Damage("what waits for the shared store was deleted", _rows("DELETE FROM waiting"), Shown.NOT_COVERED),
)  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """What is done to the lines of an export, its end among them."""

    name: str
    do: Callable[[list[str]], str]
    shown: Shown = Shown.FILE


def _field(name: str, value: Any) -> Edit:
    def do(lines: list[str]) -> str:
        entry = json.loads(lines[9])
        entry[name] = value(entry[name]) if callable(value) else value
        lines[9] = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        return _text(lines)

    return Edit(f"the field {name} was edited", do)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _end(lines: list[str], *, honest_count: bool = True) -> str:
    """With an end made for what is left."""
    last, first = json.loads(lines[-1]), json.loads(lines[0])
    end = {"end": last["sequence"], "hash": last["hash"], "entries": len(lines), "first": first["sequence"]}
    return _text([*lines, json.dumps(end if honest_count else {**end, "entries": len(lines) + 1}, sort_keys=True)])


def _export_rewritten(lines: list[str]) -> str:
    entries = [json.loads(line) for line in lines[:-1]]
    entries[9]["author"] = "mallory"
    previous = ""
    for entry in entries:
        del entry["hash"]
        entry["previous"] = previous
        previous = entry["hash"] = hash_by_rule(entry)
    return _end([json.dumps(entry, sort_keys=True, separators=(",", ":")) for entry in entries])


OF_EXPORTS = (
    _field("id", "0000"), _field("stamp", lambda stamp: stamp + 1), _field("at", lambda at: at + 3600.0),
    _field("kind", "action.declined"), _field("subject", "elsewhere"), _field("author", "mallory"),
    _field("environment", "staging"), _field("data", {"text": "nothing happened"}), _field("writer", "h b 1 2"),
    _field("sequence", 1000), _field("previous", "0" * 64), _field("hash", "0" * 64), _field("data", {}),
    Edit("a key added", lambda lines: _text([*lines[:9], lines[9][:-1] + ',"more":1}', *lines[10:]])),
    Edit("a key twice", lambda lines: _text([*lines[:9], '{"author":"mallory",' + lines[9][1:], *lines[10:]])),
    Edit("a line taken out", lambda lines: _text([*lines[:9], *lines[10:]])),
    Edit("a line twice", lambda lines: _text([*lines[:9], lines[9], *lines[9:]])),
    Edit("two lines changed places", lambda lines: _text([*lines[:9], lines[10], lines[9], *lines[11:]])),
    Edit("all lines turned round", lambda lines: _text([*lines[-2::-1], lines[-1]])),
    Edit("cut between two lines", lambda lines: _text(lines[:20])),
    Edit("cut within a line", lambda lines: _text(lines[:20]) + lines[20][:40]),
    Edit("the last byte cut", lambda lines: _text(lines)[:-2]),
    Edit("its end cut", lambda lines: _text(lines[:-1])),
    Edit("its beginning cut", lambda lines: _text(lines[9:])),
    Edit("nothing but its end", lambda lines: _text(lines[-1:])),
    Edit("nothing at all", lambda lines: ""),
    Edit("a byte in the middle", lambda lines: _text(lines).replace("deployment", "deploymemt", 1)),
    Edit("a cut, and an end made for it", lambda lines: _end(lines[:20]), Shown.HEAD),
    Edit("an edit, and the whole chain written again", _export_rewritten, Shown.HEAD),
)  # fmt: skip
