"""The supply chain: locked dependencies, known vulnerabilities, unsafe code, secrets, and the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy"))

from outcome import Checks, Failed, NotRun, report, run  # noqa: E402

TOOLS = Path(sys.executable).parent
LOCK, CONSTRAINTS = ROOT / "requirements.lock", ROOT / "constraints.txt"
TEST_LOCK, DOCS_LOCK = ROOT / "requirements-test.lock", ROOT / "requirements-docs.lock"
MUTATION_LOCK = ROOT / "requirements-mutation.lock"
TOOL_LOCK = ROOT / "deploy" / "security.lock"
BILL = ROOT / "build" / "sbom.cdx.json"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_ENTROPY = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")
"""Heuristics that report every hash of recordings and pictures; the patterns of real secrets stay."""
KNOWN_SECRETS = {
    ("tests/queries/certificates/server.key", "Private Key"): "made for the tests of TLS, signed by nobody",
    ("tests/console/cli/test_doctor.py", "Basic Auth Credentials"): "made up, to prove that it is not shown",
    ("tests/console/actions/test_notify.py", "Basic Auth Credentials"): "made up, to be sent and not shown",
    ("tests/console/config/test_permissions.py", "Basic Auth Credentials"): "made up, to be warned about",
    ("tests/console/config/test_load.py", "Basic Auth Credentials"): "made up, to prove that it is not shown",
}
_NOTED = "B608,B108"
"""The linter checks the same lines by S608 and S108, with the reason beside every exception."""


def canonical(name: str) -> str:
    """Normalize the name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Return name and version of every pinned requirement."""
    matches = (_PIN.match(line) for line in text.splitlines())
    return {canonical(match[1]): match[2] for match in matches if match}


def unhashed(text: str) -> list[str]:
    """Return the pinned requirements without a hash."""
    blocks = re.split(r"\n(?=\S)", text.strip())
    return [block.split()[0] for block in blocks if _PIN.match(block) and "--hash=sha256:" not in block]


def lock_faults(lock: str, constraints: str, required: list[str]) -> list[str]:
    """Return the faults of a lock: a missing hash, a version that differs from the constraints, a missing dependency."""
    locked, constrained = pins(lock), pins(constraints)
    faults = [f"{item} has no hash" for item in unhashed(lock)]
    for name, version in locked.items():
        if constrained.get(name, version) != version:
            faults.append(f"{name} is {version}, the constraints have {constrained[name]}")
    names = [canonical(re.split(r"[<>=!~\[; ]", item, maxsplit=1)[0]) for item in required]
    return faults + [f"{name} is not locked" for name in names if name not in locked]


def expand(extras: Mapping[str, list[str]], name: str) -> list[str]:
    """Return the requirements of an extra; where it names another extra of this project, that one's in its place."""
    own = re.compile(r"cad-console\[(\w+)\]")
    named = [(text, own.fullmatch(text)) for text in extras[name]]
    return [item for text, match in named for item in (expand(extras, match[1]) if match else [text])]


