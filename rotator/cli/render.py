"""The verbs that print what a cluster or Vault needs: `crd`, `rbac`, `vault policy`. They change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rotator.cli.options import POLICIES, AccountType, KindsType, paths_option
from rotator.errors import SettingsError

if TYPE_CHECKING:
    from rotator.kinds import Kind
    from rotator.policy.model import RotationPolicy

context_option = click.option(
    "--context",
    default=None,
    help="The kubeconfig context, for --resources-in; default: the pod's own cluster.",
)


def _policies(
    paths: Sequence[Path],
    namespaces: Sequence[str],
    context: str | None,
    *,
    trusted: bool,
    gate_urls: Sequence[str],
) -> list[RotationPolicy]:
    """Return all that is declared; a custom resource that is refused needs nothing."""
    from rotator.run.declared import Declared  # noqa: PLC0415 - only for verbs that read policies
    from rotator.run.job import Job, Systems  # noqa: PLC0415 - as above

    where = Declared(
        paths=paths or ([] if namespaces else [POLICIES]),
        namespaces=namespaces,
        trust_resources=trusted,
        gate_urls=gate_urls,
    )
    files = where.files()
    if not namespaces:
        return files
    job = Job(declared=where, systems=Systems(context=context), act=False)
    world = job.connect()
    try:
        found = job.found(world, files)
        return [*files, *found.policies, *found.leaving]
    finally:
        world.close()


@click.command()
def crd() -> None:
    """Print the CustomResourceDefinition of Rotation.

    \b
    Example: rotator crd | kubectl apply --server-side -f -
    """
    from rotator.cli import report  # noqa: PLC0415 - only for this verb
    from rotator.policy.crd import definition  # noqa: PLC0415 - as above

    click.echo(report.as_yaml(definition()))


@click.command()
@paths_option
@context_option
@click.option(
    "--service-account",
    "account",
    required=True,
    type=AccountType(),
    metavar="NAMESPACE/NAME",
    help="Who runs the jobs.",
)
@click.option(
    "--role", default="rotator-rotations", show_default=True, help="The name of the Roles and RoleBindings."
)
@click.option(
    "--list",
    "listed",
    type=KindsType(),
    default="configmaps",
    show_default=True,
    metavar="KINDS",
    help="Kinds of targets that may be listed: configmaps, secrets, or none.",
)
@click.option("--events/--no-events", default=True, show_default=True, help="Whether Events may be written.")
def rbac(  # noqa: PLR0913 - the options of the command line
    *,
    paths: Sequence[Path],
    namespaces: Sequence[str],
    trust_resources: bool,
    gate_urls: Sequence[str],
    context: str | None,
    account: str,
    role: str,
    listed: Sequence[Kind],
    events: bool,
) -> None:
    """Print the Roles and RoleBindings that the rotations need, and nothing more, as YAML.

    \b
    Example: rotator rbac -f policies/ --service-account rotator/rotator | kubectl apply -f -
    """
    from rotator.cli import report  # noqa: PLC0415 - as below
    from rotator.policy import permissions  # noqa: PLC0415 - only for this verb

    policies = _policies(paths, namespaces, context, trusted=trust_resources, gate_urls=gate_urls)
    extent = permissions.Extent(listed=listed, events=events, resources_in=namespaces)
    made = permissions.manifests(policies, extent, account=account, name=role)
    click.echo("\n---\n".join(report.as_yaml(manifest) for manifest in made))


@click.group()
def vault() -> None:
    """What Vault or OpenBao has to be told."""


@vault.command()
@paths_option
@context_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["hcl", "json", "commands"]),
    default="hcl",
    show_default=True,
    help="The policy alone, or a script that also sets up the login.",
)
@click.option("--role", default="rotator", show_default=True, help="The name of policy and role.")
@click.option(
    "--auth",
    type=click.Choice(["kubernetes", "jwt", "approle"]),
    default="kubernetes",
    show_default=True,
    help="How jobs log in.",
)
@click.option("--mount", default="", help="Where the auth method is mounted, if not at its name.")
@click.option(
    "--service-account",
    "account",
    default="rotator/rotator",
    show_default=True,
    type=AccountType(),
    metavar="NAMESPACE/NAME",
    help="Who runs the jobs.",
)
@click.option("--audience", default="vault", show_default=True, help="For whom its token is made out.")
@click.option("--program", type=click.Choice(["bao", "vault"]), default="bao", show_default=True)
@click.option(
    "--consumers", is_flag=True, help="Instead: one policy for each path that is delivered, to read it."
)
def policy(  # noqa: PLR0913 - the options of the command line
    *,
    paths: Sequence[Path],
    namespaces: Sequence[str],
    trust_resources: bool,
    gate_urls: Sequence[str],
    context: str | None,
    output: str,
    role: str,
    auth: str,
    mount: str,
    account: str,
    audience: str,
    program: str,
    consumers: bool,
) -> None:
    """Print the policy that the rotations need: each path by itself, with the least capabilities.

    \b
    Example: rotator vault policy -f policies/ | bao policy write rotator -
             rotator vault policy -f policies/ -o commands --service-account rotator/rotator
    """
    from rotator.policy import vault_access  # noqa: PLC0415 - only for this verb

    if not audience and auth != "approle":
        raise click.BadParameter("expected a name, as vault", param_hint="--audience")
    policies = _policies(paths, namespaces, context, trusted=trust_resources, gate_urls=gate_urls)
    if consumers:
        for document, grants in vault_access.consumers(policies).items():
            click.echo(f"# {document}\n{vault_access.hcl(grants)}")
        return
    if not (found := vault_access.grants(policies, deletion=bool(namespaces))):
        raise SettingsError("none of the rotations uses Vault, so there is nothing to allow")
    if output == "commands":
        text = vault_access.commands(
            found,
            role=role,
            auth=auth,
            mount=mount,
            service_account=account,
            audience=audience,
            program=program,
        )
    else:
        text = vault_access.hcl(found) if output == "hcl" else vault_access.json_text(found)
    click.echo(text, nl=False)
