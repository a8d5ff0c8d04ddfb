"""Writing into photos and sidecars, one at a time, each by the whole protocol."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.keywords import embed, files, names, reading, sidecar
from qks_cli.keywords.choices import Backend, Mtime, Style, Target
from qks_cli.keywords.embed import Before
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import container, exiftool
from qks_cli.keywords.verify import mentions_us
from qks_cli.keywords.xmp import Keyword, Source
from qks_cli.library import ledger
from qks_cli.library.journal import Change, LibraryJournal
from qks_cli.library.ledger import Write
from qks_cli.library.lock import writing_lock
from qks_cli.workflows.claims import claim_of
from qks_cli.workflows.settle import settle_left_over

if TYPE_CHECKING:
    from qks_cli.library.store import Library

THREADS = 8  # that make sidecars
AT_ONCE = 32  # new sidecars that are entered in the journal together


@dataclass(frozen=True, slots=True)
class Options:
    """How to write; see ``qks write --help``."""

    to: Target = Target.sidecar
    style: Style = Style.ext
    mtime: Mtime = Mtime.bump
    backend: Backend = Backend.own
    backup: Path | None = None
    immich: bool = False
    synonyms: bool = False
    dry_run: bool = False
    places: bool = False  # the names of the places where photos were taken, too
    language: str = "en"  # of keywords: ``LanguageCode``


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: written, unchanged, removed, refused; ``file`` is what it is about.

    ``reason`` says why it was refused, or why a sidecar was taken instead of the photo."""

    path: Path
    status: str
    file: Path
    labels: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _NewSidecar:
    """A sidecar to be made for ``photo``."""

    write: Write
    temporary: Path
    data: bytes
    photo: Path


