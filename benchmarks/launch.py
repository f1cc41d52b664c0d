"""Runs a program and writes what it cost. Run as `python -I -S launch.py REPORT PROGRAM…`.

On Linux the peak memory of a process includes that of its parent until the program is loaded. So
this file, which imports almost nothing, starts the programs for the harness.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """Run the program and write `seconds cpu_seconds peak_kib exit_code` to the report."""
    report, program = sys.argv[1], sys.argv[2:]
    begin = time.perf_counter()
    child = os.posix_spawn(program[0], program, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    # ru_maxrss is in KiB on Linux, in bytes on macOS (getrusage(2) of each).
    peak_kib = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    with open(report, "w") as file:
        code = os.waitstatus_to_exitcode(status)
        print(seconds, usage.ru_utime + usage.ru_stime, peak_kib, code, file=file)


if __name__ == "__main__":
    main()
