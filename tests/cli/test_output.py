"""Rows on stdout: names and labels that would break a table of their own."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from qks_cli.cli.output import Format, Records, Row, Writer
from qks_cli.types import Tag

ODD = ['a "b", c', "two\nlines", "semi;colon", "plain"]


def test_csv_is_read_back_as_it_was(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    writer = Writer(Format.csv, nul=False)
    writer.write([Row(Path(f"/{name}.jpg"), (Tag(name, 0.5, 0),)) for name in ODD])
    text = capfdbinary.readouterr().out.decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["path", "label", "score", "implied"]
    assert [(row[0], row[1]) for row in rows[1:]] == [(f"/{name}.jpg", name) for name in ODD]
    records = Records(Format.csv, ("name", "count"))
    records.write({"name": name, "count": 1} for name in ODD)
    text = capfdbinary.readouterr().out.decode()
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == ODD


def test_rows_that_are_held_back_come_in_order_before_the_next(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    writer = Writer(Format.paths, nul=False)
    writer.write([Row("/1")], hold=True)
    writer.write([Row("/2")], hold=True)
    assert capfdbinary.readouterr().out == b""
    writer.write([Row(Path("/3"))])
    assert capfdbinary.readouterr().out == b"/1\n/2\n/3\n"
    for number in range(1200):
        writer.write([Row(f"/{number}")], hold=True)
    assert len(capfdbinary.readouterr().out.split()) == 1000
    writer.close()
    assert len(capfdbinary.readouterr().out.split()) == 200
