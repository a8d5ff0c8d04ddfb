"""``qks`` and ``python -m qks_cli``: nothing is imported before Ctrl-C ends quietly."""

# Not `signal`: that imports enum and a dozen modules, and Ctrl-C meanwhile ends in a traceback.
import _signal  # type: ignore[import-not-found]
from os import _exit


def main() -> None:
    """Run the command line and exit."""
    ours = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if ours:  # a shell's background jobs ignore it
        _signal.signal(_signal.SIGINT, lambda *_: _exit(130))
    from qks_cli.app import main as run

    if ours:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
