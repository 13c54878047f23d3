"""An image reference, by the grammar that container runtimes use."""

from __future__ import annotations

import re

from queries.model.frozen import dataclass

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_ID = re.compile(r"[0-9a-f]{64}")
_MAX_REPOSITORY = 255


@dataclass(frozen=True, slots=True)
class ImageReference:
    """`registry.example.com/cad/api:1.9.0` in its parts; tag and digest are empty where the reference has none."""

    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.repository}{f':{self.tag}' if self.tag else ''}{f'@{self.digest}' if self.digest else ''}"

    @property
    def is_latest(self) -> bool:
        """Whether it names whatever the registry calls `latest`: by that tag, or by no tag and no digest."""
        return not self.digest and self.tag in ("", "latest")


def parse_image(text: str) -> ImageReference:
    """Raises ValueError with what is wrong. Source: distribution/reference 0.6, which the kubelet uses too."""
    if _ID.fullmatch(text):
        raise ValueError(f"{text[:12]}… is an image ID, not an image repository: give the repository and the digest")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is not a digest (e.g. sha256: and 64 hexadecimal digits in lower case)")
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # the colon of a registry's port
        head, tag = rest, ""
    elif not _TAG.fullmatch(tag):
        raise ValueError(f"{tag[:80]!r} is not a tag (letters, digits, `_`, `.` and `-`, at most 128)")
    first, slash, path = head.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    if not _PATH.fullmatch(path if has_host else head) or (has_host and not _HOST.fullmatch(first)):
        raise ValueError(f"{head[:80]!r} is not an image repository (e.g. registry.example.com/cad/api, in lower case)")
    if len(head) > _MAX_REPOSITORY:
        raise ValueError(f"an image repository has at most {_MAX_REPOSITORY} characters, this one {len(head)}")
    return ImageReference(head, tag, digest)
