"""What the user says of labels and photos: verdicts, names, cut-offs, lessons, stacks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.api.opened import Opened, Paths, whole
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.model.model import Model
    from qks_cli.workflows.cutoffs import CutoffSet
    from qks_cli.workflows.labels import Audit, AuditOptions, Version
    from qks_cli.workflows.learn import Learning, LearnOptions
    from qks_cli.workflows.photo_writer import Outcome
    from qks_cli.workflows.stacks import Listed
    from qks_cli.workflows.suggest import Suggestion
    from qks_cli.workflows.tags import Reach


class JudgingPart(Opened):
    """The part of a library that keeps what its user says."""

    def confirm(
        self, label: str, paths: Paths = (), *, everything: bool = False, add: bool = False
    ) -> int:
        """Say that a label is right on photos: it stays, whatever later runs find. With ``add``
        also on photos that do not carry it. Returns on how many photos that was said. Raises
        ``UsageError`` without paths unless ``everything``, and for what cannot be a label."""
        from qks_cli.workflows import tags

        photos = self._selected(paths, everything=everything)
        return tags.confirm(self._store, photos, label, add=add)

    def reject(self, label: str, paths: Paths = (), *, everything: bool = False) -> int:
        """Say that a label is wrong on photos: it goes, and no later run brings it back. Returns on
        how many it stood. Raises as ``confirm``, and where there is no such label."""
        from qks_cli.workflows import tags

        photos = self._selected(paths, everything=everything)
        return tags.reject(self._store, photos, label)

    def reset(self, label: str, paths: Paths = (), *, everything: bool = False) -> int:
        """Take back what was confirmed or rejected; returns of how many photos. Raises as
        ``reject``."""
        from qks_cli.workflows import tags

        photos = self._selected(paths, everything=everything)
        return tags.reset(self._store, photos, label)

    def label_reach(self, label: str) -> Reach:
        """How many photos carry a label, and into which files it was written. Raises ``UsageError``
        where there is no such label."""
        from qks_cli.workflows.tags import reach

        return reach(self._store, label)

    def rename_label(self, old: str, new: str, *, files: bool = False) -> list[Outcome]:
        """Show a label under another name, now and after later runs. With ``files`` the files that
        it was written into change too: returns what became of each. Raises ``UsageError`` where
        there is no such label, or the name is taken."""
        from qks_cli.workflows import tags

        reached = self.label_reach(old)
        tags.rename(self._store, old, new)
        return self._rewritten(reached) if files else []

    def merge_labels(self, one: str, into: str, *, files: bool = False) -> list[Outcome]:
        """Show one label as another one that exists. ``files`` and errors as ``rename_label``."""
        from qks_cli.workflows import tags

        reached = self.label_reach(one)
        tags.merge(self._store, one, into)
        return self._rewritten(reached) if files else []

    def delete_label(self, label: str, *, files: bool = False) -> list[Outcome]:
        """Hide a label everywhere. ``files`` and errors as ``rename_label``."""
        from qks_cli.workflows import tags

        reached = self.label_reach(label)
        tags.delete(self._store, label)
        return self._rewritten(reached) if files else []

    def undo_label_edit(self) -> str | None:
        """Take back the last ``rename_label``, ``merge_labels`` or ``delete_label``, in the library
        alone; what it was, None where there is none."""
        from qks_cli.workflows import tags

        return tags.undo(self._store)

    def set_cutoff(
        self,
        label: str,
        score: float | None,
        *,
        labels: Path | None = None,
        model: str | Model = "mini",
    ) -> CutoffSet:
        """Give a label a cut-off of its own (0 to 1; None: none any more), in the library or in the
        file ``labels``, and tag all photos with it. Raises ``UsageError`` where there is no such
        label or the file cannot be written."""
        from qks_cli.workflows.cutoffs import save_cutoff

        return save_cutoff(self._store, label, score, file=labels, model=model)

    def label_versions(self) -> list[Version]:
        """Every vocabulary that the library was tagged with, the first first."""
        from qks_cli.workflows.labels import versions

        return versions(self._store)

    def audit_labels(
        self,
        labels: Path | None = None,
        options: AuditOptions | None = None,
        *,
        model: str | Model = "mini",
        report: Report = SILENT,
    ) -> Audit:
        """Judge a labels file (None: the library's words) by the library's photos, without reading
        one. Raises ``ModelError`` where the model tagged nothing here."""
        from qks_cli.workflows.labels import AuditOptions, audit

        return audit(self._store, labels, model, options or AuditOptions(), report)

    def learn(
        self, options: LearnOptions | None = None, *, model: str | Model = "mini"
    ) -> Learning:
        """Learn from verdicts, and score all photos anew. Returns what each label gained on
        held-out photos. Raises ``ModelError`` where no photo here was tagged with the model."""
        from qks_cli.workflows.learn import learn_labels

        return learn_labels(self._store, model, options)

    def learn_examples(
        self, label: str, photos: Paths, others: Paths = (), *, model: str | Model = "mini"
    ) -> Learning:
        """Learn a label, which may be any name, from photos that show it and ``others`` that do
        not. For things, places and animals, not for telling people apart. Raises as ``learn``, and
        ``UsageError`` where none of the photos is in the library."""
        from qks_cli.errors import UsageError
        from qks_cli.workflows.learn import learn_examples

        shows = [photo_id for photo_id, _ in self._selected(photos)]
        if not shows:
            raise UsageError("none of the examples is in the library", hint="run `qks tag` on them")
        not_shown = [photo_id for photo_id, _ in self._selected(others)] if others else []
        return learn_examples(self._store, label, shows, not_shown, model=model)

    def unlearn(self, *, model: str | Model = "mini") -> list[str] | None:
        """Take back what was learned last, and score all photos as before; the labels, None where
        there is nothing. Verdicts stay."""
        from qks_cli.workflows.learn import unlearn

        return unlearn(self._store, model)

    def suggest(
        self, labels: Sequence[str] = (), *, limit: int = 20, model: str | Model = "mini"
    ) -> list[Suggestion]:
        """The photos whose verdicts would teach most, at most ``limit``, best first. Raises
        ``UsageError`` for a label that the library was not tagged with."""
        from qks_cli.workflows.suggest import suggest

        return suggest(self._store, labels, limit=limit, model=model)

    def join_stack(self, paths: Paths) -> Listed:
        """Make photos one stack; the first one is its main photo. Raises ``UsageError`` for fewer
        than two, or for one that the library does not have."""
        from qks_cli.workflows import stacks

        return stacks.join(self._store, whole(paths))

    def split_stack(self, paths: Paths) -> int:
        """Have photos stand alone from now on; returns how many. Raises as ``join_stack``."""
        from qks_cli.workflows import stacks

        return stacks.split(self._store, whole(paths))

    def reset_stack(self, paths: Paths) -> int:
        """Leave photos to the rule again; returns how many. Raises as ``join_stack``."""
        from qks_cli.workflows import stacks

        return stacks.reset(self._store, whole(paths))

    def _rewritten(self, reached: Reach) -> list[Outcome]:
        from qks_cli.workflows.write import rewrite

        with closing(rewrite(self._store, reached.written)) as outcomes:
            return list(outcomes)
