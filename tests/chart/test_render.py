"""What the chart renders: linted by Helm, and checked strictly against the schemas of the Kubernetes API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from docs.generate import commands_of
from rotator.cli.verbs import cli
from rotator.policy.files import load
from rotator.systems.vault.variables import VARIABLES
from tests.chart.charts import (
    CHART,
    NOTES,
    RELEASE,
    Json,
    check_strictly,
    containers,
    environment,
    named,
    of_kind,
    pod,
    pods,
    render,
    texts,
)
from tests.chart.variants import (
    DIGEST,
    PODS,
    ROTATIONS,
    SEEN,
    VARIANTS,
    VAULT,
    VAULT_ROTATION,
    Values,
    example,
)

WARNING = 2
NEWEST, SHARDS, OLDEST = "1.37.0", "1.29.0", "1.27.0"
"""Versions of Kubernetes: the newest, the first that shards run well on, and the oldest that the chart takes."""
OTHERS = {"HTTPRoute", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
"""Kinds that no API server has by itself."""
variants = pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)


def test_helm_finds_nothing_to_warn_of() -> None:
    """The defaults, and everything at once."""
    for values in VARIANTS.values():
        report = helm_python.lint(CHART, values, strict=True)
        assert report["errors"] == []
        assert [m for m in report["messages"] if m["severity"] >= WARNING] == []


@pytest.mark.parametrize("version", [NEWEST, SHARDS, OLDEST])
@variants
def test_every_object_is_what_kubernetes_expects(values: Values, version: str) -> None:
    """No field is misspelt or of the wrong type, for the newest Kubernetes and for old ones."""
    if version == OLDEST:
        values = {k: v for k, v in values.items() if k != "jobs"}
    for document in render(values):
        if document["kind"] not in OTHERS:
            check_strictly(document, version)


@variants
def test_names_fit_and_nothing_is_rendered_twice(values: Values) -> None:
    """CronJobs have at most 52 characters, others 63, whatever the release is called."""
    for release in (RELEASE, "a-release-whose-name-is-as-long-as-helm-lets-it-be-53"):
        documents = render(values, name=release)
        keys = [(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents]
        assert len(set(keys)) == len(keys)
        for kind, _, name in keys:
            assert len(name) <= {"CronJob": 52, "ClusterRole": 253, "ClusterRoleBinding": 253}.get(kind, 63)


@variants
def test_every_object_and_every_pod_is_labelled(values: Values) -> None:
    """By the recommended labels, and by those of the values."""
    documents = render(values)
    for metadata in [d["metadata"] for d in documents + pods(documents)]:
        assert metadata["labels"]["app.kubernetes.io/name"] == "rotator"
        assert metadata["labels"]["app.kubernetes.io/instance"] == RELEASE
        assert values.get("commonLabels", {}).items() <= metadata["labels"].items()


@variants
def test_a_run_ends_before_kubernetes_ends_it(values: Values) -> None:
    """One run at a time, no repetition, a deadline inside the Job's, and nothing is left lying about."""
    for document in of_kind(render(values), "CronJob"):
        spec, job = document["spec"], document["spec"]["jobTemplate"]["spec"]
        template = job["template"]["spec"]
        deadline = environment(template["containers"][0])["ROTATOR_DEADLINE"]
        assert int(deadline.removesuffix("s")) + 30 < job["activeDeadlineSeconds"]
        assert (spec["concurrencyPolicy"], template["restartPolicy"]) == ("Forbid", "Never")
        assert job.get("backoffLimit", job.get("backoffLimitPerIndex")) == 0
        assert job["ttlSecondsAfterFinished"] > 0
        assert "timeZone" in spec
        assert template["terminationGracePeriodSeconds"] == 30
        assert template["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"


@variants
def test_every_variable_is_one_that_the_program_reads(values: Values) -> None:
    """A misspelt ROTATOR_ variable would be passed over in silence."""
    known = {
        name
        for command in commands_of(cli).values()
        for option in command.params
        for name in ([option.envvar] if isinstance(option.envvar, str) else option.envvar or ())
    }
    known |= {variable.name for variable in VARIABLES}
    used = {e["name"] for p in pods(render(values)) for c in containers(p) for e in c["env"]}
    assert {n for n in used if n.startswith(("ROTATOR_", "VAULT_"))} <= known


@variants
def test_mounts_have_volumes_and_nothing_secret_is_in_the_environment(values: Values) -> None:
    """What comes from a Secret comes as a file."""
    for of in pods(render(values)):
        volumes = {v["name"] for v in of["spec"]["volumes"]}
        for container in containers(of):
            assert {m["name"] for m in container["volumeMounts"]} == volumes
            assert not any("secretKeyRef" in e.get("valueFrom", {}) for e in container["env"])
            paths = [m["mountPath"] for m in container["volumeMounts"]]
            assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("name", ["example", "rotations", "everything"])
def test_the_policies_reach_the_program_as_they_were_given(name: str, tmp_path: Path) -> None:
    """Each in its own file, numbers and texts as they were, and all of them good."""
    values = VARIANTS[name]
    maps = [d for d in of_kind(render(values), "ConfigMap") if d["metadata"]["name"].endswith("-policies")]
    (data,) = (m["data"] for m in maps)
    for file, text in data.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    found = {p.ref: p.spec for p in load([tmp_path])}
    given = {f"{r.get('namespace', 'jobs')}/{r['name']}": r for r in values["rotations"]}
    assert found.keys() == given.keys()
    for text in data.values():
        document = yaml.safe_load(text)
        metadata = document["metadata"]
        rotation = given[f"{metadata['namespace']}/{metadata['name']}"]
        assert document["spec"] == rotation["spec"]
        assert {**metadata, "spec": document["spec"]} == {"namespace": "jobs", **rotation}


def _job(values: Values, name: str) -> tuple[Json, Json]:
    """Return the Job and the container of a CronJob."""
    spec = named(render(values), "CronJob", f"rotator-{name}")["spec"]["jobTemplate"]["spec"]
    return spec, spec["template"]["spec"]["containers"][0]


def test_a_job_is_split_into_shards() -> None:
    """Kubernetes numbers the pods of an Indexed Job, and one that fails does not end the others."""
    spec, container = _job(VARIANTS["sharded"], "rotate")
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)
    assert spec["backoffLimitPerIndex"] == 0
    assert "backoffLimit" not in spec
    assert container["command"] == ["python3", "/jobs/rotate"]
    assert container["args"] == [
        *("--selector", "team=payments,tier==1"),
        *("--type", "jwtSigningKey"),
        *("--name", "payments/payments-jwt"),
        *("--shard", "4"),
    ]


