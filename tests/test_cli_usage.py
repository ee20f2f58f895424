"""The command line as people and CronJobs meet it: help, usage errors, exit codes; every call is a real process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from docs.generate import commands_of
from rotator import kinds
from rotator.cli import verbs as cli
from rotator.policy import model as policy

ROOT = Path(__file__).parent.parent
VERBS = sorted(commands_of(cli.cli))
GOOD = """\
apiVersion: rotator.dev/v1alpha1
kind: Rotation
metadata: {name: NAME, namespace: payments, labels: {team: TEAM}}
spec:
  credential: {jwtSigningKey: {}}
  every: 30d
  overlap: {tokenTTL: 15m}
  store: {kubernetes: {}}
  verifiers: [{jwks: {configMap: NAME, maxAge: 5m}}]
  holders: [{secret: {name: NAME}}]
"""
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: here}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: here, user: {token: canary-5f1c}}]
"""

Rotator = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rotator(tmp_path: Path) -> Rotator:
    """Return the command line in a process of its own, with a home of its own and no cluster."""
    home = tmp_path / "home"
    home.mkdir()

    def call(
        *arguments: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "LC_ALL"}}
        return subprocess.run(
            [sys.executable, "-m", "rotator", *map(str, arguments)],
            env={**kept, "HOME": str(home), "KUBECONFIG": "/nonexistent", **(env or {})},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return call


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Make a folder of three good rotations."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for name, team in (("a", "one"), ("b", "one"), ("c", "two")):
        (folder / f"{name}.yaml").write_text(GOOD.replace("NAME", name).replace("TEAM", team))
    return folder


def told(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Check the exit code and that there is no traceback, and return what was said on standard error."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def chosen(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the rotations that `validate -o json` names."""
    told(done, 0)
    return [row["rotation"] for row in json.loads(done.stdout)]


# --- help ---------------------------------------------------------------------------------------------------


def test_help_names_every_verb_and_every_exit_code(rotator: Rotator) -> None:
    """Proves that the first thing people read is complete."""
    done = rotator("--help")
    told(done, 0)
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE)
    for code in "0123":
        assert re.search(rf"^ +(Exit codes: )?{code} \w", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "vault"] + ["vault policy"])
def test_help_of_every_verb_has_an_example_that_names_only_what_there_is(rotator: Rotator, verb: str) -> None:
    """Proves that each verb shows how it is used, and that the example's options exist."""
    done = rotator(*verb.split(), "--help")
    told(done, 0)
    example = re.search(rf"^  Example: rotator {verb}(.*)$", done.stdout, re.MULTILINE)
    assert example
    options = done.stdout.partition("\nOptions:\n")[2]
    for option in re.findall(r"(?<!\S)-{1,2}[a-z]+", example[1].partition("|")[0]):
        assert re.search(rf"(?<!\S){option}\b", options), option


def test_the_version_is_shown(rotator: Rotator) -> None:
    """Proves `--version`."""
    done = rotator("--version")
    told(done, 0)
    assert re.fullmatch(r"rotator, version \d+\.\d+\.\d+\n", done.stdout)


def test_no_verb_shows_the_help(rotator: Rotator) -> None:
    """Proves that a bare call is a usage error that helps."""
    done = rotator()
    told(done, 2)
    assert "Commands:" in done.stdout + done.stderr


