"""Checks owner and mode of the console's files, as ssh does for its key, config and folder.

The console refuses a state folder, journal or log that another user could have written. It uses a secret that others can read,
or a file that they can change, with a warning and the command that fixes it.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from console.config.settings import Settings
from queries.model.later import lazy_pattern
from queries.text.variables import read_env

_INLINE_SECRET = lazy_pattern(
    r"""\b(password|token|client-key-data|id-token|refresh-token|credentials|bearer_token|routing_key|secrets)["']?\s*:\s*[^\s{]"""
    r"|://[^/\s:@]+:[^/\s@]+@"
)
"""A secret value in a config file or kubeconfig; `password_file` and `{credentials: {…}}` are not."""
_MOUNTED = ("/run/secrets/", "/var/run/secrets/")


def distrust(path: Path) -> str:
    """Why another user could have written this folder or file, or its contents; empty where only root could.

    The group may write: inside a pod, `fsGroup` makes every volume writable by a group that only the pod has.
    """
    try:
        facts = path.stat()
    except OSError:
        return ""  # missing or unreadable: opening it reports why
    if facts.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to {_name(facts.st_uid)}, not to {_name(os.geteuid())}"
    if facts.st_mode & stat.S_IWOTH:
        return f"{path} is writable by everybody ({_mode(facts)}): chmod {'700' if path.is_dir() else '600'} {path}"
    return ""


def refuse_state(path: Path) -> str:
    """Why this folder or file must not hold the console's state, and what to do; empty where it may."""
    why = distrust(path)
    return f"{why}; run as its owner, or set XDG_STATE_HOME to a folder of your own" if "belongs to" in why else why


def file_warnings(settings: Settings) -> tuple[str, ...]:
    """One sentence for each configuration file that others can change, or that holds a secret which others can read."""
    return tuple(dict.fromkeys(_warnings(settings)))


def _warnings(settings: Settings) -> Iterator[str]:
    for path in settings.secret_files:
        yield from warn_file(Path(path), secret=True)
    kubeconfig = settings.kubernetes.kubeconfig if settings.kubernetes else ""
    for text in (settings.paths.config_file, *kubeconfig.split(os.pathsep)):
        if text:
            yield from warn_file(Path(text), secret=_holds_secret(Path(text)))
    folder = Path(settings.paths.state_dir)
    if not refuse_state(folder) and _writable_by_group(folder):
        yield f"{folder} is writable by its group ({_mode(folder.stat())}): chmod 700 {folder}"


def warn_file(path: Path, *, secret: bool) -> Iterator[str]:
    """The warnings that ssh would print. Skips a Secret that Kubernetes or Docker mounted: only its container sees it."""
    try:
        facts = path.stat()
    except OSError:
        return  # reading it reports the error
    if mounted(path):
        return
    own = facts.st_uid == os.geteuid()
    if not own and facts.st_uid != 0:
        yield f"{path} belongs to {_name(facts.st_uid)}, who can change it"
    elif facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{path} is writable by {_whom(facts, stat.S_IWOTH)} ({_mode(facts)}): chmod go-w {path}"
    # The group of a file of another owner is that owner's decision, and may be how this user is meant to read it.
    readable = facts.st_mode & ((stat.S_IRGRP | stat.S_IROTH) if own else stat.S_IROTH)
    if secret and readable:
        yield f"{path} holds a secret and is readable by {_whom(facts, stat.S_IROTH)} ({_mode(facts)}): chmod 600 {path}"


def mounted(path: Path) -> bool:
    """Whether Kubernetes mounted it (a link through `..data`, which Kubernetes swaps atomically), or Docker or Podman."""
    place = path.absolute()
    if str(place).startswith(_MOUNTED):
        return True
    try:
        return place.is_symlink() and place.readlink().parts[0] == "..data"
    except OSError:
        return False


def _writable_by_group(folder: Path) -> bool:
    try:
        writable = bool(folder.stat().st_mode & stat.S_IWGRP)
    except OSError:
        return False
    return writable and not read_env(os.environ, "KUBERNETES_SERVICE_HOST")


def _holds_secret(path: Path) -> bool:
    try:
        return bool(_INLINE_SECRET.search(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False


def _whom(facts: os.stat_result, others: int) -> str:
    return "everybody" if facts.st_mode & others else "its group"


def _mode(facts: os.stat_result) -> str:
    return f"{stat.S_IMODE(facts.st_mode):04o}"


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
