"""The suite as one process: runs by a clock (APScheduler), sets for everybody, and health, metrics and a page for operators.

A run is what it is everywhere (`rotator.run.run.execute`), with connections, logins and authorities of its own. Several replicas are
safe: the Lease of each rotation decides which of them advances it, so each has its own clock and they share no job store.
"""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from rotator.clients.meter import Span
from rotator.core.timing import format_duration
from rotator.engine.outcome import Outcome
from rotator.errors import RotatorError, SettingsError
from rotator.policy.model import RotationPolicy
from rotator.run.request import Mode, RunRequest, Serving
from rotator.run.run import Stop, all_declared, execute
from rotator.serving import operator
from rotator.serving.defects import Contained
from rotator.serving.listener import Listener
from rotator.serving.refresher import LOOK, Refresher
from rotator.serving.view import LastRun, View, merged
from rotator.systems.kubernetes.replicas import Replica
from rotator.systems.world import TIMEOUT, World, world
from rotator.telemetry.figures import RunFigures
from rotator.telemetry.logs import log_outcome

log = logging.getLogger("rotator")
POD, NAMESPACE, UID = "POD_NAME", "POD_NAMESPACE", "POD_UID"
"""The variables that name the pod: the manifests fill them (downward API)."""
LATE = 120.0
"""Seconds after which a run that is due and has not begun, or a look that has not ended, shows that the process is stuck."""
OVER = 2.0
"""Seconds after the grace at which the process ends, whatever it is at."""
TICK = "tick"
_DIGIT = re.compile(r"[0-9]")
Connect = Callable[[RunRequest, Span], World]


def trigger(serving: Serving) -> Any:
    """Return what says when runs begin. Raises SettingsError for a schedule that is none, or that others would read otherwise."""
    jitter = int(serving.jitter.total_seconds()) or None if serving.jitter else None
    if serving.schedule is None:
        return IntervalTrigger(seconds=serving.every.total_seconds(), timezone=UTC, jitter=jitter)
    try:
        zone = ZoneInfo(serving.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            f"--time-zone {serving.time_zone}: expected a name as Europe/Berlin, or UTC"
        ) from None
    said = f"--schedule {serving.schedule}: "
    fields = serving.schedule.split()
    if len(fields) != len(_FIELDS):
        raise SettingsError(f"{said}expected minute, hour, day, month and weekday, as */5 * * * *")
    _, _, day, _, weekday = fields
    if _DIGIT.search(weekday):
        raise SettingsError(
            f"{said}expected names of weekdays, as sun or mon-fri: what 0 and 1 mean is not the same everywhere"
        )
    if day != "*" and weekday != "*":
        raise SettingsError(
            f"{said}expected * as day or as weekday: whether one of both or both count is not the same everywhere"
        )
    try:
        return CronTrigger(**dict(zip(_FIELDS, fields, strict=True)), timezone=zone, jitter=jitter)
    except ValueError as error:
        raise SettingsError(f"{said}{error}") from None


_FIELDS = ("minute", "hour", "day", "month", "day_of_week")


def serve(request: RunRequest, serving: Serving) -> int:
    """Serve until the process is asked to end (SIGTERM, Ctrl-C); return its exit code. For the main thread only.

    Raises PolicyError and SettingsError where what is asked for is wrong: nothing has begun then.
    """
    asked: SimpleQueue[str] = SimpleQueue()  # a handler may put into it whatever it has interrupted
    service = Service(request, serving)

    def handle(number: int, frame: object) -> None:
        del frame
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        asked.put(signal.Signals(number).name)

    handlers = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        service.start()
        why = asked.get()
        # Whatever hangs then: it is shown where, and the process ends.
        faulthandler.dump_traceback_later(serving.grace.total_seconds() + OVER, exit=True)
        if service.end(why):
            return 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    log.error("a run did not end within the grace period; the next one carries on")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(1)


