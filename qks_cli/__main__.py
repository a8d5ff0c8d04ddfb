"""``qks`` and ``python -m qks_cli``: nothing is imported before Ctrl-C ends quietly."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Run the command line and exit."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:  # a shell's background jobs ignore it
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from qks_cli.app import main as run

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
