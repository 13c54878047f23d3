"""Whether the console's own files may be trusted: their owner and their mode, as ssh judges its key, its config and its folder.

What another user could have written (state folder, journal, log) is not used. A secret that others can read, or a file that
they can change, is used and warned about, with the command that mends it.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from console.config.settings import Settings
from queries.text.variables import variable

_INLINE_SECRET = re.compile(
    r"""\b(password|token|client-key-data|id-token|refresh-token|credentials|bearer_token|routing_key|secrets)["']?\s*:\s*[^\s{]"""
    r"|://[^/\s:@]+:[^/\s@]+@"
)
"""A value in a config file or kubeconfig that is a secret itself; `password_file` and `{credentials: {…}}` are none."""
_MOUNTED = ("/run/secrets/", "/var/run/secrets/")


def distrust(path: Path) -> str:
    """Why another user could have written this folder or file, or what lies in it; empty where nobody but root could.

    The group may write: inside a pod `fsGroup` gives every volume that way to a group that only the pod has.
    """
    try:
        facts = path.stat()
    except OSError:
        return ""  # not there, or whoever opens it says why not
    if facts.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to {_name(facts.st_uid)}, not to {_name(os.geteuid())}"
    if facts.st_mode & stat.S_IWOTH:
        return f"{path} can be written by everybody ({_mode(facts)}): chmod {'700' if path.is_dir() else '600'} {path}"
    return ""


def refuse_state(path: Path) -> str:
    """Why this folder or file must not hold the console's record, and what to do; empty where it may."""
    why = distrust(path)
    return f"{why}; run as its owner, or set XDG_STATE_HOME to a folder of your own" if "belongs to" in why else why


def file_warnings(settings: Settings) -> tuple[str, ...]:
    """One sentence for each file of the configuration that others can change, or read although it holds a secret."""
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
        yield f"{folder} can be written by its group ({_mode(folder.stat())}): chmod 700 {folder}"


def warn_file(path: Path, *, secret: bool) -> Iterator[str]:
    """What ssh would say of it. A Secret that Kubernetes or Docker mounted is as they made it, for its container alone."""
    try:
        facts = path.stat()
    except OSError:
        return  # whoever reads it says so
    if mounted(path):
        return
    own = facts.st_uid == os.geteuid()
    if not own and facts.st_uid != 0:
        yield f"{path} belongs to {_name(facts.st_uid)}, who can change it"
    elif facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield f"{path} can be changed by {_whom(facts, stat.S_IWOTH)} ({_mode(facts)}): chmod go-w {path}"
    # Of another's file the group is the owner's decision, and may be how one is meant to read it.
    readable = facts.st_mode & ((stat.S_IRGRP | stat.S_IROTH) if own else stat.S_IROTH)
    if secret and readable:
        yield f"{path} holds a secret and can be read by {_whom(facts, stat.S_IROTH)} ({_mode(facts)}): chmod 600 {path}"


def mounted(path: Path) -> bool:
    """Whether Kubernetes mounted it (a link through `..data`, which it exchanges as a whole), or Docker or Podman did."""
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
    return writable and not variable(os.environ, "KUBERNETES_SERVICE_HOST")


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