def lock() -> str:
    """Every lock is complete, hashed and consistent with pyproject.toml and the constraints."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    constraints, text, test, docs = (path.read_text(encoding="utf-8") for path in (CONSTRAINTS, LOCK, TEST_LOCK, DOCS_LOCK))
    mutation = MUTATION_LOCK.read_text(encoding="utf-8")
    faults = lock_faults(text, constraints, required)
    extras = project["project"]["optional-dependencies"]
    faults += [f"{TEST_LOCK.name}: {fault}" for fault in lock_faults(test, constraints, [*required, *expand(extras, "test")])]
    faults += [f"{DOCS_LOCK.name}: {fault}" for fault in lock_faults(docs, constraints, extras["docs"])]
    faults += [f"{MUTATION_LOCK.name}: {fault}" for fault in lock_faults(mutation, constraints, extras["mutation"])]
    faults += [f"{name} differs in {TEST_LOCK.name}" for name, version in pins(text).items() if pins(test).get(name) != version]
    faults += [f"security.lock: {item} has no hash" for item in unhashed(TOOL_LOCK.read_text(encoding="utf-8"))]
    if faults:
        raise Failed(f"{'; '.join(faults[:6])}: run make lock")
    return f"{len(pins(text))} dependencies, {len(pins(test))} with those of the tests, each with its hashes"


def open_installs(text: str) -> list[str]:
    """Return the install commands that could install something unlocked: neither by hash and as wheels, nor without any index.

    A wheel needs no build; a source archive has build requirements that no hash of the lock covers.
    """
    lines = re.sub(r"\\\n", " ", text).splitlines()
    names = dict(match.groups() for line in lines if (match := re.match(r"([A-Z_]+) *:?= *(.*)", line)))
    open_ones = []
    for line in lines:
        if line.lstrip().startswith("#") or re.match(r"[A-Z_]+ *:?= ", line):
            continue
        whole = re.sub(r"\$[({]([A-Z_]+)[)}]", lambda match: names.get(match[1], match[0]), line)
        for command in re.split(r"&&|\|\||;", whole):
            if not re.search(r"\b(pip3?|pipx|uv|poetry|easy_install|npm|npx)( \S+)*? (install|add|sync)\b", command):
                continue
            locked = "--require-hashes" in command and "--only-binary :all:" in command
            own = all(word in command for word in ("--no-index", "--no-deps", "--no-build-isolation"))
            if not (locked or own):
                open_ones.append(command.strip())
    return open_ones


def installs() -> str:
    """`make`, CI and the image install everything by hash."""
    files = [ROOT / "Makefile", ROOT / ".ci" / "run", *sorted((ROOT / "deploy" / "image").iterdir())]
    faults = [f"{path.relative_to(ROOT)}: {line}" for path in files for line in open_installs(path.read_text(encoding="utf-8"))]
    if faults:
        raise Failed("; ".join(faults))
    return "Makefile, CI and image install by hash, and the project itself without an index"


def summarize_audit(report: dict[str, Any]) -> str:
    """Summarize a report of pip-audit. Raises Failed for vulnerabilities, NotRun if it could not look up a dependency."""
    dependencies = report["dependencies"]
    bad = [
        f"{item['name']} {item['version']}: {', '.join(each['id'] for each in item['vulns'])}"
        for item in dependencies
        if item.get("vulns")
    ]
    if bad:
        raise Failed("; ".join(bad))
    unknown = [item["name"] for item in dependencies if "skip_reason" in item]
    if unknown:
        raise NotRun(
            f"{len(unknown)} of {len(dependencies)} dependencies were not looked up: the advisories are unreachable from here"
        )
    return f"no known vulnerability in {len(dependencies)} dependencies"


def vulnerabilities() -> str:
    """pip-audit knows no vulnerability of a locked dependency."""
    command = [str(TOOLS / "pip-audit"), "-r", str(LOCK), "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        return summarize_audit(json.loads(run([*command, "-f", "json"], codes=(0, 1))))
    except (Failed, ValueError) as error:
        if isinstance(error, Failed) and re.search("Connection|resolve|timed out|ProxyError|SSLError", str(error)):
            raise NotRun("the advisories need a network beyond the package index") from None
        raise


def code() -> str:
    """bandit finds nothing of medium or high severity."""
    folders = [str(ROOT / name) for name in ("console", "queries", "widgets", "deploy")]
    result = json.loads(run([str(TOOLS / "bandit"), "-q", "-r", *folders, "-ll", "-s", _NOTED, "-f", "json"], codes=(0, 1)))
    found = [f"{Path(item['filename']).name}:{item['line_number']} {item['test_id']}" for item in result["results"]]
    if found or result["errors"]:
        raise Failed("; ".join(found) or f"not read: {result['errors']}")
    return f"{result['metrics']['_totals']['loc']} lines, nothing of medium or high severity"


def secrets(files: list[str] | None = None, *, folder: Path = ROOT) -> str:
    """No file that git tracks has a secret; KNOWN_SECRETS lists the made-up ones of the tests with the reason."""
    known = files if files is not None else run(["git", "-C", str(ROOT), "ls-files", "-z"]).split("\0")[:-1]
    options = [word for name in _ENTROPY for word in ("--disable-plugin", name)]
    done = subprocess.run(
        [str(TOOLS / "detect-secrets"), "scan", *options, *known], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(done.stderr.strip()[-400:])
    found = [
        f"{path}:{item['line_number']} {item['type']}"
        for path, items in json.loads(done.stdout)["results"].items()
        for item in items
        if (path, item["type"]) not in KNOWN_SECRETS
    ]
    if found:
        raise Failed("; ".join(found))
    return f"{len(known)} files, {len(KNOWN_SECRETS)} made-up secrets of the tests known"


def bill() -> str:
    """Write the locked dependencies as CycloneDX, which the tool validates."""
    BILL.parent.mkdir(exist_ok=True)
    command = [str(TOOLS / "cyclonedx-py"), "requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml")]
    run([*command, "--output-reproducible", "--of", "JSON", "--output-file", str(BILL)])
    written = json.loads(BILL.read_text(encoding="utf-8"))
    components = {canonical(item["name"]): item.get("version") for item in written["components"]}
    if written["bomFormat"] != "CycloneDX" or components != pins(LOCK.read_text(encoding="utf-8")):
        raise Failed("the bill does not list what is locked")
    return f"{BILL.relative_to(ROOT)}: CycloneDX {written['specVersion']}, {len(components)} components"


CHECKS: Checks = (
    ("lock", lock),
    ("installs", installs),
    ("vulnerabilities", vulnerabilities),
    ("code", code),
    ("secrets", secrets),
    ("bill of materials", bill),
)

if __name__ == "__main__":
    raise SystemExit(report(CHECKS))
