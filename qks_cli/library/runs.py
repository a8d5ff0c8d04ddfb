"""What ran over a library: runs, and the models and vocabularies that they used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from qks_cli.errors import LibraryError, ReaderGoneError
from qks_cli.library import learned
from qks_cli.library.database import Database, now
from qks_cli.library.lock import alive, nobody_runs

# Runs that tagged: photos carry tags of their words.
_TAGGED = (
    "command IN ('tag', 'retag', 'watch') AND EXISTS "
    "(SELECT 1 FROM photos WHERE photos.vocabulary_id = runs.vocabulary_id)"
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a run was asked to tag with: the labels file as it was named ('' for the model's own,
    None where nobody knows), the cut-off and the tags per photo (None: the model's own), and whose
    order the labels had (None: that of the model's own scores)."""

    labels: str | None = ""
    min_score: float | None = None
    top: int | None = None
    scoring: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What a library was last tagged with, and the heads that were learned from its verdicts."""

    digest: str
    text: str
    chosen: Chosen
    learned: tuple[learned.StoredHead, ...] = ()


@dataclass(slots=True)
class Run:
    """A run that is going on. Whoever holds it counts; ``interrupted`` says that it was asked to
    stop before its end."""

    id: int
    tagged: int = 0
    failed: int = 0
    interrupted: bool = False


class Runs:
    """Rows of ``runs``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def recorded(
        self,
        command: str,
        model_id: int | None = None,
        vocabulary_id: int | None = None,
        chosen: Chosen | None = None,
    ) -> Iterator[Run]:
        """A run, in the state ``running`` while the block lasts.

        However the block ends, it leaves the run ``done``, ``interrupted`` (Ctrl-C, a reader of
        our output that left, or ``run.interrupted``) or ``failed`` (any other exception, which goes
        on). Where its process is killed, the next command marks it ``killed``."""
        self.settle()
        with alive(self._database):
            run = Run(self.begin(command, model_id, vocabulary_id, chosen))
            try:
                yield run
            except BaseException as error:
                left = isinstance(error, KeyboardInterrupt | GeneratorExit | ReaderGoneError)
                # Where the library itself is what failed, the first error is the one to tell.
                with suppress(LibraryError):
                    self._finish(run, "interrupted" if left else "failed")
                raise
            self._finish(run, "interrupted" if run.interrupted else "done")

    def settle(self) -> None:
        """Mark runs ``killed`` whose processes are gone; nothing where another run goes on, or
        where the library cannot be written to now."""
        running = "SELECT 1 FROM runs WHERE status = 'running' LIMIT 1"
        if self._database.value(running) is None or self._database.read_only:
            return
        with nobody_runs(self._database) as nobody, suppress(LibraryError):
            if nobody:
                with self._database.impatient(), self._database.atomic():
                    self._database.execute(
                        "UPDATE runs SET status = 'killed' WHERE status = 'running'"
                    )

    def last_killed(self) -> tuple[str, str] | None:
        """Command and start (UTC) of the latest run where it was killed; None where it was not."""
        row = self._database.row(
            "SELECT status, command, started_at FROM runs ORDER BY id DESC LIMIT 1"
        )
        return (str(row[1]), str(row[2])) if row is not None and row[0] == "killed" else None

    def begin(
        self,
        command: str,
        model_id: int | None,
        vocabulary_id: int | None,
        chosen: Chosen | None = None,
    ) -> int:
        """A new row in the state ``running``; ``recorded`` ends it by itself."""
        asked = chosen or Chosen(None)
        with self._database.atomic():
            return self._database.execute(
                "INSERT INTO runs (started_at, command, model_id, vocabulary_id, status, labels, "
                "min_score, top, scoring) VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?)",
                (
                    now(),
                    command,
                    model_id,
                    vocabulary_id,
                    asked.labels,
                    asked.min_score,
                    asked.top,
                    asked.scoring,
                ),
            )

    def kept(self) -> Kept | None:
        """What the library was last tagged with; None where it never was."""
        row = self._database.row(
            "SELECT digest, text, labels, min_score, top, scoring FROM runs "
            f"JOIN vocabularies ON vocabularies.id = runs.vocabulary_id WHERE {_TAGGED} "
            "ORDER BY runs.id DESC LIMIT 1"
        )
        if row is None:
            return None
        return Kept(row[0], row[1], Chosen(*row[2:]), learned.heads(self._database))

    def finish(self, run_id: int, *, tagged: int, failed: int, status: str) -> None:
        """Close a run as ``done``, ``interrupted`` or ``failed``."""
        with self._database.atomic():
            self._database.execute(
                "UPDATE runs SET finished_at = ?, tagged = ?, failed = ?, status = ? WHERE id = ?",
                (now(), tagged, failed, status, run_id),
            )

    def latest(self) -> tuple[int | None, int | None]:
        """Rows of the model and the vocabulary of the latest run that tagged."""
        row = self._database.row(
            f"SELECT model_id, vocabulary_id FROM runs WHERE {_TAGGED} ORDER BY id DESC LIMIT 1"
        )
        return (None, None) if row is None else (int(row[0]), int(row[1]))

    def latest_model(self) -> tuple[str, str]:
        """Name and version of the model of the latest run that tagged; '' where none did."""
        row = self._database.row(
            "SELECT name, version FROM models WHERE id = ?", (self.latest()[0],)
        )
        return ("", "") if row is None else (str(row[0]), str(row[1]))

    def _finish(self, run: Run, status: str) -> None:
        self.finish(run.id, tagged=run.tagged, failed=run.failed, status=status)


