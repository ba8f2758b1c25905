"""Charts and manifests as Kubernetes would take them, as a command:

kubernetes.py template CHART   renders a chart with helm's own code, as release `pushonce`
                               into the namespace `registry`; values, YAML, on standard input
kubernetes.py lint CHART       fails where helm has anything against it
kubernetes.py read             manifests, YAML, on standard input

The first and the last print a JSON array of the objects, each compared with the API
schemas of Kubernetes. What cannot be made or is none is said on standard error.
"""

import json
import sys

import helm_python as helm
import jsonschema
import kubernetes_validate
import yaml

VERSION = "1.37"

# Definitions of others, of which the package has no schemas.
OTHERS = {"monitoring.coreos.com/v1"}


def read(text):
    objects = [found for found in yaml.safe_load_all(text) if found]
    for found in objects:
        if found["apiVersion"] not in OTHERS:
            try:
                kubernetes_validate.validate(found, VERSION, strict=True)
            except jsonschema.ValidationError as error:
                sys.exit(f"{found['kind']} {found['metadata']['name']}: {error.json_path}: {error.message}")
    json.dump(objects, sys.stdout)


def template(chart):
    values = helm.values_from_yaml(sys.stdin.read() or "{}")
    with helm.Chart.load(chart) as loaded:
        try:
            loaded.validate_schema(values)
            rendered = loaded.render(values, name="pushonce", namespace="registry", is_install=True)
        except (helm.HelmRenderError, helm.HelmValuesError) as error:
            sys.exit(str(error))
    read("\n---\n".join(text for path, text in sorted(rendered.items()) if path.endswith(".yaml")))


def lint(chart):
    report = helm.lint(chart, strict=True)
    # 1 is advice, such as an icon for a shop of charts.
    against = [message for message in report["messages"] if message["severity"] > 1]
    if against or report["errors"]:
        sys.exit(f"{against} {report['errors']}")


if __name__ == "__main__":
    commands = {"template": template, "lint": lint, "read": lambda: read(sys.stdin.read())}
    commands[sys.argv[1]](*sys.argv[2:])
