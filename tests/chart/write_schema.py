"""Write the generated parts of the chart's values.schema.json, or check them: `python -m tests.chart.write_schema`.

What is the chart's own is written by hand there. What is not stands below `definitions` and is taken from where it is
defined: a rotation's spec from the product, the parts of a pod from the Kubernetes API, closed as that is.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from rotator.policy.model import json_schema

Json = dict[str, Any]
SCHEMA = Path(__file__).parents[2] / "charts/rotator/values.schema.json"
KUBERNETES = "v1.37.0"
OWN = "own."
"""Definitions with this prefix are the chart's, and are left as they are."""
PRODUCT = "rotation."
ROOTS = (
    "io.k8s.api.core.v1.Affinity",
    "io.k8s.api.core.v1.EnvFromSource",
    "io.k8s.api.core.v1.EnvVar",
    "io.k8s.api.core.v1.LocalObjectReference",
    "io.k8s.api.core.v1.PodSecurityContext",
    "io.k8s.api.core.v1.ResourceRequirements",
    "io.k8s.api.core.v1.SecurityContext",
    "io.k8s.api.core.v1.Toleration",
    "io.k8s.api.core.v1.Volume",
    "io.k8s.api.core.v1.VolumeMount",
    "io.k8s.api.networking.v1.NetworkPolicyEgressRule",
    "io.k8s.api.networking.v1.NetworkPolicyPeer",
)
_REFERENCE = re.compile(r"#/definitions/([\w.-]+)")


def kubernetes() -> Json:
    """Return the definitions of the Kubernetes API that the chart's values use, without their descriptions."""
    place = (
        files("kubernetes_validate") / f"kubernetes-json-schema/{KUBERNETES}-local-strict/_definitions.json"
    )
    every = json.loads(place.read_text(encoding="utf-8").replace("#/$defs/", "#/definitions/"))["$defs"]
    found: Json = {}
    wanted = list(ROOTS)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _bare(every[name])
            wanted += _REFERENCE.findall(json.dumps(found[name]))
    return found


def product() -> Json:
    """Return the definitions that a rotation's spec is made of, as draft 7 has them."""
    text = json.dumps(json_schema()["$defs"]).replace("#/$defs/", f"#/definitions/{PRODUCT}")
    return {f"{PRODUCT}{name}": definition for name, definition in json.loads(text).items()}


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _bare(each)
        for name, each in schema.items()
        if not name.startswith("x-") and not (name == "description" and isinstance(each, str))
    }


def whole(written: Json) -> Json:
    """Return the schema with its generated parts made anew."""
    own = {name: d for name, d in written["definitions"].items() if name.startswith(OWN)}
    return {**written, "definitions": {**own, **dict(sorted({**product(), **kubernetes()}.items()))}}


def main() -> None:
    """Write, or with `--check` only compare."""
    text = SCHEMA.read_text(encoding="utf-8")
    new = json.dumps(whole(json.loads(text)), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        SCHEMA.write_text(new, encoding="utf-8")
    elif new != text:
        sys.exit("values.schema.json is not as the code says: python -m tests.chart.write_schema")


if __name__ == "__main__":
    main()
