"""Changes of a labels file that leave all else in it as it was: comments, order, line ends."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from qks_cli.errors import VocabularyError
from qks_cli.folding import fold
from qks_cli.vocabulary.labels_file import Label, Vocabulary, format_labels, parse_labels

_LINE_END = re.compile(r"(\r\n|\n|\r)")


@dataclass(frozen=True, slots=True)
class _Parts:
    """A line of a labels file: its fields between semicolons, and its comment with the space before
    it."""

    fields: list[str]
    comment: str


def set_cutoff(text: str, name: str, cutoff: float | None) -> str:
    """The text of a labels file in which the label ``name`` has this cut-off (0 to 1), or none of
    its own.

    It goes into the line that has one already, else into the label's first line, else, where the
    label is only named as a parent of others, into a new last line. Raises ``VocabularyError``
    where the text is no labels file, has no such label, or cannot be changed so that nothing else
    changes."""
    before, _ = parse_labels(text, "the labels file")
    label = before.lookup(name)
    if label is None:
        raise VocabularyError(f"no label '{name}' in this labels file")
    pieces = _LINE_END.split(text)  # lines at even places, their ends between them
    own = [at for at in range(0, len(pieces), 2) if _states(pieces[at], label.name)]
    having = [at for at in own if _has_cutoff(pieces[at])]
    if cutoff is None:
        for at in having:
            pieces[at] = _with(pieces[at], None)
    elif own:
        for at in having[:-1]:  # of several the last one counts
            pieces[at] = _with(pieces[at], None)
        at = having[-1] if having else own[0]
        pieces[at] = _with(pieces[at], cutoff)
    else:
        end = next((x for x in pieces[1::2]), "\n")
        last = "" if not pieces[-1] else end
        pieces[-1] += last + _with(_alone(label), cutoff) + end
    changed = "".join(pieces)
    _check(before, label, cutoff, changed)
    return changed


def _check(before: Vocabulary, label: Label, cutoff: float | None, changed: str) -> None:
    """Raise ``VocabularyError`` unless this one cut-off is all that differs."""
    wanted = [replace(x, cutoff=cutoff) if x.name == label.name else x for x in before.labels]
    after, _ = parse_labels(changed, "the changed labels file")
    if after.labels != tuple(wanted):
        raise VocabularyError(
            f"the cut-off of '{label.name}' cannot be changed without changing more",
            hint="write it into the file by hand",
        )


def _alone(label: Label) -> str:
    return format_labels(Vocabulary((Label(label.name),))).strip()


def _states(line: str, name: str) -> bool:
    """Whether a line is about this label itself, not about one below it."""
    try:
        found, _ = parse_labels(line, "a line")
    except VocabularyError:
        return False
    return fold(found.labels[-1].name) == fold(name)


def _has_cutoff(line: str) -> bool:
    return any(map(_is_cutoff, _parts(line).fields[1:]))


def _is_cutoff(field: str) -> bool:
    return field.partition(":")[0].strip().casefold() == "cutoff"


def _with(line: str, cutoff: float | None) -> str:
    parts = _parts(line)
    value = "" if cutoff is None else f" cutoff: {cutoff:g}"
    places = [at for at, field in enumerate(parts.fields) if at and _is_cutoff(field)]
    fields = [field for at, field in enumerate(parts.fields) if at not in places[:-1]]
    if places:
        at = places[-1] - len(places) + 1  # those before the last one are gone
        fields[at : at + 1] = [value] if value else []
    elif value:
        fields[-1:] = [fields[-1].rstrip() + " ", value]
    return ";".join(fields).rstrip() + parts.comment


def _parts(line: str) -> _Parts:
    """Cut a line at its unquoted semicolons and where its comment begins (labels_file.py)."""
    fields, start, at, quoted = [], 0, 0, False
    while at < len(line):
        char = line[at]
        if char == '"':
            quoted = not quoted  # of a doubled quote the second opens again
        elif not quoted and char == "#" and (at == 0 or line[at - 1].isspace()):
            break
        elif not quoted and char == ";":
            fields.append(line[start:at])
            start = at + 1
        at += 1
    body = line[start:at]
    bare = body.rstrip() if at < len(line) else body
    return _Parts([*fields, bare], body[len(bare) :] + line[at:])
