"""The demo's threads: started together, ended together, and none dies unnoticed."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Workers:
    """Threads that run until told to stop."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def start(self, work: Callable[[], None], name: str) -> threading.Thread:
        """Run `work`, which has to end soon after `stop` is set."""
        self._threads = [t for t in self._threads if t.is_alive()]
        thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def repeat(self, work: Callable[[], None], interval: float, name: str) -> threading.Thread:
        """Call `work` again and again."""

        def loop() -> None:
            while not self.stop.wait(interval):
                work()

        return self.start(loop, name)

    def check(self) -> None:
        """Raise what a thread has died of."""
        if self._failures:
            raise self._failures[0]

    def end(self, patience: float = 5.0) -> None:
        """Stop all of them."""
        self.stop.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(patience)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main thread raises it
            if not self.stop.is_set():
                self._failures.append(error)
