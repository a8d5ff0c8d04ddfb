"""``qks explain``: why a photo has a tag, or why not, and where the model looked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, Labels, Language, MinScore, Model, RecordFormat
from qks_cli.cli.output import Format, Records, emit, say
from qks_cli.escape import shown
from qks_cli.vocabulary.language_codes import LanguageCode

if TYPE_CHECKING:
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.vocabulary.languages import Language as Names
    from qks_cli.workflows.explain import Explanation

FIELDS = (
    "label", "name", "score", "cutoff", "shown", "token", "above", "nearest_taught", "words_alone",
    "reason",
)  # fmt: skip
SIDE = 1024  # pixels of a heat map's longer side


Photo = Annotated[Path, typer.Argument(help="The photo.")]
Asked = Annotated[
    list[str] | None,
    typer.Argument(
        help="Labels, any words. Default: the photo's tags, and labels that nearly became one."
    ),
]
HeatMap = Annotated[
    Path | None,
    typer.Option(help="Write a PNG: the photo, warm where the first label's score comes from."),
]
Attention = Annotated[
    bool, typer.Option("--attention", help="The heat map: where the query token looked.")
]
Show = Annotated[bool, typer.Option("--show", help="Draw that picture in the terminal.")]


def explain(
    photo: Photo,
    label: Asked = None,
    heatmap: HeatMap = None,
    attention: Attention = False,
    show: Show = False,
    labels: Labels = None,
    min_score: MinScore = None,
    format: RecordFormat = None,
    db: Db = None,
    model: Model = "mini",
    language: Language = LanguageCode.en,
) -> None:
    """Tell why a photo has a tag or lacks it: its score, the cut-off, what decided.

    Lines begin with + for labels that the photo is tagged with, with - for others. The photo need
    not be in the library. With --language labels are shown by their names in that language, and
    may be given by them.
    """
    from qks_cli.cli.pictures import drawn, require_terminal
    from qks_cli.model.model import Model as Opened
    from qks_cli.vocabulary.languages import open_language
    from qks_cli.workflows.explain import explain as find
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import kept_words
    from qks_cli.workflows.words import choose_words

    named = language != LanguageCode.en
    records = Records(format, [field for field in FIELDS if named or field != "name"])
    if show:
        require_terminal()
    opened = Opened.open(model)
    words = choose_words(
        opened, kept_words(db), labels, min_score=min_score, report=Report(note=say)
    )
    own = open_language(language, words.vocabulary)
    found = find(
        photo,
        opened,
        words.vocabulary,
        [_in_english(own, words.vocabulary, one) for one in label or ()],
        min_score=words.chosen.min_score,
        top=words.top,
        learned=words.learned,
    )
    _write(records, found, own)
    if heatmap is not None or show:
        from qks_cli.workflows.heat import heat_map, picture, write_picture

        first = found.reasons[0].label
        label_of_it = words.vocabulary.lookup(first) or first
        heat_GG = heat_map(opened, photo, label_of_it, attention=attention)
        pixels_HW3 = picture(photo, heat_GG, opened.bundle.resize, SIDE)
        if show:
            emit(drawn(pixels_HW3))
        if heatmap is not None:
            write_picture(pixels_HW3, heatmap)
            say(f"qks: heat map of {first if own is None else own.shown(first)}: {shown(heatmap)}")


def _in_english(own: Names | None, vocabulary: Vocabulary, label: str) -> str:
    """A label that may be given by its name in a language; what is none stays as it is."""
    if own is None:
        return label
    return own.translate(label, lambda word: vocabulary.lookup(word) is not None).text


def _write(records: Records, found: Explanation, own: Names | None) -> None:
    name_of = str if own is None else own.shown
    if records.format is Format.table:
        marks = ("+" if reason.shown else "-" for reason in found.reasons)
        lines = zip(marks, found.reasons, strict=True)
        emit("".join(f"{mark} {shown(reason.told(name_of))}\n" for mark, reason in lines))
    else:
        records.write(
            {"label": reason.label}
            | ({} if own is None else {"name": name_of(reason.label)})
            | {
                "score": round(reason.score, 4),
                "cutoff": round(reason.cutoff, 4),
                "shown": reason.shown,
                "token": reason.token,
                "above": round(reason.above, 4),
                "nearest_taught": [word for word, _ in reason.nearest_taught],
                "words_alone": None if reason.words_alone is None else round(reason.words_alone, 4),
                "reason": reason.told(name_of),
            }
            for reason in found.reasons
        )
