"""What a library was last tagged with: the labels file, the cut-off, the tags per photo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

SCHEMA = (
    "ALTER TABLE runs DROP COLUMN own_words",
    # The labels file of a run, as it was named; '' for the model's own, NULL where nobody knows
    "ALTER TABLE runs ADD COLUMN labels TEXT",
)
# The default labels that qks 0.1 came with, in all their editions
DEFAULTS = (
    "7983787900b6435784c265942711143f62b398706ea905453f0d0af08a7fc356",
    "869a0628cc0ce67cb9745e5ba5250a88ad776734afd84f216aaba9c51b3b9c36",
    "575ea6c6951f52bedb970f1327a00d1aa90c994f952efbf27c8932824a473728",
    "4e4024d09be4069a3f9021d0f143b560f4b7109a9120422ca6e6e95f1e10dfd8",
    "dcfd456b645afbf21bfad3afed5da637f48eb508154e3d3e5c5ee575efbb9218",
    "e7e78c3c60782e73f501d32705111f4e95c8347d0beadb7ab634c4ad5cacf824",
)
# The cut-offs of the models that came with it, and of those that it fetched
CUTOFFS = frozenset("0.5000 0.2728 0.2729 0.2752 0.2849 0.3005 0.8481".split())


def apply(db: Database) -> None:
    """Add the column, and note of old runs what can be told."""
    for statement in SCHEMA:
        db.execute(statement)
    db.execute(
        "UPDATE runs SET labels = '' WHERE vocabulary_id IN (SELECT id FROM vocabularies "
        f"WHERE digest IN ({', '.join('?' * len(DEFAULTS))}))",
        DEFAULTS,
    )
    row = db.execute("SELECT selection FROM photos ORDER BY tagged_at DESC LIMIT 1").fetchone()
    found = re.fullmatch(r"min-score ([\d.]+), top (\d+)", (row and row[0]) or "")
    if found is not None and found[1] not in CUTOFFS:
        db.execute(
            "UPDATE runs SET min_score = ?, top = ? WHERE id = "
            "(SELECT max(id) FROM runs WHERE command IN ('tag', 'retag', 'watch'))",
            (float(found[1]), int(found[2])),
        )
