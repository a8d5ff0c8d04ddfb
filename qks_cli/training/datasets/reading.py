"""Text files of data sets: UTF-8 with or without a byte order mark, errors with file and line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from qks_cli.errors import TrainingError


def read_words(path: Path) -> list[str]:
    """Non-empty lines of a text file, stripped; none where there is no such file.

    Raises ``TrainingError`` for a file that is not UTF-8.
    """
    if not path.is_file():
        return []
    return [line.strip() for _, line in numbered(path)]


def numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a data set's file with their numbers. Raises ``TrainingError``."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError:
        not_utf8(path, number)
    except OSError as error:
        cannot_read(path, error)


def table_rows(path: Path, needed: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file by column, with their line numbers.

    Raises ``TrainingError`` for a file without one of the ``needed`` columns, or a row that has
    fewer cells than columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = csv.DictReader(stream)
            found = lines.fieldnames or ()
            if not needed <= set(found):
                missing = ", ".join(sorted(needed - set(found)))
                raise TrainingError(
                    f"{path} lacks a column: {missing}; it has {', '.join(found) or 'none'}",
                    hint="the first line names the columns",
                )
            for row in lines:
                if None in row.values() and any(row[name] is None for name in needed):
                    raise TrainingError(f"{path}, line {lines.line_num}: cells are missing")
                yield lines.line_num, row
    except UnicodeDecodeError:
        not_utf8(path, 0)
    except csv.Error as error:
        raise TrainingError(f"{path} is not a CSV table: {error}") from error
    except OSError as error:
        cannot_read(path, error)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises ``TrainingError``."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        not_utf8(path, 0)
    except ValueError as error:
        raise TrainingError(f"{path} is not JSON: {error}") from error
    except OSError as error:
        cannot_read(path, error)


def not_utf8(path: Path, number: int) -> NoReturn:
    """Raise ``TrainingError`` for a file in another encoding; ``number`` is the last good line."""
    where = f" after line {number}" if number else ""
    raise TrainingError(
        f"{path} is not UTF-8{where}",
        hint=f"if it is Latin-1: iconv -f LATIN1 -t UTF-8 '{path}' > utf8.txt",
    )


def cannot_read(path: Path, error: OSError) -> NoReturn:
    """Raise ``TrainingError`` for a file that the system does not give."""
    raise TrainingError(
        f"{path} cannot be read: {error.strerror or error}",
        hint="`qks datasets check` says what is expected where",
    ) from error