def test_the_completion_script_is_printed(tmp_path: Path) -> None:
    """Proves that shells complete: the script that click makes for bash is what the program prints."""
    done = subprocess.run(
        [Path(sys.executable).parent / "rotator"],
        env={
            "PATH": os.environ["PATH"],
            "_ROTATOR_COMPLETE": "bash_source",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert "complete -o nosort -F _rotator_completion rotator" in done.stdout


def test_a_reader_that_stops_early_sees_no_traceback(tmp_path: Path) -> None:
    """Proves that `rotator schema | head` is fine."""
    with subprocess.Popen(
        [sys.executable, "-m", "rotator", "schema"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


# --- usage errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope"], "No such command 'nope'"),
        (["run", "--nope"], "No such option"),
        (["run", "extra"], "unexpected extra argument"),
        (["validate", "-o", "xml"], "is not one of 'table', 'json', 'yaml'"),
        (["rotate", "payments/a"], "Missing option '--reason'"),
        (["rotate", "--reason", "x"], "which rotation?"),
        (["rotate", "a/b", "-l", "c=d", "--reason", "x"], "which rotation?"),
        (["leave"], "which namespaces? Expected --resources-in"),
        (["run", "--deadline", "soon"], "'soon' is no duration: expected numbers with units"),
        (["run", "--deadline", "0s"], "expected more than 0s"),
        (["run", "--deadline", "99999999999d"], "expected at most 36500d"),
        (["run", "--timeout", "0s"], "expected more than 0s"),
        (["run", "--lease", "0s"], "expected more than 0s"),
        (["run", "--concurrency", "0"], "is not in the range 1<=x<=256"),
        (["run", "--shard", "4/4"], "4/4: expected I/N with 0 <= I < N, as 0/4"),
        (["run", "--shard", "0/0"], "0/0: expected I/N with 0 <= I < N, as 0/4"),
        (["run", "--shard", "-1/4"], "-1/4: expected I/N with 0 <= I < N, as 0/4"),
        (["run", "--shard", "/4"], "/4: expected I/N with 0 <= I < N, as 0/4"),
        (["run", "--shard", "\u00b2/4"], "expected I/N with 0 <= I < N, as 0/4"),
        (["run", "--shard", "4"], "4: expected I/N, as 0/4, or N where JOB_COMPLETION_INDEX is set"),
        (["run", "--type", "password"], "is not one of"),
    ],
)
def test_a_usage_error_is_a_sentence_and_exit_code_2(
    rotator: Rotator, arguments: list[str], says: str
) -> None:
    """Proves that the command line is checked before anything is read or reached."""
    assert says in told(rotator(*arguments), 2)


def test_the_types_are_those_of_the_schema() -> None:
    """Proves that `--type` knows each credential kind that a policy may declare."""
    assert list(kinds.CREDENTIALS) == list(policy.json_schema()["$defs"]["Credential"]["properties"])


# --- validate and schema ------------------------------------------------------------------------------------


def test_good_files_are_called_good_with_their_sums(rotator: Rotator, policies: Path) -> None:
    """Proves what a person reads, and that nothing is said on standard error."""
    done = rotator("validate", "-f", policies)
    assert told(done, 0) == ""
    assert done.stdout.count("good; every 30d") == 3
    assert "  lead    9m, at least 5m (cache of jwks configmap payments/a) + 3m (propagation" in done.stdout
    assert "  overlap 15m (longest token or session lifetime) + 1m (clock skew) = 16m" in done.stdout


def test_json_and_yaml_of_validate_hold_the_same(rotator: Rotator, policies: Path) -> None:
    """Proves the keys for programs."""
    rows = json.loads(rotator("validate", "-f", policies, "-o", "json").stdout)
    assert yaml.safe_load(rotator("validate", "-f", policies, "-o", "yaml").stdout) == rows
    assert [list(row) for row in rows] == [["rotation", "every", "lead", "leastLead", "overlap"]] * 3


def test_a_bad_file_is_named_with_its_line(rotator: Rotator, policies: Path) -> None:
    """Proves exit code 2, all problems, and that one bad file is never skipped over, whatever is chosen."""
    bad = policies / "b.yaml"
    bad.write_text(bad.read_text().replace("30d", "30").replace("payments", "Payments"))
    (policies / "d.yaml").touch()
    for verb in (["validate"], ["run", "-n", "payments/a"]):
        said = told(rotator(*verb, "-f", policies), 2)
        assert f"{bad}:3: metadata.namespace: expected" in said
        assert f"{bad}:6: spec.every: expected a duration such as 30d, 15m or 90s" in said
        assert f"{policies / 'd.yaml'}:1: the file is empty" in said


def test_policies_may_come_from_the_environment(rotator: Rotator, policies: Path) -> None:
    """Proves ROTATOR_POLICIES, with several places."""
    env = {"ROTATOR_POLICIES": f"{policies / 'a.yaml'}{os.pathsep}{policies / 'c.yaml'}"}
    assert chosen(rotator("validate", "-o", "json", env=env)) == ["payments/a", "payments/c"]


def test_without_policies_the_default_place_is_named(rotator: Rotator) -> None:
    """Proves that a forgotten mount is said."""
    assert "/etc/rotator/policies: no such file" in told(rotator("validate"), 2)


def test_the_schema_is_json(rotator: Rotator) -> None:
    """Proves that what is printed is the published schema, and nothing else."""
    done = rotator("schema")
    assert told(done, 0) == ""
    assert json.loads(done.stdout) == policy.json_schema()


# --- which rotations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], "abc"),
        (["-l", "team=one"], "ab"),
        (["-l", "team==two"], "c"),
        (["-l", "team=one,team=one"], "ab"),
        (["-l", "team=one, other=x"], ""),
        (["-n", "payments/b"], "b"),
        (["-n", "payments/b", "-n", "payments/c"], "bc"),
        (["-n", "payments/b", "-l", "team=two"], ""),
        (["--type", "jwtSigningKey"], "abc"),
        (["--type", "sharedSecret"], ""),
    ],
)
def test_options_choose_rotations(rotator: Rotator, policies: Path, options: list[str], names: str) -> None:
    """Proves each choice, and that choices are combined with and."""
    done = rotator("validate", "-f", policies, "-o", "json", *options)
    assert chosen(done) == [f"payments/{n}" for n in names]


def test_shards_share_the_rotations(rotator: Rotator, policies: Path) -> None:
    """Proves that every rotation is in exactly one shard, and that an Indexed Job names its own."""
    given = [chosen(rotator("validate", "-f", policies, "-o", "json", "--shard", f"{i}/2")) for i in range(2)]
    assert sorted(given[0] + given[1]) == ["payments/a", "payments/b", "payments/c"]
    for index in range(2):
        env = {"JOB_COMPLETION_INDEX": str(index)}
        assert (
            chosen(rotator("validate", "-f", policies, "-o", "json", "--shard", "2", env=env)) == given[index]
        )


