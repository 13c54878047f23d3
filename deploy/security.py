"""The supply chain: locked dependencies, known vulnerabilities, unsafe code, secrets, and the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy"))

from outcome import Checks, Failed, NotRun, report, run  # noqa: E402

TOOLS = Path(sys.executable).parent
LOCK, CONSTRAINTS = ROOT / "requirements.lock", ROOT / "constraints.txt"
TEST_LOCK, DOCS_LOCK = ROOT / "requirements-test.lock", ROOT / "requirements-docs.lock"
TOOL_LOCK = ROOT / "deploy" / "security.lock"
BILL = ROOT / "build" / "sbom.cdx.json"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
_ENTROPY = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector")
"""Guesses that would drown the findings in the hashes of recordings and pictures; the patterns of real secrets stay."""
KNOWN_SECRETS = {
    ("tests/queries/certificates/server.key", "Private Key"): "made for the tests of TLS, signed by nobody",
    ("tests/console/cli/test_doctor.py", "Basic Auth Credentials"): "made up, to prove that it is not shown",
    ("tests/console/actions/test_notify.py", "Basic Auth Credentials"): "made up, to be sent and not shown",
    ("tests/console/config/test_permissions.py", "Basic Auth Credentials"): "made up, to be warned about",
    ("tests/console/config/test_load.py", "Basic Auth Credentials"): "made up, to prove that it is not shown",
}
_NOTED = "B608,B108"
"""The linter judges the same lines by S608 and S108, with the reason beside every exception."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Name and version of every pinned requirement."""
    found = (_PIN.match(line) for line in text.splitlines())
    return {canonical(match[1]): match[2] for match in found if match}


def unhashed(text: str) -> list[str]:
    """Pinned requirements without a hash."""
    blocks = re.split(r"\n(?=\S)", text.strip())
    return [block.split()[0] for block in blocks if _PIN.match(block) and "--hash=sha256:" not in block]


def lock_faults(lock: str, constraints: str, wanted: list[str]) -> list[str]:
    """What is wrong with a lock: no hash, another version than the constraints have, a dependency that is missing."""
    locked, constrained = pins(lock), pins(constraints)
    faults = [f"{item} has no hash" for item in unhashed(lock)]
    for name, version in locked.items():
        if constrained.get(name, version) != version:
            faults.append(f"{name} is {version}, the constraints have {constrained[name]}")
    names = [canonical(re.split(r"[<>=!~\[; ]", item, maxsplit=1)[0]) for item in wanted]
    return faults + [f"{name} is not locked" for name in names if name not in locked]


def lock() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    constraints, text, test, docs = (path.read_text(encoding="utf-8") for path in (CONSTRAINTS, LOCK, TEST_LOCK, DOCS_LOCK))
    faults = lock_faults(text, constraints, wanted)
    extras = project["project"]["optional-dependencies"]
    faults += [f"{TEST_LOCK.name}: {fault}" for fault in lock_faults(test, constraints, [*wanted, *extras["test"]])]
    faults += [f"{DOCS_LOCK.name}: {fault}" for fault in lock_faults(docs, constraints, extras["docs"])]
    faults += [f"{name} differs in {TEST_LOCK.name}" for name, version in pins(text).items() if pins(test).get(name) != version]
    faults += [f"security.lock: {item} has no hash" for item in unhashed(TOOL_LOCK.read_text(encoding="utf-8"))]
    if faults:
        raise Failed(f"{'; '.join(faults[:6])}: run make lock")
    return f"{len(pins(text))} dependencies, {len(pins(test))} with those of the tests, each with its hashes"


def open_installs(text: str) -> list[str]:
    """The install commands that could bring what nobody locked: neither by hash and as wheels, nor without any index.

    A wheel needs no build; a source archive would bring its build requirements, which no hash of the lock covers.
    """
    lines = re.sub(r"\\\n", " ", text).splitlines()
    names = dict(match.groups() for line in lines if (match := re.match(r"([A-Z_]+) *:?= *(.*)", line)))
    found = []
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
                found.append(command.strip())
    return found


def installs() -> str:
    """What `make`, CI and the image install comes by its hash."""
    files = [ROOT / "Makefile", ROOT / ".ci" / "run", *sorted((ROOT / "deploy" / "image").iterdir())]
    faults = [f"{path.relative_to(ROOT)}: {line}" for path in files for line in open_installs(path.read_text(encoding="utf-8"))]
    if faults:
        raise Failed("; ".join(faults))
    return "Makefile, CI and image install by hash, and the project itself without an index"


def audited(told: dict[str, Any]) -> str:
    """What pip-audit says: vulnerabilities fail; what it could not look up is not called safe."""
    found = told["dependencies"]
    bad = [
        f"{item['name']} {item['version']}: {', '.join(each['id'] for each in item['vulns'])}"
        for item in found
        if item.get("vulns")
    ]
    if bad:
        raise Failed("; ".join(bad))
    unknown = [item["name"] for item in found if "skip_reason" in item]
    if unknown:
        raise NotRun(
            f"{len(unknown)} of {len(found)} dependencies could not be looked up: the advisories are not reached from here"
        )
    return f"no known vulnerability in {len(found)} dependencies"


def vulnerabilities() -> str:
    command = [str(TOOLS / "pip-audit"), "-r", str(LOCK), "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    try:
        return audited(json.loads(run([*command, "-f", "json"], codes=(0, 1))))
    except (Failed, ValueError) as error:
        if isinstance(error, Failed) and re.search("Connection|resolve|timed out|ProxyError|SSLError", str(error)):
            raise NotRun("the advisories need a network beyond the package index") from None
        raise


def code() -> str:
    folders = [str(ROOT / name) for name in ("console", "queries", "widgets", "deploy")]
    told = json.loads(run([str(TOOLS / "bandit"), "-q", "-r", *folders, "-ll", "-s", _NOTED, "-f", "json"], codes=(0, 1)))
    found = [f"{Path(item['filename']).name}:{item['line_number']} {item['test_id']}" for item in told["results"]]
    if found or told["errors"]:
        raise Failed("; ".join(found) or f"not read: {told['errors']}")
    return f"{told['metrics']['_totals']['loc']} lines, nothing of medium or high severity"


def secrets(files: list[str] | None = None, *, folder: Path = ROOT) -> str:
    """No secret in any file that git knows; the made-up ones of the tests are listed here with the reason."""
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
    """CycloneDX, of what is locked; the schema's own check is the tool's."""
    BILL.parent.mkdir(exist_ok=True)
    command = [str(TOOLS / "cyclonedx-py"), "requirements", str(LOCK), "--pyproject", str(ROOT / "pyproject.toml")]
    run([*command, "--output-reproducible", "--of", "JSON", "--output-file", str(BILL)])
    made = json.loads(BILL.read_text(encoding="utf-8"))
    components = {canonical(item["name"]): item.get("version") for item in made["components"]}
    if made["bomFormat"] != "CycloneDX" or components != pins(LOCK.read_text(encoding="utf-8")):
        raise Failed("the bill does not list what is locked")
    return f"{BILL.relative_to(ROOT)}: CycloneDX {made['specVersion']}, {len(components)} components"


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
