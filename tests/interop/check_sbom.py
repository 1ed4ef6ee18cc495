"""Holds bills of materials against CycloneDX's own schema, by the library of its makers. Prints what each contains."""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

for name in sys.argv[1:]:
    text = pathlib.Path(name).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        sys.exit(f"{name}: {error}")
    bom = json.loads(text)
    components = bom["components"]
    for component in list(components):
        components += component.get("components", [])
    refs = [component["bom-ref"] for component in components] + [bom["metadata"]["component"]["bom-ref"]]
    if len(refs) != len(set(refs)):
        sys.exit(f"{name}: something stands there twice")
    named = {ref for one in bom["dependencies"] for ref in [one["ref"], *one.get("dependsOn", [])]}
    if not named <= set(refs):
        sys.exit(f"{name}: needs what it does not list: {sorted(named - set(refs))}")
    for component in components:
        print(pathlib.Path(name).name.split(".")[0], component["purl"])
