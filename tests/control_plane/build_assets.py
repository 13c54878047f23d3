"""Brings etcd, kube-apiserver and kube-controller-manager into the user's cache, for the contract suite.

Run by `make cluster-assets`; never by the tests. First setup-envtest, where the network reaches its archive; else Go builds
the pinned Kubernetes release and the etcd it is made for from the module proxy (about ten minutes on two cores), with the
distribution's etcd package where that etcd cannot be built. Prints the line to export at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from go_build import Missing, attempt, cache_folder, go, install, module_folder, run, tool

VERSION = "1.36.3"
PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")
SETUP_ENVTEST = "sigs.k8s.io/controller-runtime/tools/setup-envtest@latest"


def say(text: str) -> None:
    print(f"cluster-assets: {text}", file=sys.stderr, flush=True)


# --- the ways


def from_envtest(target: Path, work: Path, *, release: str) -> None:
    """The ecosystem's own archive of test binaries."""
    say("trying setup-envtest (its archive may lack the controller manager, which is then built)")
    found = shutil.which("setup-envtest")
    if found is None:
        go("install", SETUP_ENVTEST, where=work, seconds=60)
        found = str(Path(go("env", "GOPATH", where=work, seconds=20).strip()) / "bin" / "setup-envtest")
    minor = ".".join(release.split(".")[:2])
    told = run([found, "use", f"{minor}.x!", "--bin-dir", str(work), "-p", "path"], where=work, seconds=45)
    folder = Path(told.strip())
    for part in PARTS:
        if (folder / part).is_file():
            install(folder / part, target / part)


def build_kubernetes(target: Path, work: Path, *, release: str) -> None:
    """Both Kubernetes binaries out of a module that pins the staging repositories to the release."""
    wanted = [part for part in PARTS[1:] if not (target / part).is_file()]
    if not wanted:
        return
    source = module_folder(f"k8s.io/kubernetes@v{release}", where=work)
    text = (source / "go.mod").read_text()
    staging = sorted(set(re.findall(r"(k8s\.io/[\w.-]+) v0\.0\.0(?=\s|$)", text)))
    staged = release.partition(".")[2]
    (work / "go.mod").write_text(
        f"module cluster-assets\n\ngo {_go_line(text)}\n\nrequire k8s.io/kubernetes v{release}\n\nreplace (\n"
        + "".join(f"\t{name} => {name} v0.{staged}\n" for name in staging)
        + ")\n"
    )
    _use(work, *(f"k8s.io/kubernetes/cmd/{part}/app" for part in wanted))
    say("resolving the modules of Kubernetes")
    go("mod", "tidy", "-e", where=work)
    major, minor, _ = release.split(".")
    named = "k8s.io/component-base/version"
    flags = f"-s -w -X {named}.gitVersion=v{release} -X {named}.gitMajor={major} -X {named}.gitMinor={minor}"
    for part in wanted:
        say(f"building {part} {release} (minutes)")
        _build(work, f"k8s.io/kubernetes/cmd/{part}", part, flags)
        install(work / part, target / part)


def build_etcd(target: Path, work: Path, *, release: str) -> None:
    """The etcd that the release was made for: older ones lack watch progress, and with it the bookmarks."""
    source = module_folder(f"k8s.io/kubernetes@v{release}", where=work)
    found = re.search(r"go\.etcd\.io/etcd/client/v3 (v\S+)", (source / "go.mod").read_text())
    if found is None:
        raise Missing("the Kubernetes release names no version of etcd")
    module = f"go.etcd.io/etcd/server/v3@{found[1]}"
    server = module_folder(module, where=work)
    line = _go_line((server / "go.mod").read_text())
    required = module.replace("@", " ")
    (work / "go.mod").write_text(f"module cluster-assets\n\ngo {line}\n\nrequire {required}\n")
    _use(work, "go.etcd.io/etcd/server/v3/etcdmain")
    go("mod", "tidy", "-e", where=work)
    say(f"building etcd {found[1]}")
    _build(work, "go.etcd.io/etcd/server/v3", "etcd", "-s -w")
    install(work / "etcd", target / "etcd")


def unpack_etcd(target: Path, work: Path) -> None:
    """The distribution's package, unpacked without root."""
    apt = tool("apt-get", brings="the distribution's etcd can only be fetched on Debian and Ubuntu")
    dpkg = tool("dpkg", brings="it unpacks the distribution's etcd")
    say("fetching the distribution's package etcd-server")
    run([apt, "download", "etcd-server"], where=work, seconds=120)
    packages = sorted(work.glob("etcd-server_*.deb"))
    if not packages:
        raise Missing("apt-get downloaded no package etcd-server")
    run([dpkg, "-x", str(packages[0]), str(work / "unpacked")], where=work, seconds=60)
    install(work / "unpacked" / "usr" / "bin" / "etcd", target / "etcd")


def _go_line(text: str) -> str:
    found = re.search(r"^go (\S+)", text, re.MULTILINE)
    if found is None:
        raise Missing("a go.mod without its `go` line")
    return found[1]


def _use(work: Path, *packages: str) -> None:
    imports = "".join(f'\t_ "{package}"\n' for package in packages)
    (work / "tools.go").write_text(f"//go:build tools\n\npackage tools\n\nimport (\n{imports})\n")


def _build(work: Path, package: str, name: str, flags: str) -> None:
    go("build", "-p", str(os.cpu_count() or 2), "-trimpath", "-ldflags", flags, "-o", name, package, where=work)


# --- the order


def missing_from(target: Path) -> list[str]:
    return [part for part in PARTS if not (target / part).is_file()]


def bring(target: Path, *, envtest: bool, release: str = VERSION) -> list[str]:
    """Brings what is missing; gives the reasons why something still is."""
    reasons: list[str] = []
    if missing_from(target) and envtest:
        reasons.append(attempt(partial(from_envtest, release=release), target, "setup-envtest", say))
    if "etcd" in missing_from(target):
        reasons.append(attempt(partial(build_etcd, release=release), target, "etcd from the module proxy", say))
    if "etcd" in missing_from(target):
        reasons.append(attempt(unpack_etcd, target, "etcd from the distribution", say))
    if missing_from(target):
        reasons.append(attempt(partial(build_kubernetes, release=release), target, "Kubernetes from the module proxy", say))
    return [reason for reason in reasons if reason]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Bring a Kubernetes control plane for the contract suite into the cache.")
    parser.add_argument("--release", default=VERSION, metavar="1.2.3", help="of Kubernetes (default: %(default)s)")
    parser.add_argument("--into", type=Path, help="folder of the binaries (default: one in the cache, by their release)")
    parser.add_argument("--without-envtest", action="store_true", help="do not try setup-envtest, build at once")
    chosen = parser.parse_args(arguments)
    target = (chosen.into or cache_folder("control-plane", chosen.release)).resolve()
    reasons = bring(target, envtest=not chosen.without_envtest, release=chosen.release)
    if lacking := missing_from(target):
        print(
            f"cluster-assets: {', '.join(lacking)} could not be brought: {reasons[-1] if reasons else 'no way was open'}",
            file=sys.stderr,
        )
        return 1
    say(f"{', '.join(PARTS)} are in {target}")
    print(f"export KUBEBUILDER_ASSETS={target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