@dataclass(slots=True)
class PhotoWriter:
    """Writes into photos and sidecars, each by the whole protocol.

    New sidecars are made on threads, where most of the time is waiting for the disk: they are there
    after ``finish``, which brings their folders to the disk too.
    """

    library: Library
    journal: LibraryJournal
    source: Source
    options: Options = field(default_factory=Options)
    _waiting: dict[Path, _NewSidecar] = field(default_factory=dict)
    _making: dict[Path, tuple[int, Future[None]]] = field(default_factory=dict)
    _folders: dict[Path, Path] = field(default_factory=dict)
    _names: names.Folders = field(default_factory=names.Folders)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS))

    def write(
        self,
        photo_id: int,
        path: Path,
        keywords: Sequence[Keyword],
        language: str = "en",
        *,
        beside: bool = False,
    ) -> Outcome:
        """Make ``keywords``, which are of a language, our keywords of a photo; ``beside`` it in a
        sidecar whatever the options say."""
        reason = ""
        if self.options.to is Target.embed and not beside:
            try:
                return self._embed(photo_id, path, keywords, language)
            except Refusal as refusal:
                if not refusal.sidecar:
                    return Outcome(path, "refused", path, reason=refusal.reason)
                reason = refusal.reason
        try:
            return self._sidecar(photo_id, path, keywords, language, reason)
        except Refusal as refusal:
            return Outcome(path, "refused", path, reason=refusal.reason)

    def undo(self, path: Path, writes: Sequence[Write], *, one: bool = False) -> Outcome:
        """Take ``writes`` of one file back, all of them, or the last alone.

        Where nothing else changed, the file gets the bytes that it had. Else, unless ``one``, our
        keywords are taken out and the rest stays.
        """
        last = writes[-1]
        try:
            if not os.path.lexists(last.file):
                if not self.options.dry_run:
                    ledger.forget(self.library, [last] if one else writes)
                return Outcome(path, "removed", last.file, reason="it is gone")
            seen = self._read(last.file, writes)
            linked = one or all(
                older.sha_after == newer.sha_before for older, newer in pairwise(writes)
            )
            exact = linked and seen.sha256 == last.sha_after
            if one and not exact:
                raise Refusal(
                    "it has changed since; `qks untag` takes the keywords of qks out", sidecar=False
                )
            new = self._before(writes[-1:] if one else writes, seen, exact=exact)
            if not self.options.dry_run:
                change = self._change(last.photo_id, last.kind, undoes=[last] if one else writes)
                if new is None:
                    files.remove(seen, change)
                elif new != seen.data:
                    self._replace(seen, new, change)
                else:
                    ledger.forget(self.library, [last] if one else writes)
            return Outcome(path, "removed", last.file, last.keywords)
        except Refusal as refusal:
            return Outcome(path, "refused", last.file, reason=refusal.reason)

    def erase(self, photo_id: int, path: Path) -> list[Outcome]:
        """Take our keywords out of a photo and its sidecar that the ledger knows nothing of."""
        found = []
        own = names.existing(self._real(path), claim=self._claim(photo_id, self._real(path)))
        for file in (path,) if own is None else (path, own):
            try:
                if file == own and not mentions_us(file):
                    continue  # whatever else is the matter with it
                seen = files.read(file)
                if file == path:
                    new = embed.with_keywords(seen.data, (), self.source)[0]
                else:
                    new = sidecar.with_keywords(seen.data, (), self.source) or seen.data
                if new == seen.data:
                    continue
                if not self.options.dry_run:
                    kind = Target.embed if file == path else Target.sidecar
                    self._replace(seen, new, self._change(photo_id, kind))
                found.append(Outcome(path, "removed", file))
            except Refusal as refusal:
                if file != path:
                    found.append(Outcome(path, "refused", file, reason=refusal.reason))
        return found

    def finish(self) -> dict[Path, str]:
        """Bring what is new to the disk; sidecars that could not be made, and why."""
        self._make()
        self._folders.clear()
        self._names = names.Folders()
        failed = {}
        for file, (entry, made) in self._making.items():
            try:
                made.result()
            except Refusal as refusal:
                self.journal.drop(entry)
                failed[file] = refusal.reason
        for folder in {file.parent for file in self._making}:
            files.sync_folder(folder)
        self._making.clear()
        self.journal.close()
        return failed

    def close(self) -> None:
        """Finish, and end the threads."""
        self.finish()
        self._threads.shutdown()

    def _embed(
        self, photo_id: int, path: Path, keywords: Sequence[Keyword], language: str
    ) -> Outcome:
        by_exiftool = self._check_embeds(path)
        seen = files.read(path)
        immich = self.options.immich
        if by_exiftool:
            new, before = exiftool.with_keywords(
                seen.path, seen.data, keywords, self.source, immich=immich
            )
        else:
            new, before = embed.with_keywords(
                seen.data,
                keywords,
                self.source,
                immich=immich,
                ours_alone=self._is_ours_alone(seen.path),
            )
        labels = tuple(keyword.label for keyword in keywords)
        meant = tuple(keyword.of or keyword.label for keyword in keywords)
        if new == seen.data:
            return Outcome(path, "unchanged", seen.path, labels)
        if not self.options.dry_run:
            write = Write(
                photo_id=photo_id,
                kind=Target.embed,
                file=seen.path,
                existed=True,
                xmp=before.xmp,
                other=before.other,
                sha_before=seen.sha256,
                sha_after=hashlib.sha256(new).digest(),
                labels=meant,
                words=labels if labels != meant else (),
                language=language,
            )
            change = self._change(photo_id, Target.embed, write)
            self._replace(seen, new, change, write.sha_after)
        return Outcome(path, "written", seen.path, labels)

    def _sidecar(
        self, photo_id: int, path: Path, keywords: Sequence[Keyword], language: str, reason: str
    ) -> Outcome:
        real = self._real(path)
        file, exists = names.locate(
            real,
            self.options.style,
            folders=self._names,
            claim=self._claim(photo_id, real),
        )
        labels = tuple(keyword.label for keyword in keywords)
        meant = tuple(keyword.of or keyword.label for keyword in keywords)
        if file in self._making or file in self._waiting:  # one file by two names
            self.finish()
            exists = file.exists()
        seen = self._read(file, ledger.chain_of(self.library, file)) if exists else None
        theirs = [] if exists or not keywords else reading.of_photo(real).keywords
        old = None if seen is None else seen.data
        new = sidecar.with_keywords(
            old, keywords, self.source, theirs=theirs, immich=self.options.immich
        )
        if new is None or new == old:
            return Outcome(path, "unchanged", file, labels, reason)
        if not self.options.dry_run:
            write = Write(
                photo_id=photo_id,
                kind=Target.sidecar,
                file=file if seen is None else seen.path,
                existed=seen is not None,
                xmp=old,
                other=None,
                sha_before=None if seen is None else seen.sha256,
                sha_after=hashlib.sha256(new).digest(),
                labels=meant,
                words=labels if labels != meant else (),
                language=language,
            )
            if seen is None:
                self._waiting[file] = _NewSidecar(write, files.temporary_for(file), new, real)
                if len(self._waiting) == AT_ONCE:
                    self._make()
            else:
                change = self._change(photo_id, Target.sidecar, write)
                self._replace(seen, new, change, write.sha_after)
        return Outcome(path, "written", file, labels, reason)

    def _make(self) -> None:
        """Begin to make the sidecars that wait, entered in the journal together first."""
        entries = self.journal.begin_all((x.write, x.temporary) for x in self._waiting.values())
        for entry, (file, new) in zip(entries, self._waiting.items(), strict=True):
            made = self._threads.submit(files.create, file, new.temporary, new.data, like=new.photo)
            self._making[file] = (entry, made)
        self._waiting.clear()

    def _real(self, path: Path) -> Path:
        """The file that a photo is; folders are resolved once for many photos."""
        folder = self._folders.get(path.parent)
        if folder is None:
            folder = self._folders[path.parent] = path.parent.resolve()
        real = folder / path.name
        return real.resolve() if real.is_symlink() else real

    def _before(self, writes: Sequence[Write], seen: files.Seen, *, exact: bool) -> bytes | None:
        """The bytes of a file as they were before ``writes``; None where it was not there."""
        write = writes[0]
        if write.kind == Target.sidecar:
            if exact:
                return write.xmp if write.existed else None
            return sidecar.with_keywords(seen.data, (), self.source)
        by_exiftool = not embed.is_embeddable(seen.data)
        if exact:
            for candidate in (
                _candidates(writes, seen)
                if by_exiftool
                else embed.restored(seen.data, Before(write.xmp, write.other))
            ):
                if hashlib.sha256(candidate).digest() == write.sha_before:
                    return candidate
        if by_exiftool:
            return exiftool.with_keywords(seen.path, seen.data, (), self.source)[0]
        return embed.with_keywords(seen.data, (), self.source)[0]

    def _check_embeds(self, path: Path) -> bool:
        """Whether exiftool has to write into this photo, by its bytes, whatever its name says.

        Raises ``Refusal`` where keywords are not put into files of its format."""
        kind = container.kind_of(path)
        if kind in container.EMBEDDED:
            return False
        if kind in container.BY_EXIFTOOL and self.options.backend is Backend.exiftool:
            return True
        raise Refusal("keywords are not put into files of this format")

    def _is_ours_alone(self, file: Path) -> bool:
        """Whether a photo had no XMP before we wrote into it."""
        chain = ledger.chain_of(self.library, file)
        return bool(chain) and chain[0].xmp is None

    def _claim(self, photo_id: int, real: Path) -> names.Claim:
        """What the ledger says of sidecars that could be this photo's, and what it will say."""
        claim = claim_of(self.library, photo_id, real)

        def with_new_ones(file: Path) -> bool | None:
            waiting = self._waiting.get(file)
            return claim(file) if waiting is None else waiting.photo == real

        return with_new_ones

    def _read(self, file: Path, chain: Sequence[Write]) -> files.Seen:
        """A file to be rewritten; one that we made, also where it is read-only."""
        ours = chain[-1].sha_after if chain and not chain[0].existed else None
        return files.read(file, ours=ours)

    def _change(
        self,
        photo_id: int,
        kind: str,
        write: Write | None = None,
        undoes: Sequence[Write] = (),
    ) -> Change:
        own = photo_id if kind == Target.embed else None
        return Change(self.journal, write, undoes, own, _fingerprint)

    def _replace(
        self, seen: files.Seen, data: bytes, change: Change, digest: bytes | None = None
    ) -> None:
        files.replace(
            seen,
            data,
            change,
            digest=digest,
            keep_mtime=self.options.mtime is Mtime.keep,
            backup=self.options.backup,
        )


def _fingerprint(path: Path) -> bytes | None:
    from qks_cli.photos.fingerprint import fingerprint

    try:
        return fingerprint(path)
    except OSError:  # then the next run reads it again
        return None


def _candidates(writes: Sequence[Write], seen: files.Seen) -> Iterator[bytes]:
    """What a file that exiftool wrote may have been before ``writes``."""
    data = seen.data
    for write in reversed(writes):
        data = exiftool.undone(data, Before(write.xmp, write.other))
    yield data
    yield from exiftool.restored(seen.path, seen.data, Before(writes[0].xmp))


@contextmanager
def writing(
    library: Library, run_id: int, source: Source, options: Options
) -> Iterator[PhotoWriter]:
    """A writer; only one at a time for a library. First settles what a crash left.

    Raises ``LibraryError`` where another one is at work."""
    with writing_lock(library):
        settle_left_over(library)
        writer = PhotoWriter(library, LibraryJournal(library, run_id), source, options)
        try:
            yield writer
        finally:
            writer.close()