@dataclass
class Service:
    """Everything that runs in the process, from `start` to `end`."""

    request: RunRequest
    serving: Serving
    connect: Connect | None = None
    """Gives the systems of a run, where they are not those of the environment."""
    connect_beside: Callable[[], World] | None = None
    """Gives the systems of a look at what is served, likewise."""
    policies: Callable[[], Sequence[RotationPolicy]] | None = None
    """Reads what is declared to be served, likewise."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    steady: Callable[[], float] = time.monotonic
    last: LastRun | None = None
    outcomes: tuple[Outcome, ...] = ()
    listeners: list[Listener] = field(default_factory=list)
    """The public one, then that of operators."""
    _ending: str = ""
    """The signal by which the process was asked to end; empty: it was not."""
    _stop: Stop | None = None
    """Stops the run that is under way."""
    _again: bool = False
    """Whether a run was due while another was under way."""
    _late_at: float = math.inf
    """When it is late that no run has begun, or that one has not ended, by the steady clock."""
    _beat: float = 0.0
    """When a look at what is served began last."""
    _running: threading.Event = field(default_factory=threading.Event)
    _no_run: threading.Event = field(default_factory=threading.Event)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Make the parts. Raises SettingsError."""
        self._trigger = trigger(self.serving)
        name = os.environ.get(POD) or socket.gethostname()
        replica = Replica(name=name, namespace=os.environ.get(NAMESPACE, ""), uid=os.environ.get(UID, ""))
        looking = replace(self.request, mode=Mode.PLAN)
        self.refresher = Refresher(
            policies=self.policies or (lambda: all_declared(looking)),
            connect=self.connect_beside or self._world,
            replica=replica,
            steady=self.steady,
        )
        self.started = self.clock()
        self._no_run.set()
        self._scheduler: Any = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    # --- from start to end --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Answer, look and run from now on. Raises PolicyError, SettingsError."""
        if self.policies is None and self.request.declarations.files:
            all_declared(
                replace(
                    self.request,
                    mode=Mode.PLAN,
                    declarations=replace(self.request.declarations, namespaces=()),
                )
            )
        self._beat = self.steady()
        made = [
            Listener("the public", self.serving.public, self.refresher.answer),
        ]
        try:
            made.append(
                Listener(
                    "the operator", self.serving.operator, lambda asked: operator.answer(self.view(), asked)
                )
            )
        except SettingsError:
            made[0].close()
            raise
        self.listeners = made
        self._looking = threading.Thread(target=self._look, name="refresher", daemon=True)
        self._looking.start()
        for name in ("apscheduler.scheduler", "apscheduler.executors.default"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it is told by us
        self._scheduler.add_listener(self._noted, EVENT_JOB_MAX_INSTANCES)
        first = {} if self.serving.schedule else {"next_run_time": datetime.now(UTC)}
        self._scheduler.add_job(self.tick, self._trigger, id=TICK, **first)
        self._scheduler.start()
        self._expect()
        log.info("serving", extra={"where": f"{self.serving.public} and {self.serving.operator}"})

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports of the public and of the operator listener."""
        return tuple(listener.port for listener in self.listeners)

    def end(self, why: str) -> bool:
        """End in order: no new run, the one under way at a safe point, then the listeners; return whether the run has ended.

        Requests are answered until the drain is over. Then this replica says that it serves no more, and stops to.
        """
        until = self.steady() + self.serving.grace.total_seconds()
        self.stop(why)
        self._closing.wait(min(self.serving.drain.total_seconds(), max(0.0, until - self.steady())))
        self.listeners[0].close()
        self._closing.set()
        self.refresher.hurry(why)
        self._looking.join(max(0.0, until - self.steady()))
        if not self._looking.is_alive():
            self.refresher.leave(max(0.0, until - self.steady()))
        over = self._no_run.wait(max(0.0, until - self.steady()))
        self.listeners[1].close()
        return over

    def stop(self, why: str) -> None:
        """Begin no more runs, and ask the one that is under way to stop at a safe point."""
        log.info("ends", extra={"reason": f"the process was asked to stop ({why})"})
        self._ending = why
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        if self._stop:
            self._stop(why)

    # --- runs ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do one run, and keep what came of it."""
        if self._ending:
            return
        self._no_run.clear()
        self._late_at = self.steady() + self.request.connections.deadline.total_seconds() + LATE
        began = self.clock()
        try:
            with Contained("a run") as contained:
                self._run(began)
            if contained.name:
                self._keep(began, 1, error=f"a defect of rotator: {contained.name}")
        finally:
            self._stop = None
            self._no_run.set()
            self._expect()

    def _run(self, began: datetime) -> None:
        measured: list[RunFigures] = []
        try:
            report = execute(
                self.request,
                watch=_logging_news,
                begun=self._begun,
                measured=measured.append,
                connect=self.connect,
            )
        except RotatorError as error:
            log.warning("a run ended early", extra={"reason": str(error), "exit_code": error.exit_code})
            ended = self.clock()
            figures = RunFigures(ended=ended, duration=ended - began, exit_code=error.exit_code)
            self._keep(began, error.exit_code, figures, error=str(error))
            return
        self.outcomes = merged(self.outcomes, report.outcomes)
        self._keep(began, report.exit_code, measured[0] if measured else None)

    def _keep(
        self, began: datetime, code: int, figures: RunFigures | None = None, *, error: str = ""
    ) -> None:
        """Keep how a run ended."""
        ended = self.clock()
        success = ended if code == 0 else self.last.success if self.last else None
        self.last = LastRun(
            began=began, ended=ended, exit_code=code, error=error, figures=figures, success=success
        )

    def _begun(self, stop: Stop) -> None:
        self._stop = stop
        if self._ending:
            stop(self._ending)

    def _noted(self, event: object) -> None:
        """Note that a run was due while another was under way: then it begins right after it."""
        del event
        self._again = True

    def _expect(self) -> None:
        """Say by when the next run has to have begun; where one was due meanwhile, that is now."""
        job = None if self._ending else self._scheduler.get_job(TICK)
        if job and self._again:
            self._again = False
            job.modify(next_run_time=datetime.now(UTC))
        wait = job.next_run_time - datetime.now(UTC) if job and job.next_run_time else self.serving.every
        self._late_at = self.steady() + max(0.0, wait.total_seconds()) + LATE

    # --- looks --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Look once at what is served. Nothing is raised."""
        self._beat = self.steady()
        with Contained("a look at what is served"):
            self.refresher.refresh()

    def _look(self) -> None:
        while not self._closing.is_set():
            self.look()
            self._closing.wait(self.serving.refresh.total_seconds())

    def _world(self) -> World:
        asked = self.request.connections
        return world(
            context=asked.context,
            deadline=timedelta(seconds=LOOK),
            timeout=asked.timeout.total_seconds(),
            hurry=TIMEOUT,
        )

    def view(self) -> View:
        """Return this moment."""
        job = None if self._ending else self._scheduler.get_job(TICK)
        return View(
            replica=self.refresher.replica.name,
            started=self.started,
            now=self.clock(),
            steady=self.steady(),
            schedule=_said(self.serving),
            table=self.refresher.table,
            census=self.refresher.census,
            outcomes=self.outcomes,
            last=self.last,
            running=not self._no_run.is_set(),
            next_run=getattr(job, "next_run_time", None),
            ending=bool(self._ending),
            stuck=tuple(self._stuck()),
        )

    def _stuck(self) -> list[str]:
        now, found = self.steady(), list[str]()
        if self._ending:
            return found
        if now > self._late_at:
            found.append("no run has begun, or ended, for too long")
        if now > self._beat + self.serving.refresh.total_seconds() + LATE:
            found.append("no look at what is served has ended for too long")
        found += [
            f"a listener has ended: {name}"
            for name, each in zip(("public", "operator"), self.listeners, strict=False)
            if not each.is_alive
        ]
        return found


def _said(serving: Serving) -> str:
    if serving.schedule:
        return f"by the schedule {serving.schedule} ({serving.time_zone})"
    return f"every {format_duration(serving.every)}"


def _logging_news(total: int) -> Callable[[Outcome], None]:
    """Watch a run by logging what is news: what stays as it is would be logged every minute."""
    del total

    def told(outcome: Outcome) -> None:
        if outcome.news or outcome.steps:
            log_outcome(outcome)

    return told
