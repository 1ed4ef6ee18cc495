"""Writes what each program contains, as CycloneDX 1.6: one file a program into a folder.

    python3 provisioning/sbom/make.py FOLDER

Asks cargo, Cargo.lock and the viewer's package-lock.json; needs nothing but Python 3.11. The same sources give the same bytes.
"""

import base64
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid
from urllib.parse import quote

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = "x86_64-unknown-linux-gnu"
# Program, its package, and whether the viewer is inside.
PROGRAMS = [
    ("barefoot-edge", "barefoot-edge", False),
    ("barefoot-hub", "barefoot-hub", True),
    ("barefootctl", "barefoot-ctl", False),
]
# Other people's C sources within a crate, and where these say their version.
WITHIN = {
    "libsqlite3-sys": ("sqlite", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION\s+"([^"]+)"', "blessing"),
    "zstd-sys": ("zstd", None, r"\+zstd\.(.+)$", "BSD-3-Clause"),
}


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked", "--offline"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def packages():
    """Name and version of every package: what cargo knows of it, and the checksum the lock file holds."""
    known = {}
    for package in json.loads(cargo("metadata", "--format-version", "1"))["packages"]:
        known[package["name"], package["version"]] = package
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    sums = {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}
    return known, sums


def tree(package):
    """What is linked into a package's program: for each (name, version) those it needs itself."""
    text = cargo(
        "tree", "--package", package, "--target", TARGET, "--edges", "normal,no-proc-macro",
        "--prefix", "depth", "--format", " {p}",
    )
    needs, above = {}, []
    for line in text.splitlines():
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        key = (name, version)
        needs.setdefault(key, set())
        del above[int(depth):]
        if above:
            needs[above[-1]].add(key)
        above.append(key)
    return needs


def crate_purl(key):
    return f"pkg:cargo/{key[0]}@{quote(key[1], safe='.')}"


def licences(text):
    if not text:
        return {}
    # Cargo's older way of saying OR.
    return {"licenses": [{"expression": text.replace("/", " OR ")}]}


def crate(key, known, sums):
    package = known[key]
    component = {
        "type": "library",
        "bom-ref": crate_purl(key),
        "name": key[0],
        "version": key[1],
        **licences(package["license"]),
        "purl": crate_purl(key),
    }
    if sums.get(key):
        component["hashes"] = [{"alg": "SHA-256", "content": sums[key]}]
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    if key[0] in WITHIN:
        name, file, pattern, licence = WITHIN[key[0]]
        folder = pathlib.Path(package["manifest_path"]).parent
        text = (folder / file).read_text() if file else key[1]
        version = re.search(pattern, text).group(1)
        purl = f"pkg:generic/{name}@{version}"
        component["components"] = [
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                **licences(licence),
                "purl": purl,
            }
        ]
    return component


def viewer():
    """The viewer and what npm brings to it, but what only builds or tests it."""
    lock = json.loads((ROOT / "cloud/viewer/package-lock.json").read_text())["packages"]
    shipped = {path: one for path, one in lock.items() if not one.get("dev")}

    def ref(path):
        name, version = shipped[path].get("name") or path.rpartition("node_modules/")[2], shipped[path]["version"]
        return "pkg:npm/" + quote(name, safe="/") + "@" + version

    def found(path, name):
        # As node looks: beside, then further up.
        while True:
            candidate = f"{path}/node_modules/{name}".lstrip("/")
            if candidate in shipped:
                return candidate
            if not path:
                return None
            path = path.rpartition("node_modules/")[0].rstrip("/")

    components, needs = [], {}
    for path, one in shipped.items():
        component = {
            "type": "library",
            "bom-ref": ref(path),
            "name": one.get("name") or path.rpartition("node_modules/")[2],
            "version": one["version"],
            **licences(one.get("license")),
            "purl": ref(path),
        }
        if one.get("integrity", "").startswith("sha512-"):
            digest = base64.b64decode(one["integrity"].removeprefix("sha512-")).hex()
            component["hashes"] = [{"alg": "SHA-512", "content": digest}]
        components.append(component)
        wanted = [found(path, name) for name in one.get("dependencies", {})]
        needs[ref(path)] = {ref(other) for other in wanted if other}
    return ref(""), components, needs


def bill(program, package, has_viewer, known, sums):
    linked = tree(package)
    own = next(key for key in linked if key[0] == package)
    components = [crate(key, known, sums) for key in linked if key != own]
    needs = {crate_purl(key): {crate_purl(other) for other in others} for key, others in linked.items()}
    if has_viewer:
        viewer_ref, more, more_needs = viewer()
        components += more
        needs |= more_needs
        needs[crate_purl(own)].add(viewer_ref)
    components.sort(key=lambda one: one["bom-ref"])
    itself = crate(own, known, sums) | {"type": "application", "name": program}
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": itself},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(needs[ref])} for ref in sorted(needs)],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, digest).urn,
        **content,
    }


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    known, sums = packages()
    for program, package, has_viewer in PROGRAMS:
        made = bill(program, package, has_viewer, known, sums)
        path = folder / f"{program}.cdx.json"
        path.write_text(json.dumps(made, indent=2) + "\n")
        print(f"{path}: {len(made['components'])} components")


if __name__ == "__main__":
    main(sys.argv[1])