def test_an_index_beyond_the_shards_is_refused(rotator: Rotator, policies: Path) -> None:
    """Proves that a Job with more completions than shards says so."""
    done = rotator("validate", "-f", policies, "--shard", "2", env={"JOB_COMPLETION_INDEX": "2"})
    assert "2/2: expected I/N with 0 <= I < N" in told(done, 2)


def test_a_name_that_nobody_declared_is_refused(rotator: Rotator, policies: Path) -> None:
    """Proves that a typing mistake is not silence, and that the names there are are listed."""
    said = told(rotator("validate", "-f", policies, "-n", "payments/x", "-n", "payments/a"), 2)
    assert said == "rotator: no rotation payments/x; declared: payments/a, payments/b, payments/c\n"
    assert "no rotation payments/x" in told(
        rotator("rotate", "payments/x", "--reason", "y", "-f", policies), 2
    )


@pytest.mark.parametrize(
    "selector", ["team", "team!=one", "=one", "team=a=b", "team in (a)", "team=one,", "team=one,,x=y"]
)
def test_a_selector_that_is_none_is_refused(rotator: Rotator, policies: Path, selector: str) -> None:
    """Proves that what is not understood does not quietly choose nothing."""
    assert f"{selector}: expected k=v,k2=v2" in told(rotator("validate", "-f", policies, "-l", selector), 2)


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_rotation_on_request_needs_a_reason(rotator: Rotator, policies: Path, reason: str) -> None:
    """Proves that `--reason` says something: it is what makes the request happen at most once."""
    assert "expected a reason" in told(rotator("rotate", "payments/a", "-f", policies, "--reason", reason), 2)


@pytest.mark.parametrize("option", [["--type", "sharedSecret"], ["--shard", "0/9"], ["-n", "x/y"]])
def test_a_rotation_on_request_is_chosen_by_its_name_or_by_labels_alone(
    rotator: Rotator, policies: Path, option: list[str]
) -> None:
    """Proves that no other choice can turn `rotate NAME` into a success that did nothing."""
    done = rotator("rotate", "payments/a", "--reason", "x", "-f", policies, *option)
    assert "No such option" in told(done, 2)


# --- no cluster ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["run", "status", "rotate"])
def test_without_a_cluster_it_says_what_was_expected(rotator: Rotator, policies: Path, verb: str) -> None:
    """Proves exit code 2 and a sentence for every verb that needs the Kubernetes API."""
    more = ["payments/a", "--reason", "x"] if verb == "rotate" else []
    said = told(rotator(verb, *more, "-f", policies), 2)
    assert said.startswith("rotator: no Kubernetes API is configured: ")
    assert ".." not in said
    assert "Expected: a pod's service account, or a kubeconfig (KUBECONFIG, --context)" in said


@pytest.mark.parametrize(
    "content",
    ["a: [", "- a\n", b"\xff\xfe\x00", "a: {}\n", KUBECONFIG.replace("{server", "{sever")],
    ids=["no YAML", "a list", "binary", "another file", "no server"],
)
def test_a_damaged_kubeconfig_is_a_sentence(
    rotator: Rotator, policies: Path, tmp_path: Path, content: str | bytes
) -> None:
    """Proves exit code 2, no traceback, and that nothing of the file is quoted."""
    file = tmp_path / "kubeconfig"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = told(rotator("plan", "-f", policies, env={"KUBECONFIG": str(file)}), 2)
    assert said.startswith("rotator: no Kubernetes API is configured: ")
    assert "canary" not in said


def test_a_context_that_is_not_there_is_named(rotator: Rotator, policies: Path, tmp_path: Path) -> None:
    """Proves `--context`."""
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    said = told(rotator("plan", "-f", policies, "--context", "there", env={"KUBECONFIG": str(file)}), 2)
    assert "there" in said


def test_a_kubeconfig_without_tls_verification_is_refused(
    rotator: Rotator, policies: Path, tmp_path: Path
) -> None:
    """Proves that keys are handed to nobody unknown."""
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG.replace('127.0.0.1:1"', '127.0.0.1:1", insecure-skip-tls-verify: true'))
    assert "switches TLS verification off" in told(
        rotator("plan", "-f", policies, env={"KUBECONFIG": str(file)}), 2
    )


def test_a_policy_that_needs_vault_says_which_variable_is_missing(
    rotator: Rotator, policies: Path, tmp_path: Path
) -> None:
    """Proves exit code 2 and the name of the variable."""
    file = tmp_path / "kubeconfig"
    file.write_text(KUBECONFIG)
    one = policies / "a.yaml"
    one.write_text(one.read_text().replace("{kubernetes: {}}", "{vault: {mount: rotator, path: a}}"))
    assert "VAULT_ADDR is not set" in told(rotator("plan", "-f", one, env={"KUBECONFIG": str(file)}), 2)
