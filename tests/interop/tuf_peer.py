"""The reference implementation of The Update Framework, as the other side of our own.

    tuf_peer.py update REPOSITORY STATE NOW   reads a repository as a client that keeps STATE between calls
    tuf_peer.py make REPOSITORY BUNDLE NOW    makes a repository with one release, under a root rotated once

One line of JSON answers: {"files": {path: bytes read}} or {"refused": class, "why": text}.
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError, RepositoryError, DownloadError
from tuf.api.metadata import Metadata, MetaFile, Role, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater

PIECE = 4096


class Folder(FetcherInterface):
    """Files of a folder, as if they came by HTTP."""

    def _fetch(self, url):
        path = Path(url.removeprefix("file://"))
        if not path.is_file():
            raise DownloadHTTPError("no such file", 404)
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


def update(repository, state, now):
    metadata, downloads = state / "metadata", state / "targets"
    downloads.mkdir(parents=True, exist_ok=True)
    updater = Updater(
        str(metadata),
        f"file://{repository}/metadata/",
        str(downloads),
        f"file://{repository}/targets/",
        fetcher=Folder(),
        bootstrap=(repository / "metadata" / "1.root.json").read_bytes(),
    )
    # The client takes its time when it starts; ours is given to it.
    updater._trusted_set.reference_time = now
    updater.refresh()
    targets = Metadata[Targets].from_file(str(metadata / "targets.json")).signed.targets
    read = {}
    for path in targets:
        local = updater.download_target(updater.get_targetinfo(path), str(downloads / path.replace("/", "_")))
        read[path] = Path(local).stat().st_size
    return read


def make(repository, bundle, now):
    roles = ["root", "targets", "snapshot", "timestamp"]
    signers = {role: [CryptoSigner.generate_ed25519()] for role in roles}
    signers["targets"].append(CryptoSigner.generate_ed25519())
    expires = now + timedelta(days=10)
    metadata = repository / "metadata"
    metadata.mkdir(parents=True)

    def save(signed, by, name):
        envelope = Metadata(signed)
        for signer in by:
            envelope.sign(signer, append=True)
        envelope.to_file(str(metadata / name))

    root = Root(expires=now + timedelta(days=100), consistent_snapshot=True)
    for role in roles:
        for signer in signers[role]:
            root.add_key(signer.public_key, role)
    root.roles["targets"].threshold = 2
    save(root, signers["root"], "1.root.json")
    # Another root key and another timestamp key: signed by the old root key and the new one.
    old = signers["root"][0]
    for role in ["root", "timestamp"]:
        root.revoke_key(signers[role][0].public_key.keyid, role)
        signers[role] = [CryptoSigner.generate_ed25519()]
        root.add_key(signers[role][0].public_key, role)
    root.version = 2
    save(root, [old, *signers["root"]], "2.root.json")

    targets = Targets(expires=expires)
    for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
        inside = file.relative_to(bundle).as_posix()
        path = f"cxr/0.2.0/{inside}"
        target = TargetFile.from_file(path, str(file), ["sha256", "sha512"])
        if inside == "manifest.toml":
            release = {
                "model": "cxr",
                "version": "0.2.0",
                "sequence": 7,
                "demonstration": False,
                "report_sha256": None,
                "base_version": "0.1.0",
            }
            target.unrecognized_fields["custom"] = {"release": release, "note": "a \"note\" \\ 注释"}
        targets.targets[path] = target
        content = file.read_bytes()
        stored = repository / "targets" / Path(path).parent / f"{hashlib.sha256(content).hexdigest()}.{file.name}"
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(content)
    save(targets, signers["targets"], "1.targets.json")
    save(Snapshot(expires=expires, meta={"targets.json": MetaFile(1)}), signers["snapshot"], "1.snapshot.json")
    timestamp = Timestamp(expires=expires, snapshot_meta=MetaFile(1))
    timestamp.unrecognized_fields["x-other"] = {"z": [1, None, True], "a": "注释"}
    save(timestamp, signers["timestamp"], "timestamp.json")
    return {path: target.length for path, target in targets.targets.items()}


def main():
    command, repository, second, now = sys.argv[1:]
    moment = datetime.strptime(now, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    act = {"update": update, "make": make}[command]
    try:
        answer = {"files": act(Path(repository), Path(second), moment)}
    except (RepositoryError, DownloadError) as error:
        answer = {"refused": type(error).__name__, "why": str(error)}
    print(json.dumps(answer))


main()
