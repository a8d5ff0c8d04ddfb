"""``python -m qks_cli`` is ``qks``."""

from qks_cli.app import main

main()
