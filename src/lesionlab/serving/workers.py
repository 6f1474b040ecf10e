"""Several server processes on one socket."""

import os
import signal
import sys
import time
from types import FrameType
from typing import Final

from lesionlab.errors import UsageError

_RESTART_SECONDS: Final = 1.0  # between the death of a process and its replacement
_OWN_ERRORS: Final = (1, 2)  # exit codes of errors that another process would meet too


def start_workers(count: int) -> int:
    """Fork processes, and return the number of the process in each of them, from 0.

    This process does not return. It passes SIGTERM, SIGINT and SIGHUP on, replaces processes that die, and exits when
    all have ended: with 0, or with the code of a process that could not start. To be called before there are threads.

    Raises:
        UsageError: This platform has no `fork`.
    """
    if sys.platform == "win32":
        raise UsageError("--workers: several processes cannot share a socket on Windows; start one server")
    return _Supervisor(count).run()


class _Supervisor:
    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: dict[int, int] = {}  # number by process identifier
        self._exit_code: int | None = None

    def run(self) -> int:
        for number in range(self._count):
            if self._is_child(number):
                return number
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, self._pass_on)
        while self._processes:
            identifier, status = os.wait()
            number, code = self._processes.pop(identifier), os.waitstatus_to_exitcode(status)
            if self._exit_code is not None:
                continue
            if code in _OWN_ERRORS:
                self._stop(code)
                continue
            time.sleep(_RESTART_SECONDS)
            if self._exit_code is None and self._is_child(number):
                return number
        raise SystemExit(self._exit_code or 0)

    def _is_child(self, number: int) -> bool:
        identifier = os.fork()
        if identifier:
            self._processes[identifier] = number
            return False
        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, signal.SIG_DFL)
        return True

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._signal(number)
        else:
            self._stop(0)

    def _stop(self, code: int) -> None:
        self._exit_code = code
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        for identifier in self._processes:
            os.kill(identifier, number)