def test_a_job_says_for_itself_what_differs_from_the_defaults() -> None:
    """And keeps the rest of them."""
    spec, container = _job(VARIANTS["sharded"], "nightly")
    assert container["args"] == ["--concurrency=16"]
    assert environment(container).items() >= {"A": "b", "ROTATOR_DEADLINE": "3560s"}.items()
    assert container["resources"] == {
        "limits": {"memory": "1Gi"},
        "requests": {"cpu": "50m", "memory": "96Mi"},
    }
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (3600, 86400)


def test_rotate_now_is_made_by_people_and_its_reason_is_the_jobs_name() -> None:
    """It never runs by itself; which rotation is a variable, so that it can be set in a pipe."""
    assert named(render(example()), "CronJob", "rotator-rotate-now")["spec"]["suspend"] is True
    _, container = _job(VARIANTS["sharded"], "rotate-now")
    assert container["command"] == ["python3", "/jobs/rotate-now"]
    assert "args" not in container
    variables = environment(container)
    assert (variables["ROTATOR_NAME"], variables["ROTATOR_SELECTOR"]) == (
        "payments/payments-jwt",
        "team=payments",
    )
    (reason,) = (e["valueFrom"] for e in container["env"] if e["name"] == "ROTATOR_REASON")
    assert reason == {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/job-name']"}}


def test_a_job_can_be_left_out_or_replaced() -> None:
    """As Helm does it: with null, or switched off; others can be added beside."""
    for off in (None, {"enabled": False}):
        jobs = {"rotate": off, "hourly": {"run": "rotate", "schedule": "@hourly"}}
        documents = of_kind(render({**example(), "jobs": jobs}), "CronJob")
        assert {d["metadata"]["name"] for d in documents} == {"rotator-hourly", "rotator-rotate-now"}


def test_nothing_runs_while_nothing_is_declared() -> None:
    """An empty installation is quiet; one declaration of any kind starts the clock."""
    assert all(d["spec"]["suspend"] for d in of_kind(render(), "CronJob"))
    assert of_kind(render(), "Pod", "Role", "ConfigMap") == []
    for values in (example(), {"existingConfigMaps": ["more"]}, {"customResources": {"enabled": True}}):
        assert named(render(values), "CronJob", "rotator-rotate")["spec"]["suspend"] is False


@pytest.mark.parametrize(
    ("name", "variable", "volume"),
    [
        ("vault", "ROTATOR_VAULT_JWT_FILE", "projected"),
        ("vault by jwt", "ROTATOR_VAULT_JWT_FILE", "projected"),
        ("vault by approle", "ROTATOR_VAULT_SECRET_ID_FILE", "secret"),
        ("vault by a token file", "ROTATOR_VAULT_TOKEN_FILE", "secret"),
    ],
)
def test_the_login_at_vault_is_a_file(name: str, variable: str, volume: str) -> None:
    """A token of its own that lives for minutes, or a key of a Secret."""
    _, container = _job(VARIANTS[name], "rotate")
    assert environment(container)[variable] == "/var/run/rotator/vault-login/token"
    (mount,) = (m for m in container["volumeMounts"] if m["mountPath"] == "/var/run/rotator/vault-login")
    cronjob = named(render(VARIANTS[name]), "CronJob", "rotator-rotate")
    volumes = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    (found,) = (v for v in volumes if v["name"] == mount["name"])
    assert volume in found
    if name == "vault":
        (source,) = found["projected"]["sources"]
        token = {"audience": "vault", "expirationSeconds": 600, "path": "token"}
        assert source == {"serviceAccountToken": token}


def test_vault_is_told_of_where_it_is_and_how_to_log_in() -> None:
    """Only a run speaks to Vault: the exporter neither needs nor has its login."""
    _, container = _job(VARIANTS["vault"], "rotate")
    assert (
        environment(container).items()
        >= {
            "VAULT_ADDR": "https://vault.vault:8200",
            "VAULT_NAMESPACE": "platform",
            "VAULT_CACERT": "/var/run/rotator/vault-ca/ca.crt",
            "ROTATOR_VAULT_AUTH": "kubernetes",
            "ROTATOR_VAULT_AUTH_MOUNT": "k8s",
            "ROTATOR_VAULT_ROLE": "rotator",
        }.items()
    )
    exporter = of_kind(render({**VAULT_ROTATION, **VAULT, **SEEN}), "Deployment")[0]["spec"]["template"]
    assert "VAULT_ADDR" not in environment(exporter["spec"]["containers"][0])
    assert "vault-login" not in {v["name"] for v in exporter["spec"]["volumes"]}


def test_the_exporter_is_found_by_what_scrapes_it() -> None:
    """Service and monitors select its pods alone, and name its port."""
    documents = render({**ROTATIONS, **SEEN})
    deployment = named(documents, "Deployment", "rotator-exporter")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    jobs = [p["metadata"]["labels"] for d in of_kind(documents, "CronJob", "Pod") if (p := pod(d))]
    (container,) = deployment["template"]["spec"]["containers"]
    (port,) = container["ports"]
    selectors = [deployment["selector"]["matchLabels"]]
    service = named(documents, "Service", "rotator-exporter")
    selectors.append(service["spec"]["selector"])
    monitors = {
        "PodMonitor": ("podMetricsEndpoints", labels),
        "ServiceMonitor": ("endpoints", service["metadata"]["labels"]),
    }
    for kind, (field, target) in monitors.items():
        spec = named(documents, kind, "rotator-exporter")["spec"]
        assert spec.keys() == {"selector", field}
        (endpoint,) = spec[field]
        assert endpoint["port"] == "metrics"
        assert endpoint["honorLabels"] is True
        assert spec["selector"]["matchLabels"].items() <= target.items()
        selectors.append(spec["selector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= other.items() for other in jobs)
    assert container["command"] + container["args"] == [
        *("python3", "-m", "rotator", "metrics", "--listen", "0.0.0.0:9464")
    ]
    assert (port["name"], port["containerPort"]) == ("metrics", 9464)
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 9464, "targetPort": "metrics"}]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe] == {"httpGet": {"path": "/healthz", "port": "metrics"}}


