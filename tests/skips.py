"""The one list of what may be skipped, each with its reason. Any other skip fails the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

ALLOWED = {
    "NO KUBE-APISERVER": "no package registry has it; the emulator, which is held to the same contract, stands in",
    "NO ETCD PROGRESS": "older servers of etcd cannot say that the initial events of a watch are over",
    "NO VAULT NAMESPACES": "HashiCorp Vault has them in its Enterprise edition alone; OpenBao, which CI runs, has them",
    "NO HYDRA": "no package registry has it; Hydra is emulated",
    "THIS HYDRA IS TOO OLD": "only releases of 2026 rotate secrets",
    "NO JAVA": "a package of Debian, installed by who is root; openssl, node and Python read the same",
    "NO NODE": "a package of Debian, installed by who is root; openssl and Python read most of the same",
    "NO PROMTOOL": "a package of Debian, installed by who is root",
    "NO PROMETHEUS": "a package of Debian, installed by who is root",
    "NO PROMETHEUS-PUSHGATEWAY": "a package of Debian, installed by who is root",
    "NO CHROMIUM": "a package of Debian, installed by who is root",
    "NO IPV6": "loopback has no ::1 in some containers",
}
"""How the reason of a skip begins, up to its colon, and why it is not a fault of the product or of the set-up."""


def forbidden(reasons: Iterable[str]) -> Iterator[str]:
    """Yield each reason that is not on the list."""
    for reason in reasons:
        if reason.removeprefix("Skipped: ").partition(":")[0] not in ALLOWED:
            yield reason


class Skips:
    """Fails a run that skipped what is not on the list."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember why a test was skipped; a test that fails as it was expected to has no such reason."""
        if report.skipped and isinstance(report.longrepr, tuple):
            self._reasons.add(report.longrepr[2])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make the run fail."""
        if any(forbidden(self._reasons)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name each reason that is not on the list."""
        for reason in sorted(forbidden(self._reasons)):
            terminalreporter.write_line(f"NOT ALLOWED (tests/skips.py): {reason}", red=True)
