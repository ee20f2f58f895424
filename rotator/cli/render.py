"""The verbs that print what a cluster or Vault needs: `crd`, `rbac`, `vault policy`. They change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rotator.cli.options import filled, paths_option
from rotator.cli.values import AccountType, KindsType
from rotator.errors import SettingsError
from rotator.late import Late
from rotator.run.request import Connections, Declarations, Mode, RunRequest

if TYPE_CHECKING:
    from rotator.cli import report
    from rotator.kinds import Kind
    from rotator.policy import crd as definitions
    from rotator.policy import permissions, vault_access
    from rotator.policy.model import RotationPolicy
    from rotator.run import run as runs
else:
    report, runs = Late("rotator.cli.report"), Late("rotator.run.run")
    definitions, permissions = Late("rotator.policy.crd"), Late("rotator.policy.permissions")
    vault_access = Late("rotator.policy.vault_access")

context_option = click.option(
    "--context",
    default=None,
    help="The kubeconfig context, for --resources-in; default: the pod's own cluster.",
)


def _policies(declarations: Declarations, context: str | None) -> list[RotationPolicy]:
    """Return all that is declared."""
    return runs.all_declared(
        RunRequest(declarations=declarations, connections=Connections(context=context), mode=Mode.PLAN)
    )


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """What the jobs may do beside what the rotations need."""

    listed: Sequence[Kind]
    events: bool


@dataclass(frozen=True, kw_only=True)
class _Login:
    """How the jobs log in to Vault."""

    role: str
    auth: str
    mount: str
    account: str
    audience: str
    program: str


@click.command()
def crd() -> None:
    """Print the CustomResourceDefinition of Rotation.

    \b
    Example: rotator crd | kubectl apply --server-side -f -
    """
    click.echo(report.as_yaml(definitions.definition()))


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
@filled(_Extent)
def rbac(
    extent: _Extent, declarations: Declarations, *, context: str | None, account: str, role: str
) -> None:
    """Print the Roles and RoleBindings that the rotations need, and nothing more, as YAML.

    \b
    Example: rotator rbac -f policies/ --service-account rotator/rotator | kubectl apply -f -
    """
    wanted = permissions.Extent(
        listed=extent.listed, events=extent.events, resources_in=declarations.namespaces
    )
    made = permissions.manifests(_policies(declarations, context), wanted, account=account, name=role)
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
@filled(_Login)
def policy(
    login: _Login, declarations: Declarations, *, context: str | None, output: str, consumers: bool
) -> None:
    """Print the policy that the rotations need: each path by itself, with the least capabilities.

    \b
    Example: rotator vault policy -f policies/ | bao policy write rotator -
             rotator vault policy -f policies/ -o commands --service-account rotator/rotator
    """
    if not login.audience and login.auth != "approle":
        raise click.BadParameter("expected a name, as vault", param_hint="--audience")
    policies = _policies(declarations, context)
    if consumers:
        for document, grants in vault_access.consumers(policies).items():
            click.echo(f"# {document}\n{vault_access.hcl(grants)}")
        return
    if not (found := vault_access.grants(policies, deletion=bool(declarations.namespaces))):
        raise SettingsError("none of the rotations uses Vault, so there is nothing to allow")
    if output == "commands":
        text = vault_access.commands(
            found,
            role=login.role,
            auth=login.auth,
            mount=login.mount,
            service_account=login.account,
            audience=login.audience,
            program=login.program,
        )
    else:
        text = vault_access.hcl(found) if output == "hcl" else vault_access.json_text(found)
    click.echo(text, nl=False)
