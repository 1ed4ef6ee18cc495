"""Writes the licences of what each program contains of others: one compressed text a package into a folder.

    python3 provisioning/debian/notices.py FOLDER [TARGET]

Lists the same components as the bills of materials do, with the files by which their authors licensed them.
"""

import gzip
import hashlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "provisioning/sbom"))

import make  # noqa: E402

BEGINNINGS = ("licen", "copying", "copyright", "notice", "unlicense")
LINE = "=" * 78 + "\n"


def texts(folder):
    """The files of a package that say what may be done with it, by name."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and path.name.lower() in ("licenses", "license"):
            found |= texts(path)
        elif path.is_file() and path.name.lower().startswith(BEGINNINGS) and path.suffix not in (".rs", ".html"):
            found[path.name] = path.read_text(errors="replace").strip() + "\n"
    return found


def of_crates(package, known):
    for key in sorted(make.tree(package)):
        if key[0].startswith("barefoot-"):
            continue
        about = known[key]
        yield f"{key[0]} {key[1]}", about["license"], about["authors"], pathlib.Path(about["manifest_path"]).parent


def of_viewer():
    _, components, _ = make.viewer()
    modules = ROOT / "cloud/viewer/node_modules"
    for one in sorted(components, key=lambda one: one["bom-ref"]):
        licence = one.get("licenses", [{}])[0].get("expression")
        yield f"{one['name']} {one['version']}", licence, [], modules / one["name"]


def notices(components):
    """Each text once, with all whose text it is."""
    heads, kept, owners = [], {}, {}
    for name, licence, authors, folder in components:
        heads.append(f"{name}: {licence or 'see below'}" + (f" ({', '.join(authors)})" if authors else "") + "\n")
        for text in texts(folder).values():
            digest = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            kept.setdefault(digest, text)
            owners.setdefault(digest, []).append(name)
    parts = ["What this program contains of others, by their own words.\n\n", *heads]
    for digest, text in kept.items():
        parts += ["\n", LINE, "Of ", ", ".join(dict.fromkeys(owners[digest])), ":\n\n", text]
    return "".join(parts)


def main(folder, target):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    make.TARGET = target
    known, _ = make.packages()
    for program, package, has_viewer in make.PROGRAMS:
        components = list(of_crates(package, known))
        if has_viewer:
            components += of_viewer()
        path = folder / f"{program}.txt.gz"
        # No name and no time within: the same sources give the same bytes.
        path.write_bytes(gzip.compress(notices(components).encode(), 9, mtime=0))
        print(f"{path}: {len(components)} components")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if 2 < len(sys.argv) else make.TARGET)
