"""Renders the chart as Helm's engine would (Go's own text/template), with the values as they are and with every switch turned,
holds what comes out against the schemas of Kubernetes, and asks podman-compose whether it understands compose.yaml. The
settings of both go to the program itself, where one is given: check.py [PROGRAM]."""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile

import go_template
import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
KUBERNETES = "1.29"

TURNED = {
    "enrolmentSecret": "issuing",
    "storeKeySecret": "store",
    "releaseRootConfigMap": "root",
    "backupClaim": "backup",
    "dicomweb": True,
    "imagePullSecrets": ["registry"],
    "worklist": True,
}


def rendered(values):
    """Every document of the chart."""
    context = {
        "Values": values,
        "Release": {"Name": "region", "Namespace": "barefoot", "Service": "Helm"},
        "Chart": yaml.safe_load((HERE / "chart/Chart.yaml").read_text()),
    }
    documents = []
    with tempfile.TemporaryDirectory() as folder:
        given = pathlib.Path(folder) / "values.json"
        given.write_text(json.dumps(context))
        for template in sorted((HERE / "chart/templates").glob("*.yaml")):
            out = pathlib.Path(folder) / template.name
            go_template.render_template(str(template), str(given), str(out))
            text = out.read_text()
            assert "<no value>" not in text, f"{template.name} names a value that is not there"
            documents.extend(document for document in yaml.safe_load_all(text) if document)
    return documents


def check_chart(values, program):
    documents = rendered(values)
    kinds = [document["kind"] for document in documents]
    assert sorted(kinds) == ["ConfigMap", "Service", "StatefulSet"], kinds
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    by_kind = {document["kind"]: document for document in documents}
    pod = by_kind["StatefulSet"]["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]} | {"state"}
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert volumes == mounts, volumes ^ mounts
    ports = {port["name"] for port in pod["containers"][0]["ports"]}
    assert ports == {port["targetPort"] for port in by_kind["Service"]["spec"]["ports"]}
    check_settings(by_kind["ConfigMap"]["data"]["hub.toml"], program)


def check_settings(text, program):
    if program is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "hub.toml"
        path.write_text(text)
        subprocess.run([program, "--config", path, "--check-config"], check=True)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else None
    values = yaml.safe_load((HERE / "chart/values.yaml").read_text())
    check_chart(values, program)
    turned = copy.deepcopy(values) | TURNED
    turned["storage"]["className"] = "fast"
    turned["service"]["annotations"] = {"example.org/pool": "clinics"}
    check_chart(turned, program)
    for switch in values:
        if isinstance(values[switch], bool):
            check_chart(copy.deepcopy(values) | {switch: not values[switch]}, program)
    check_settings((HERE / "hub.toml").read_text(), program)
    compose = pathlib.Path(sys.executable).parent / "podman-compose"
    subprocess.run([compose, "--file", HERE / "compose.yaml", "config"], check=True, stdout=subprocess.DEVNULL)
    service = yaml.safe_load((HERE / "compose.yaml").read_text())["services"]["hub"]
    named = {secret for secret in service["secrets"]}
    wanted = {line.split("/run/secrets/")[1].rstrip('"') for line in (HERE / "hub.toml").read_text().splitlines() if "/run/secrets/" in line}
    assert named == wanted, named ^ wanted
    print("The chart and compose.yaml are in order.")


if __name__ == "__main__":
    main()
