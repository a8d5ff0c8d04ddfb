"""The command line in this process: as `qks` runs, without the seconds that Python starts in."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from qks_cli import app


@dataclass(frozen=True, slots=True)
class Done:
    """An exit code, and what was printed."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


Here = Callable[..., Done]


def run(patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], *line: object) -> Done:
    """Run ``qks`` with these arguments. stdout is no terminal, stdin is empty."""
    capture.readouterr()
    with patch.context() as own:
        own.setattr(sys, "argv", ["qks", *map(str, line)])
        own.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        code = 0
        try:
            app.main()
        except SystemExit as end:
            code = int(end.code or 0)
    said = capture.readouterr()
    return Done(code, said.out, said.err)