def test_those_who_serve_are_found_by_what_asks_them() -> None:
    """Service, monitor, budget, Ingress and route name its pods alone, and only the public port is for everybody."""
    documents = render(VARIANTS["served"])
    deployment = named(documents, "Deployment", "rotator-serve")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert {p["name"]: p["containerPort"] for p in container["ports"]} == {"public": 8080, "operator": 9464}
    service = named(documents, "Service", "rotator-serve")["spec"]
    budget = named(documents, "PodDisruptionBudget", "rotator-serve")["spec"]
    monitor = named(documents, "PodMonitor", "rotator-serve")["spec"]
    for selector in (
        service["selector"],
        deployment["selector"]["matchLabels"],
        budget["selector"]["matchLabels"],
        monitor["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
        assert selector["app.kubernetes.io/component"] == "serve"
    assert service["ports"] == [{"name": "public", "port": 80, "targetPort": "public"}]
    assert monitor["podMetricsEndpoints"][0]["port"] == "operator"
    (rule,) = named(documents, "Ingress", "rotator-serve")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == (
        "api.example.com",
        "/.well-known/jwks.json",
        "Exact",
    )
    route = named(documents, "HTTPRoute", "rotator-serve")["spec"]
    assert route["rules"][0]["matches"] == [{"path": {"type": "Exact", "value": "/.well-known/jwks.json"}}]
    public, operator = named(documents, "NetworkPolicy", "rotator-serve")["spec"]["ingress"]
    assert (public["ports"][0]["port"], operator["ports"][0]["port"]) == ("public", "operator")
    assert public["from"] != operator["from"]


def test_those_who_serve_are_told_what_they_need() -> None:
    """Their clock, their pod, Vault and the policies, and as many seconds to end in as they count on."""
    spec = named(render(VARIANTS["served"]), "Deployment", "rotator-serve")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    named_there = {variable["name"] for variable in container["env"]}
    assert named_there >= {"POD_NAME", "POD_NAMESPACE", "POD_UID", "NODE_NAME", "VAULT_ADDR"}
    found = environment(container)
    assert (found["ROTATOR_SCHEDULE"], found["ROTATOR_TIME_ZONE"]) == ("*/5 * * * mon-fri", "Europe/Berlin")
    assert container["command"] + container["args"] == ["python3", "-m", "rotator", "serve"]
    assert spec["terminationGracePeriodSeconds"] > 25, "rotator serve --grace"
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "operator"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "operator"}


def test_those_who_serve_may_do_what_runs_may_and_see_their_own_pods() -> None:
    """One account; and whether the pods of other replicas are gone is seen in their own namespace alone."""
    documents = render(VARIANTS["served"])
    spec = named(documents, "Deployment", "rotator-serve")["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "rotator"
    role = named(documents, "Role", "rotator-serve")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    assert role["metadata"]["namespace"] == "jobs"
    assert not of_kind(documents, "ClusterRole")


def test_the_exporter_starts_anew_when_the_rotations_change() -> None:
    """It reads them at its start."""

    def checksum(values: Values) -> str:
        (found,) = of_kind(render({**values, **SEEN}), "Deployment")
        return str(found["spec"]["template"]["metadata"]["annotations"]["checksum/rotations"])

    assert checksum(ROTATIONS) != checksum(example())


def test_alerts_and_dashboard_are_those_of_the_files() -> None:
    """Unchanged: Prometheus and Grafana have templates of their own, which Helm leaves alone."""
    documents = render({**ROTATIONS, **SEEN})
    rules = named(documents, "PrometheusRule", "rotator")
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    assert rules["spec"] == yaml.safe_load((CHART / "files/rules.yaml").read_text(encoding="utf-8"))
    assert all(r["alert"] and r["expr"] for g in rules["spec"]["groups"] for r in g["rules"])
    board = named(documents, "ConfigMap", "rotator-dashboard")
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(board["data"]["rotator.json"]) == json.loads(
        (CHART / "files/dashboard.json").read_text(encoding="utf-8")
    )


def test_each_job_pushes_under_a_label_of_its_own() -> None:
    """What is pushed replaces what was pushed under the same label: two jobs, or two releases, never share one."""
    push = {
        "metrics": {"push": {"url": "http://gateway:9091"}},
        "jobs": {"other": {"run": "rotate", "schedule": "0 * * * *"}},
    }
    seen = []
    for values, namespace in ((push, "one"), (push, "two")):
        for job in of_kind(render(values, namespace=namespace), "CronJob"):
            (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            seen += [e["value"] for e in container["env"] if e["name"] == "ROTATOR_METRICS_JOB"]
    assert seen == [f"{n}-rotator-{job}" for n in ("one", "two") for job in ("other", "rotate", "rotate-now")]


def test_a_digest_goes_before_a_tag() -> None:
    """Both are one reference."""
    images = {
        "rotator:0.1.0": {},
        "registry.example/rotator:9": {"repository": "registry.example/rotator", "tag": "9"},
        f"rotator@{DIGEST}": {"tag": "9", "digest": DIGEST},
    }
    for image, values in images.items():
        assert {c["image"] for p in pods(render({"image": values})) for c in containers(p)} == {image}


def test_pods_carry_what_the_values_add() -> None:
    """Every pod: jobs, exporter and test."""
    for of in pods(render({**ROTATIONS, **SEEN, **PODS})):
        assert of["metadata"]["labels"]["network"] == "internal"
        assert of["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
        spec = of["spec"]
        assert PODS["extraVolumes"][0] in spec["volumes"]
        for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
            assert spec[name] == PODS[name]
        for container in containers(of):
            assert PODS["extraVolumeMounts"][0] in container["volumeMounts"]
            assert container["env"][-2:] == PODS["extraEnv"]
            assert container["envFrom"] == PODS["extraEnvFrom"]


def _egress(values: Values) -> list[Any]:
    policy = named(render(values), "NetworkPolicy", "rotator")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    return [(sorted({p["port"] for p in rule["ports"]}), rule.get("to")) for rule in policy["egress"]]


def test_the_network_is_as_wide_as_the_values_say() -> None:
    """DNS, the API server, Vault, the Pushgateway, the collector, the gates' ports, what is added, and nothing else."""
    assert _egress({"networkPolicy": {"enabled": True}}) == [([53, 5353], None), ([443, 6443], None)]
    asked = _egress({**VARIANTS["providers"], "networkPolicy": {"enabled": True}})
    assert asked == [([53, 5353], None), ([443, 6443], None), ([443, 636, 8443, 8444], None)]
    ranges = [{"ipBlock": {"cidr": "10.0.0.1/32"}}, {"ipBlock": {"cidr": "fd00::1/128"}}]
    peers = VARIANTS["everything"]["networkPolicy"]["vaultPeers"]
    whole = _egress({**VARIANTS["everything"], "fullnameOverride": ""})
    assert whole == [
        ([53, 5353], None),
        ([443, 6443], ranges),
        ([8200], peers),
        ([4318, 8443, 9090, 9091], None),
        ([5432], None),
    ]
    scraped = named(render(VARIANTS["seen"]), "NetworkPolicy", "rotator-exporter")["spec"]
    assert scraped["policyTypes"] == ["Ingress"]
    assert scraped["ingress"] == [
        {
            "from": VARIANTS["seen"]["networkPolicy"]["scrapers"],
            "ports": [{"protocol": "TCP", "port": "metrics"}],
        }
    ]


@variants
def test_an_upgrade_checks_its_rotations_first(values: Values) -> None:
    """With the files that the jobs would read after it, nobody's token, and no Vault: reading files needs neither."""
    documents = render(values)
    hooks = [
        d for d in documents if d["metadata"].get("annotations", {}).get("helm.sh/hook") == "pre-upgrade"
    ]
    if not values.get("rotations"):
        assert hooks == []
        return
    (files,), (job,) = of_kind(hooks, "ConfigMap"), of_kind(hooks, "Job")
    assert files["data"] in [d["data"] for d in of_kind(documents, "ConfigMap") if d not in hooks]
    assert int(files["metadata"]["annotations"]["helm.sh/hook-weight"]) < 0
    template = pod(job)
    assert template
    (container,) = template["spec"]["containers"]
    assert [*container["command"], *container["args"]] == ["python3", "-m", "rotator", "validate"]
    assert environment(container)["ROTATOR_POLICIES"] == f"/etc/rotator/policies/{files['metadata']['name']}"
    assert template["spec"]["automountServiceAccountToken"] is False
    ours = {"policies-0", "tmp"} | {v["name"] for v in values.get("extraVolumes", ())}
    assert {v["name"] for v in template["spec"]["volumes"]} == ours


def test_helm_test_checks_the_rotations_and_then_plans() -> None:
    """With what the jobs have, and nothing else."""
    test = named(render({**VAULT_ROTATION, **VAULT}), "Pod", "rotator-test")
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert [c["args"] for c in containers(test)] == [["validate"], ["plan"]]
    job = pod(named(render({**VAULT_ROTATION, **VAULT}), "CronJob", "rotator-rotate"))
    assert job
    assert test["spec"]["serviceAccountName"] == job["spec"]["serviceAccountName"]
    assert test["spec"]["volumes"] == job["spec"]["volumes"]
    (run,) = job["spec"]["containers"]
    for container in containers(test):
        differs = set(environment(container).items()) ^ set(environment(run).items())
        assert {name for name, _ in differs} == {"ROTATOR_DEADLINE"}


def test_the_notes_name_what_was_installed() -> None:
    """Three commands that can be copied; and what the chart cannot know."""
    notes = texts(VARIANTS["everything"], name="keys", namespace="jobs")[NOTES]
    assert "helm test keys --namespace jobs --logs" in notes
    assert "--from=cronjob/keys-nightly" in notes
    assert "--from=cronjob/keys-rotate-now" in notes
    assert "kubectl get configmap --namespace jobs keys-policies" in notes
    assert "kubectl get rotations --namespace orders" in notes
    assert "rotator rbac" in texts({"existingConfigMaps": ["more"]})[NOTES]
    assert "nothing is declared" in texts()[NOTES]