class Models:
    """Rows of ``models``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def id_of(self, name: str, version: str, digest: str, queries: int, width: int) -> int:
        """The row of a model, made where it is new."""
        return _id(
            self._database,
            "SELECT id FROM models WHERE hash = ?",
            "INSERT OR IGNORE INTO models (hash, name, version, queries, width) "
            "VALUES (?, ?, ?, ?, ?)",
            (digest, name, version, queries, width),
        )

    def stored(self, digest: str) -> int | None:
        """The row of a model that tagged photos here, None where none of its tokens are stored."""
        number: int | None = self._database.value(
            "SELECT id FROM models WHERE hash = ? AND EXISTS "
            "(SELECT 1 FROM query_tokens WHERE model_id = models.id)",
            (digest,),
        )
        return number


class Vocabularies:
    """Rows of ``vocabularies``: every list of labels that the library was tagged with."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def id_of(self, digest: str, text: str) -> int:
        """The row of a vocabulary, made where it is new. ``text`` parses to it."""
        return _id(
            self._database,
            "SELECT id FROM vocabularies WHERE digest = ?",
            "INSERT OR IGNORE INTO vocabularies (digest, text, created_at) VALUES (?, ?, ?)",
            (digest, text, now()),
        )

    def latest(self) -> str | None:
        """The text of the vocabulary that the library was last tagged with."""
        text: str | None = self._database.value(
            "SELECT text FROM vocabularies WHERE id = "
            f"(SELECT vocabulary_id FROM runs WHERE {_TAGGED} ORDER BY id DESC LIMIT 1)"
        )
        return text

    def words(self, digest: str) -> dict[str, str]:
        """Every word of a vocabulary, folded, with the label that it names; empty where they have
        not been kept."""
        rows = self._database.rows(
            "SELECT word, label FROM words WHERE vocabulary_id = "
            "(SELECT id FROM vocabularies WHERE digest = ?)",
            (digest,),
        )
        return dict(rows)

    def keep_words(self, digest: str, words: Mapping[str, str]) -> None:
        """Keep them, unless another run is writing or the library is read-only."""
        number = self._database.value("SELECT id FROM vocabularies WHERE digest = ?", (digest,))
        with suppress(LibraryError), self._database.impatient(), self._database.atomic():
            self._database.execute_many(
                "INSERT OR IGNORE INTO words VALUES (?, ?, ?)",
                [(number, word, label) for word, label in words.items()],
            )

    def text(self, version: int) -> str | None:
        """The text of one version, None where there is none."""
        text: str | None = self._database.value(
            "SELECT text FROM vocabularies WHERE id = ?", (version,)
        )
        return text

    def versions(self) -> list[tuple[int, str, str, int]]:
        """Version, when it was first used, its text, and how many photos carry its tags."""
        return self._database.rows(
            "SELECT id, created_at, text, "
            "(SELECT count(*) FROM photos WHERE vocabulary_id = vocabularies.id) "
            "FROM vocabularies ORDER BY id"
        )


def _id(database: Database, select: str, insert: str, values: tuple[object, ...]) -> int:
    """The row with the first of ``values`` as its key, inserted where it is new."""
    found = database.value(select, values[:1])
    if found is None:
        with database.atomic():
            database.execute(insert, values)
        found = database.value(select, values[:1])
    return int(found)
