"""labels.txt: the user's own words. docs/labels.md is its description for users.

One label a line::

    # a comment
    dog
    animal > bird > owl                 parents become labels too
    dog | puppy, hound                  synonyms: search finds the label by them
    "rock, paper" ; cutoff: 0.7 ; prompt: "a photo of {} being played"
    cat ; de: Katze, Kater ; fr: chat   names in other languages: the first is shown

A label or synonym that holds one of , | > # ; or a quote is written in double quotes, a quote
inside it doubled.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from qks_cli.errors import VocabularyError
from qks_cli.folding import fold
from qks_cli.vocabulary.language_codes import LanguageCode

SPECIAL = ',|>#;"'
LONGEST_FILE = 64 << 20  # bytes
MAX_LENGTH = 200  # characters of one label
SHOWN_PROBLEMS = 20
CODES = frozenset(LanguageCode) - {LanguageCode.en}


class LabelWarning(NamedTuple):
    """Something odd that does not stop a run; ``line`` counts from 1."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Label:
    """One label. ``cutoff`` (0 to 1) replaces the run's; ``prompts`` replace the prompt pool; of
    the labels of one ``group``, which exclude each other, a photo gets the best alone. ``names``
    are its names in other languages, by language code; the first of each is the one shown."""

    name: str
    parent: str | None = None
    synonyms: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    cutoff: float | None = None
    group: str | None = None
    line: int = field(default=0, compare=False)
    names: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Vocabulary:
    """Labels in file order, names unique without regard to case."""

    labels: tuple[Label, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every label's name, in order."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def parent_of(self) -> dict[str, str]:
        """Child name to parent name, for the labels that have one."""
        return {label.name: label.parent for label in self.labels if label.parent is not None}

    def parents_among(self, names: Iterable[str]) -> frozenset[str]:
        """Those of ``names`` that others of them lie below: who reads "dog" needs no "animal"."""
        named = frozenset(names)
        above: set[str] = set()
        for name in named:
            parent = self.parent_of.get(name)
            while parent is not None and parent not in above:
                above.add(parent)
                parent = self.parent_of.get(parent)
        return named & above

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the labels mean; comments and layout do not count."""
        return hashlib.sha256(format_labels(self).encode()).hexdigest()

    @cached_property
    def by_word(self) -> dict[str, Label]:
        """The label of every name and synonym, folded (qks_cli/folding.py). English words come
        before names in other languages."""
        words: dict[str, Label] = {}
        for label in self.labels:
            for word in label.synonyms:
                words.setdefault(fold(word), label)
        own = {fold(label.name) for label in self.labels}
        for label in self.labels:
            for word in (name for _, names in label.names for name in names):
                if fold(word) not in own:
                    words.setdefault(fold(word), label)
        return words | {fold(label.name): label for label in self.labels}

    def lookup(self, word: str) -> Label | None:
        """The label of this name or synonym, without regard to case."""
        return self.by_word.get(fold(word))


def read_labels(path: Path) -> tuple[Vocabulary, list[LabelWarning]]:
    """Parse a file (UTF-8, BOM or not, any line ends). Raises ``VocabularyError``."""
    data = b""
    try:
        with path.open("rb") as stream:  # a pipe too: --labels <(grep …)
            data = stream.read(LONGEST_FILE + 1)
        if len(data) > LONGEST_FILE:
            raise VocabularyError(f"{path}: more than {LONGEST_FILE >> 20} MB are no labels file")
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise VocabularyError(
            f"cannot read the labels file {path}: {error.strerror}",
            hint="`qks labels init labels.txt` writes one to start from",
        ) from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise VocabularyError(
            f"{path}:{line}: not UTF-8 text", hint="save the file as UTF-8"
        ) from error
    return parse_labels(text, str(path))


def parse_labels(text: str, source: str) -> tuple[Vocabulary, list[LabelWarning]]:
    """Parse the text of a labels file; ``source`` names it in messages.

    Raises one ``VocabularyError`` that lists every bad line with its number.
    """
    reader = _Reader()
    for number, line in enumerate(_lines(text), 1):
        try:
            reader.line(line, number)
        except ValueError as problem:
            reader.problems.append((number, str(problem)))
    reader.check_cycles()
    if not reader.problems and not reader.labels:
        reader.problems.append((1, "no labels in this file"))
    if reader.problems:
        found = sorted(reader.problems)
        lines = [f"{source}:{number}: {problem}" for number, problem in found[:SHOWN_PROBLEMS]]
        if len(found) > SHOWN_PROBLEMS:
            lines.append(f"… and {len(found) - SHOWN_PROBLEMS} more")
        hint = "the syntax is described in docs/labels.md"
        raise VocabularyError(lines[0], hint=hint, further=lines[1:])
    return Vocabulary(tuple(reader.labels.values())), reader.warnings


def format_labels(vocabulary: Vocabulary) -> str:
    """A labels file that parses to an equal vocabulary."""
    lines = []
    for label in vocabulary.labels:
        line = _quote(label.name)
        if label.parent is not None:
            line = f"{_quote(label.parent)} > {line}"
        if label.synonyms:
            line += " | " + ", ".join(_quote(word) for word in label.synonyms)
        for prompt in label.prompts:
            line += " ; prompt: " + _quote(prompt, always=True)
        if label.cutoff is not None:
            line += f" ; cutoff: {label.cutoff!r}"
        if label.group is not None:
            line += " ; group: " + _quote(label.group, always=True)
        for code, names in label.names:
            line += _names_option(code, names)
        lines.append(line)
    return "\n".join(lines) + "\n"


def add_names(text: str, code: str, names_of: Callable[[str], Sequence[str]]) -> str:
    """The text of a labels file with the names of its labels in a language added, as ``names_of``
    a label tells them; comments and everything else stay. A parent that has no line of its own gets
    one. ``text`` has to be free of errors."""
    reader, text_lines = _Reader(), _lines(text)
    for number, line in enumerate(text_lines, 1):
        reader.line(line, number)
    stated = {number: reader.labels[key] for key, number in reader.stated.items()}
    lines: list[str] = []
    for number, line in enumerate(text_lines, 1):
        for key, label in reader.labels.items():
            if label.line == number and key not in reader.stated:
                lines.append(_quote(label.name) + _names_option(code, names_of(label.name)))
        added = _names_option(code, names_of(stated[number].name)) if number in stated else ""
        end = _comment_at(line)
        comment = f"  {line[end:]}" if added and line[end:] else line[end:]
        lines.append(line[:end].rstrip() + added + comment if added else line)
    return "\n".join(lines).rstrip("\n") + "\n"


def _names_option(code: str, names: Sequence[str]) -> str:
    return f" ; {code}: " + ", ".join(map(_quote, names)) if names else ""


def _comment_at(line: str) -> int:
    """Where the comment of a line begins; its length where there is none."""
    quoted = False
    for at, char in enumerate(line):
        quoted ^= char == '"'
        if char == "#" and not quoted and (at == 0 or line[at - 1].isspace()):
            return at
    return len(line)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))


class _Reader:
    def __init__(self) -> None:
        self.labels: dict[str, Label] = {}
        self.stated: dict[str, int] = {}  # casefolded name: line that states it, not as a parent
        self.problems: list[tuple[int, str]] = []
        self.warnings: list[LabelWarning] = []

    def line(self, line: str, number: int) -> None:
        tokens = _tokens(line)
        if not tokens:
            return
        fields = _split(tokens, ";")
        halves = _split(fields[0], "|")
        if len(halves) > 2:
            raise ValueError("more than one | (separate synonyms with commas)")
        path = [_word(part, "label") for part in _split(halves[0], ">")]
        synonyms = (
            [_word(part, "synonym") for part in _split(halves[1], ",")] if len(halves) == 2 else []
        )
        if any(token == "," and special for token, special in halves[0]):
            raise ValueError('a comma in a label (one label a line, or write it in "quotes")')
        options = _options(fields[1:])
        parent: str | None = None
        for name in path[:-1]:
            parent = self._add(name, parent, number, as_parent=True).name
        name = path[-1]
        key = fold(name)
        if key in self.stated:
            self.warnings.append(
                LabelWarning(number, f"'{name}' is already on line {self.stated[key]}; joined")
            )
        self.stated.setdefault(key, number)
        label = self._add(name, parent, number, as_parent=False)
        merged = tuple(dict.fromkeys(label.synonyms + tuple(synonyms)))
        self.labels[key] = Label(
            label.name,
            label.parent,
            tuple(word for word in merged if fold(word) != key),
            label.prompts + tuple(options.prompts),
            label.cutoff if options.cutoff is None else options.cutoff,
            label.group if options.group is None else options.group,
            label.line,
            _joined(label.names, options.names),
        )

    def _add(self, name: str, parent: str | None, number: int, *, as_parent: bool) -> Label:
        key = fold(name)
        found = self.labels.get(key)
        if found is None:
            found = self.labels[key] = Label(name, parent, line=number)
        elif parent is not None and found.parent is None:
            found = self.labels[key] = replace(found, parent=parent)
        elif parent is not None and found.parent != parent:
            raise ValueError(
                f"'{name}' already has the parent '{found.parent}' (line {found.line})"
            )
        return found

    def check_cycles(self) -> None:
        cleared: set[str] = set()
        for label in self.labels.values():
            walked: list[str] = []
            at: Label | None = label
            while at is not None and at.name not in cleared:
                if at.name in walked:
                    ring = " > ".join([*reversed(walked), walked[-1]])
                    self.problems.append((label.line, f"a circle of parents: {ring}"))
                    break
                walked.append(at.name)
                at = self.labels.get(fold(at.parent)) if at.parent is not None else None
            cleared.update(walked)


_Token = tuple[str, bool]  # text, whether it is one of the special characters


def _tokens(line: str) -> list[_Token]:
    """Cut a line at unquoted special characters and drop its comment."""
    tokens: list[_Token] = []
    at = 0
    while at < len(line):
        char = line[at]
        if char == "#" and (at == 0 or line[at - 1].isspace()):
            break
        if char == '"':
            end = at + 1
            while True:
                end = line.find('"', end)
                if end < 0:
                    raise ValueError("a quote that is not closed")
                if line[end : end + 2] != '""':
                    break
                end += 2
            tokens.append(('"' + line[at + 1 : end].replace('""', '"'), False))
            at = end + 1
        elif char in ",|>;":
            tokens.append((char, True))
            at += 1
        else:
            end = at
            while end < len(line) and line[end] not in ',|>;"':
                if line[end] == "#" and end > 0 and line[end - 1].isspace():
                    break
                end += 1
            if line[at:end].strip():
                tokens.append((line[at:end].strip(), False))
            at = end
    return tokens


def _split(tokens: list[_Token], mark: str) -> list[list[_Token]]:
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token == (mark, True):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _word(tokens: list[_Token], what: str) -> str:
    texts = [text for text, special in tokens if not special]
    if not texts:
        raise ValueError(f"an empty {what}")
    if len(texts) > 1:
        if (",", True) in tokens:
            listed = ", ".join(texts)
            raise ValueError(f'one {what} a line; quote one that holds a comma: "{listed}"')
        raise ValueError(f"text beside a quoted {what}: {' '.join(texts)}")
    text = texts[0].removeprefix('"') if texts[0].startswith('"') else " ".join(texts[0].split())
    if not text.strip():
        raise ValueError(f"an empty {what}")
    if text != text.strip():
        raise ValueError(f"a {what} that starts or ends with a space")
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text):
        raise ValueError(f"a control character in a {what}")
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a {what} of more than {MAX_LENGTH} characters")
    return text


@dataclass(slots=True)
class _Options:
    prompts: list[str] = field(default_factory=list)
    cutoff: float | None = None
    group: str | None = None
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _joined(
    before: tuple[tuple[str, tuple[str, ...]], ...], new: dict[str, tuple[str, ...]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names by language, those of another line added."""
    found = dict(before)
    for code, names in new.items():
        found[code] = tuple(dict.fromkeys(found.get(code, ()) + names))
    return tuple(found.items())


def _options(fields: list[list[_Token]]) -> _Options:
    options = _Options()
    for tokens in fields:
        text = "".join(text for text, _ in tokens)
        name, colon, value = text.partition(":")
        name, value = name.strip().casefold(), value.strip()
        if colon and name in CODES:
            own = _names(tokens)
            options.names[name] = tuple(dict.fromkeys(options.names.get(name, ()) + own))
            continue
        if not colon or name not in ("prompt", "cutoff", "group"):
            raise ValueError(
                f"'{text}' is not an option (prompt:, cutoff:, group:, or a language: "
                f"{', '.join(sorted(CODES))})"
            )
        if name == "prompt":
            value = value.removeprefix('"')
            if "{}" not in value:
                raise ValueError("a prompt without {} where the label goes")
            options.prompts.append(value)
        elif name == "group":
            options.group = value.removeprefix('"').casefold()
            if not options.group:
                raise ValueError("a group without a name")
        else:
            options.cutoff = _cutoff(value)
    return options


def _names(tokens: list[_Token]) -> tuple[str, ...]:
    """The names of ``de: Hund, "Hund, klein"``."""
    (first, _), *rest = tokens
    named = first.partition(":")[2].strip()
    parts = _split([(named, False), *rest] if named else rest, ",")
    return tuple(_word(part, "name") for part in parts)


def _cutoff(value: str) -> float:
    try:
        cutoff = float(value)
    except ValueError:
        cutoff = -1.0
    if not 0 <= cutoff <= 1:
        raise ValueError(f"'{value}' is not a cut-off from 0 to 1")
    return cutoff


def _quote(text: str, *, always: bool = False) -> str:
    plain = not any(char in SPECIAL for char in text) and " ".join(text.split()) == text
    if plain and not always:
        return text
    return '"' + text.replace('"', '""') + '"'
