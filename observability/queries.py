"""The queries of the dashboard.

A rotation may be seen twice, pushed and scraped, so everything is taken together by namespace and rotation. A push
says not-a-number of a name without samples; comparisons and labels drop it.
"""

from __future__ import annotations

CHOSEN = 'namespace=~"$namespace", rotation=~"$rotation"'
PHASES = ("New", "Publishing", "Lead", "Switching", "Overlap", "Withdrawing", "Stable")
"""In the order in which a version goes through them; a test holds them equal to those of the core."""


def of_rotation(name: str, *matchers: str) -> str:
    """Return the gauge `rotator_rotation_NAME` of the chosen rotations."""
    return f"max by (namespace, rotation) (rotator_rotation_{name}{{{', '.join([CHOSEN, *matchers])}}})"


def of_run(name: str, *labels: str, matcher: str = "") -> str:
    """Return the gauge `rotator_NAME` of the last run, for each job and shard, and by `labels` if any."""
    return f"max by ({', '.join(['job', 'shard', *labels])}) (rotator_{name}{{{matcher}}})"


def highest_of_run(name: str, *labels: str, matcher: str = "") -> str:
    """Return the same, but the highest value since the point before: a run's figures may last only until the next run."""
    by = ", ".join(["job", "shard", *labels])
    return f"max by ({by}) (max_over_time(rotator_{name}{{{matcher}}}[$__rate_interval]))"


def since(instant: str) -> str:
    """Return the seconds since an instant."""
    return f"time() - {instant}"


def until(instant: str) -> str:
    """Return the seconds until an instant."""
    return f"{instant} - time()"


def phase_number() -> str:
    """Return the place of the phase in PHASES, from 1; 0 where it is in none. Of two copies that differ, the later."""
    terms = (
        f'{n} * rotator_rotation_phase{{{CHOSEN}, phase="{phase}"}}' for n, phase in enumerate(PHASES, 1)
    )
    return f"max by (namespace, rotation) ({' or '.join(terms)})"


AGE = since(of_rotation("active_timestamp_seconds"))
PERIOD_USED = f"({AGE}) / {of_rotation('period_seconds')}"
NEXT = until(of_rotation("next_timestamp_seconds"))
FROZEN_SINCE = f"{since(of_rotation('result_timestamp_seconds'))} and {of_rotation('frozen')} == 1"
RETIRE = f"{until(of_rotation('retire_timestamp_seconds'))} and {of_rotation('accepted_versions')} > 1"
TROUBLE = f"{of_rotation('lease_held')} + 2 * {of_rotation('frozen')}"
"""0 neither, 1 a run is at work, 2 frozen, 3 both."""
OVERDUE = f"clamp_min({since(of_rotation('next_timestamp_seconds'))}, 0)"
OF_A_SYSTEM = 'system!=""'
_ALERT = 'ALERTS{alertname=~"Rotator.+", alertstate='
ALERTS = f'max by (alertname) (1 * {_ALERT}"pending"}} or 2 * {_ALERT}"firing"}})'
"""1 pending, 2 firing."""
REQUESTS = f"sum by (system, code) ({highest_of_run('run_requests', 'system', 'method', 'code', matcher=OF_A_SYSTEM)})"
STEPS = f"sum by (step) ({highest_of_run('run_steps', 'step')})"
