"""``picosip`` as a child that does not outlive who started it, however that ends.

Run as ``python -m picosip_server.cli_load.child ARGUMENTS``, with a pipe as its standard input that
nobody writes to: the system closes it when the other end's process is gone.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _outlive_nobody() -> None:
    # Not by sys.stdin, whose lock would be held when the interpreter ends.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_outlive_nobody, name="parent", daemon=True).start()
    runpy.run_module("picosip_server", run_name="__main__")
