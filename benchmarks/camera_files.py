"""Real camera files through writing and back: FOLDER is searched for JPEG, PNG, WebP, TIFF and DNG.

Of each a copy is made, keywords are embedded, exiftool tells what changed for it, the keywords are
taken out again, and the bytes are compared. One JSON line; ``unexpected`` and ``not_restored`` name
files, ``reasons`` say why files were refused (they stay as they were, which is checked too).

    python benchmarks/camera_files.py FOLDER
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from metadata import KEYWORDS, SOURCE, library_of

from qks_cli.keywords.choices import Backend, Target
from qks_cli.library import ledger
from qks_cli.library.journal import LibraryJournal
from qks_cli.photos.suffixes import PHOTOS
from qks_cli.workflows.photo_writer import Options, PhotoWriter

# What may differ: our fields, and what describes the file as a file.
ALLOWED = ("XMP-", "System:", "File:", "ExifTool:", "MPF0:MPImageLength", "RIFF:", "SourceFile")
ALLOWED += ("IPTC:Keywords", "Photoshop:IPTCDigest", "MPImage1:MPImageLength")
# Where in the file something lies. What lies there is compared: exiftool gives it out too.
MOVED = ("StripOffsets", "TileOffsets", "PreviewImageStart", "JpgFromRawStart", "ThumbnailOffset")
MOVED += ("OtherImageStart", "MPImageStart", "SubIFD", "MakerNoteOffset", "FreeOffsets")
MOVED += ("ApplicationNotes",)  # XMP as a TIFF's tag


def told(path: Path) -> dict[str, object]:
    """Everything that exiftool says of a file, by group and tag."""
    command = ["exiftool", "-a", "-G1", "-s", "-j", "-b", "-u", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    found: dict[str, object] = json.loads(done.stdout)[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    kinds = PHOTOS | {".dng"}
    found = [x for x in sorted(given.folder.rglob("*")) if x.suffix.lower() in kinds]
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    cameras = set()
    unexpected: dict[str, list[str]] = {}
    not_restored = []
    with tempfile.TemporaryDirectory() as scratch:
        photos = []
        for number, original in enumerate(x for x in found if x.is_file()):
            photos.append(Path(scratch, f"{number:05}-{original.name}"))
            shutil.copyfile(original, photos[-1])
        (Path(scratch) / "db").mkdir()
        library, ids = library_of(photos, Path(scratch) / "db")
        run = library.runs.begin("write", None, None)
        options = Options(to=Target.embed, backend=Backend.exiftool)
        hand = PhotoWriter(library, LibraryJournal(library, run), SOURCE, options)
        for photo in photos:
            old, before = photo.read_bytes(), told(photo)
            outcome = hand.write(ids[photo], photo, KEYWORDS)
            hand.finish()
            counts["files"] += 1
            if outcome.file != photo or outcome.status != "written":
                counts["refused"] += 1
                reasons[outcome.reason.split(":")[0]] += 1
                assert photo.read_bytes() == old, photo
                continue
            counts["written"] += 1
            counts[photo.suffix.lower()] += 1
            cameras.add((before.get("IFD0:Make"), before.get("IFD0:Model")))
            after = told(photo)
            changed = sorted(
                key
                for key in before.keys() | after.keys()
                if before.get(key) != after.get(key)
                and not key.startswith(ALLOWED)
                and not key.split(":")[-1].startswith(MOVED)
            )
            if changed:
                unexpected[photo.name] = changed[:8]
            (chain,) = ledger.writes_of(library, [ids[photo]]).values()
            hand.undo(photo, chain)
            if photo.read_bytes() != old:
                not_restored.append(photo.name)
        hand.close()
        library.close()
    models = sorted(f"{make} {model}" for make, model in cameras if make or model)
    report = dict(counts) | {"cameras": len(models), "reasons": dict(reasons)}
    print(json.dumps(report | {"unexpected": unexpected, "not_restored": not_restored}))


if __name__ == "__main__":
    main()
