"""The labels of a library, those that need attention first."""

from __future__ import annotations

from dataclasses import dataclass

from qks_cli.library import labels, statistics, verdicts
from qks_cli.library.store import Library
from qks_cli.library.verdicts import Judgements
from qks_cli.model.model import Model
from qks_cli.workflows.audit import Finding
from qks_cli.workflows.labels import AuditOptions, audit
from qks_cli.workflows.words import tagged_words

ORDER = ("disagrees", "never", "everywhere", "alike", "strange")


@dataclass(frozen=True, slots=True)
class Remark:
    """What is odd about a label, in words. ``kind`` is one of ``ORDER``; ``cutoff`` (0 to 1) is one
    that would fit it better, where there is one."""

    kind: str
    text: str
    cutoff: float | None = None


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label as it is shown: the photos that carry it, its ``cutoff`` (None: given by hand only)
    and whether that is its ``own``, on how many photos it was confirmed and rejected."""

    label: str
    photos: int
    cutoff: float | None
    own: bool
    confirmed: int
    rejected: int
    remarks: tuple[Remark, ...]


def label_rows(library: Library, *, model: str | Model = "mini") -> list[LabelRow]:
    """Every label of the vocabulary that the library was last tagged with, and every other that
    photos carry; those that never fire, fire everywhere, or disagree with verdicts first.

    Raises ``ModelError`` where the model tagged nothing here."""
    found, words = tagged_words(library, model)
    judged = audit(library, None, found, AuditOptions(suggestions=0))
    shown = labels.shown_names(library)
    carried = dict(statistics.count_by(library, "label"))  # stacks once, as searches list them
    said = {one.label: one for one in verdicts.judgements(library)}
    cutoff = found.cutoff if words.chosen.min_score is None else words.chosen.min_score
    own = {}
    for label in words.vocabulary.labels:
        name = shown.get(label.name, label.name)
        if name is not None:
            own[name] = label
    remarks: dict[str, list[Remark]] = {}
    for finding in judged.findings:
        for about, remark in _remarks(finding, judged.judged):
            name = shown.get(about, about)
            # One that is implied by others, or given by hand, is on photos all the same.
            if name is not None and not (remark.kind == "never" and carried.get(name)):
                remarks.setdefault(name, []).append(remark)
    for name, one in said.items():
        if one.missed or one.wrong:
            remarks.setdefault(name, []).append(Remark("disagrees", _disagreement(one)))
    rows = []
    for name in own | carried:
        used = own[name].cutoff if name in own else None
        here = said.get(name, Judgements(name, 0, 0, 0, 0))
        notes = sorted(remarks.get(name, ()), key=lambda remark: ORDER.index(remark.kind))
        rows.append(
            LabelRow(
                name,
                carried.get(name, 0),
                (cutoff if used is None else used) if name in own else None,
                used is not None,
                here.confirmed,
                here.rejected,
                tuple(notes),
            )
        )
    return sorted(rows, key=_urgency)


def _remarks(finding: Finding, judged: int) -> list[tuple[str, Remark]]:
    label, other, cutoff = finding.label, finding.other, finding.cutoff
    match finding.kind:
        case "never":
            return [(label, Remark("never", "on no photo", cutoff))]
        case "everywhere":
            text = f"on {finding.photos:,} of {judged:,} photos looked at"
            return [(label, Remark("everywhere", text, cutoff))]
        case "alike":
            pairs = ((label, other), (other, label))
            return [(one, Remark("alike", f"means the same as {two}")) for one, two in pairs]
        case _:
            text = f"unlike any word that the model was taught; the nearest is {other}"
            return [(label, Remark("strange", text))]


def _disagreement(one: Judgements) -> str:
    parts = []
    if one.missed:
        parts.append(f"you said yes on {one.missed:,} without it")
    if one.wrong:
        parts.append(f"no on {one.wrong:,} with it" if parts else f"you said no on {one.wrong:,}")
    return ", ".join(parts)


def _urgency(row: LabelRow) -> tuple[int, int, str]:
    first = ORDER.index(row.remarks[0].kind) if row.remarks else len(ORDER)
    return first, -row.confirmed - row.rejected - row.photos, row.label
