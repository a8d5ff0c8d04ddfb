"""What the pages ask about labels and their cut-offs."""

from __future__ import annotations

from array import array
from dataclasses import asdict
from pathlib import Path

from starlette.routing import BaseRoute

from qks_cli.errors import UsageError
from qks_cli.report.page import readable
from qks_cli.review.asking import Answer, Asked, get, post
from qks_cli.review.jobs import Job
from qks_cli.review.photos import namer
from qks_cli.review.state import Review
from qks_cli.workflows import cutoffs
from qks_cli.workflows import review as work
from qks_cli.workflows.attention import label_rows

BESIDE = 12  # photos shown above a cut-off, and below it
NEAREST = 500  # photos that are judged one by one


def routes(review: Review) -> list[BaseRoute]:
    """All of them."""
    return [
        get("/api/labels", rows, review),
        get("/api/label", label, review),
        get("/api/around", around, review),
        get("/api/nearest", nearest, review),
        post("/api/cutoff", cutoff, review),
        get("/api/job", job, review),
    ]


def rows(review: Review, asked: Asked) -> Answer:
    """All labels, those that need attention first."""
    with review.thinking, review.library() as library:
        found = label_rows(library, model=review.model)
        name_of = namer(review, library)
    return {"labels": [asdict(row) | {"name": name_of(row.label)} for row in found]}


def label(review: Review, asked: Asked) -> Answer:
    """One label with its scores, counted; the number under which photos around a cut-off are
    asked for."""
    with review.thinking, review.library() as library:
        found = cutoffs.scores_of(library, asked.text("label"), model=review.model)
        file = cutoffs.file_of(library, review.labels_file)
        name = namer(review, library)(found.label)
    return {
        "scores": review.scores.add(found),
        "label": found.label,
        "name": name,
        "cutoff": round(found.cutoff, 4),
        "own": found.own,
        "counts": found.counts(),
        "photos": len(found.ids_N),
        "file": "" if file is None else readable(str(file)),
    }


def around(review: Review, asked: Asked) -> Answer:
    """The photos just above and just below a cut-off."""
    found = review.scores.get(asked.number("scores"))
    sides = found.around(asked.share("cutoff"), BESIDE)
    ids = [[int(found.ids_N[place]) for place in side] for side in sides]
    with review.library() as library:
        known = {x.id: x for x in work.cards(library, [*ids[0], *ids[1]], found.label)}
    score = {
        int(x): float(found.scores_N[place])
        for side, own in zip(sides, ids, strict=True)
        for place, x in zip(side, own, strict=True)
    }
    above, below = (
        [asdict(known[x]) | {"score": round(score[x], 4)} for x in own if x in known] for own in ids
    )
    return {"above": above, "below": below}


def nearest(review: Review, asked: Asked) -> Answer:
    """A listing of the photos nearest to a cut-off of which nothing was said yet."""
    found = review.scores.get(asked.number("scores"))
    ids = found.nearest(asked.share("cutoff"), NEAREST)
    return {"listing": review.listings.add(array("q", ids)), "total": len(ids)}


def cutoff(review: Review, asked: Asked) -> Answer:
    """Save a cut-off, into the labels file or the library, and tag all photos with it."""
    name = asked.text("label")
    wanted = None if asked.values.get("cutoff") is None else asked.share("cutoff")
    file = _file(review) if asked.text("where") == "file" else None

    def save(job: Job) -> str:
        with review.library() as library:
            done = cutoffs.save_cutoff(
                library,
                name,
                wanted,
                file=file,
                model=review.model,
                advance=job.advance,
                stop=job.stop.is_set,
            )
        value = "no cut-off of its own" if wanted is None else f"the cut-off {wanted:g}"
        return f"{done.label} has {value} now; {done.tagged.anew:,} photos were tagged again"

    review.jobs.start(save)
    return {"started": True}


def job(review: Review, asked: Asked) -> Answer:
    """How far the last job is."""
    last = review.jobs.last
    return {
        "running": last.running,
        "done": last.done,
        "total": last.total,
        "message": last.message,
        "error": last.error,
    }


def _file(review: Review) -> Path:
    with review.library() as library:
        file = cutoffs.file_of(library, review.labels_file)
    if file is None:
        raise UsageError("there is no labels file", hint="`qks review --labels FILE` names one")
    return file
