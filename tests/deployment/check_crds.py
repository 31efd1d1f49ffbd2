"""Hold manifests of KEDA and of the Prometheus operator against their models: `python check_crds.py FILE…`.

It runs with the Python of .checkers. The models carry what the custom resource definitions of KEDA 2.16 and of the
operator 0.80 say, the newest that Python 3.11 can have. Prints each breach and how many objects were held against them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus
from pydantic import ValidationError

MODELS = {
    ("keda.sh/v1alpha1", "ScaledObject"): keda.ScaledObject,
    ("keda.sh/v1alpha1", "TriggerAuthentication"): keda.TriggerAuthentication,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): prometheus.ServiceMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): prometheus.PrometheusRule,
}

NEWER = {
    ("ScaledObject", "spec.fallback.behavior"): {
        "static",
        "currentReplicas",
        "currentReplicasIfHigher",
        "currentReplicasIfLower",
    },
}
"""Fields that are newer than the models, with their allowed values: KEDA 2.17's way of falling back."""


def breaches(manifest: dict[str, Any]) -> Iterator[str]:
    """Give what is wrong with one object, if its kind is one of ours."""
    model = MODELS[manifest["apiVersion"], manifest["kind"]]
    try:
        understood = model.model_validate(manifest).model_dump(by_alias=True, exclude_unset=True, mode="json")
    except ValidationError as error:
        yield from (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        return
    for path, value in _ignored(manifest, understood, ""):
        allowed = NEWER.get((manifest["kind"], path))
        if allowed is None or value not in allowed:
            yield f"{path}: is not known"


def _ignored(given: Any, understood: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give what a model has left out, since it does not know it."""
    if isinstance(given, dict):
        for name, value in given.items():
            place = f"{path}.{name}".lstrip(".")
            if not isinstance(understood, dict) or name not in understood:
                yield place, value
            else:
                yield from _ignored(value, understood[name], place)
    elif isinstance(given, list):
        for number, (value, other) in enumerate(zip(given, understood, strict=True)):
            yield from _ignored(value, other, f"{path}.{number}")


def _main() -> int:
    lines = []
    held = 0
    for name in sys.argv[1:]:
        for manifest in yaml.safe_load_all(Path(name).read_text(encoding="utf-8")):
            if manifest and (manifest["apiVersion"], manifest["kind"]) in MODELS:
                held += 1
                place = f"{name}: {manifest['kind']} {manifest['metadata']['name']}"
                lines += [f"{place}: {breach}" for breach in breaches(manifest)]
    sys.stdout.write("\n".join([*lines, f"{held} objects", ""]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(_main())
