"""Fails where a pinned version was withdrawn by its authors: yanked from crates.io or PyPI, or gone from npm. Says which npm
packages are no longer kept. Advisories are another matter: the registries know none.

    python3 tests/xtask/withdrawn.py
"""

import concurrent.futures
import json
import pathlib
import re
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQUIREMENTS = [
    "tests/interop/requirements.txt",
    "tests/bench/requirements.txt",
    "tests/bench/inference/requirements.txt",
]
ATTEMPTS = 4


def fetch(url, accept="*/*"):
    """None where it is not there."""
    for attempt in range(ATTEMPTS):
        request = urllib.request.Request(url, headers={"Accept": accept, "User-Agent": "barefoot-xtask"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                return None
            if attempt + 1 == ATTEMPTS:
                raise
        except OSError:
            if attempt + 1 == ATTEMPTS:
                raise
        time.sleep(2**attempt)
    return None


def crate(name, version):
    low = name.lower()
    folder = {1: "1", 2: "2", 3: f"3/{low[0]}"}.get(len(low), f"{low[:2]}/{low[2:4]}")
    text = fetch(f"https://index.crates.io/{folder}/{low}")
    entries = [json.loads(line) for line in (text or "").splitlines()]
    entry = next((one for one in entries if one["vers"] == version), None)
    if entry is None:
        return "is not on crates.io"
    return "was yanked from crates.io" if entry["yanked"] else None


def python_package(name, version):
    name = re.sub(r"[-_.]+", "-", name.split("[")[0]).lower()
    text = fetch(f"https://pypi.org/simple/{name}/", "application/vnd.pypi.simple.v1+json")
    if text is None:
        return "is not on PyPI"
    # What a mirror without the JSON form answers cannot be judged.
    if not text.lstrip().startswith("{"):
        raise OSError("PyPI's index does not answer as JSON")
    written = re.compile(rf"[-_.]{re.escape(version)}([-.]|$)")
    files = [one for one in json.loads(text)["files"] if written.search(one["filename"])]
    if not files:
        return "is not on PyPI"
    return "was yanked from PyPI" if all(one.get("yanked") for one in files) else None


def npm_package(name, version):
    text = fetch(f"https://registry.npmjs.org/{urllib.parse.quote(name, safe='@')}", "application/vnd.npm.install-v1+json")
    entry = json.loads(text)["versions"].get(version) if text else None
    if entry is None:
        return "is not on npm"
    if entry.get("deprecated"):
        print(f"npm {name} {version} is no longer kept: {entry['deprecated']}")
    return None


def pinned():
    for package in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]:
        if package.get("source"):
            yield crate, package["name"], package["version"]
    for path in REQUIREMENTS:
        for line in (ROOT / path).read_text().splitlines():
            if found := re.match(r"([^#=\s]+)==(\S+)", line):
                yield python_package, found[1], found[2]
    for path, package in json.loads((ROOT / "cloud/viewer/package-lock.json").read_text())["packages"].items():
        if path and "version" in package and not package.get("link"):
            yield npm_package, path.rpartition("node_modules/")[2], package["version"]


def main():
    wanted = sorted(set(pinned()), key=lambda one: (one[0].__name__, one[1], one[2]))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: one[0](one[1], one[2]), wanted))
    bad = [f"{name} {version} {why}" for (_, name, version), why in zip(wanted, answers) if why]
    print(f"{len(wanted)} pinned versions, {len(bad)} withdrawn")
    if bad:
        sys.exit("\n".join(bad))


if __name__ == "__main__":
    main()
