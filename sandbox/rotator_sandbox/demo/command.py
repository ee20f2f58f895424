"""The verb `demo` of the command line, which finds it by the entry point group `rotator.verbs`."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Repeat a demo: the same kill points.")
@click.option("--json", "as_json", is_flag=True, help="The figures as one JSON object, on the last line.")
@click.option("--context", default=None, help="Use this cluster of your kubeconfig; default: one of our own.")
def demo(*, seed: int | None, as_json: bool, context: str | None) -> None:
    """See it work on this machine: real servers, real traffic, a job that is killed, and the proof.

    \b
    Example: rotator demo --seed 7
    """
    try:
        from rotator_sandbox.demo.demo import run  # noqa: PLC0415 - what it starts loads slowly
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the demo needs the package {error.name}: pip install 'rotator[demo]'"
        ) from None
    sys.exit(run(seed=seed, as_json=as_json, context=context))
