"""Photos of a table to pixels, in a task of Ray: the project's own opener, with its limits.

A photo in a store is first copied to a file of its own, under its own name: its date may stand
there. Axes: S image side.
"""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from qks_cli.distributed.dataset import file_system
from qks_cli.distributed.sources import mtime_of
from qks_cli.distributed.table import Entry, is_url, path_of
from qks_cli.errors import PhotoError
from qks_cli.photos.readers import shared
from qks_cli.types import UInt8Array

LARGEST = 1 << 30  # bytes of a photo that is fetched


@dataclass(frozen=True)
class Read:
    """The rows of a batch to the same rows with ``pixels`` and ``entry``, what was read beside
    them. ``side`` and ``resize`` as the model wants them."""

    side: int
    resize: str

    def __call__(self, rows: pa.Table) -> pa.Table:
        """A photo that cannot be read has an entry with its error, and black pixels."""
        pixels_NSS3 = np.zeros((len(rows), self.side, self.side, 3), np.uint8)
        entries = [
            self._entry(path_of(row), row["size"], row["mtime_ns"], out_SS3)
            for row, out_SS3 in zip(rows.to_pylist(), pixels_NSS3, strict=True)
        ]
        kind = pa.binary(3 * self.side * self.side)
        buffer = pa.py_buffer(pixels_NSS3)
        return pa.table(
            {
                "partition": rows.column("partition"),
                "entry": [pickle.dumps(one) for one in entries],
                "pixels": pa.FixedSizeBinaryArray.from_buffers(kind, len(rows), [None, buffer]),
            }
        )

    def _entry(
        self, path: str, size: int | None, mtime_ns: int | None, out_SS3: UInt8Array
    ) -> Entry:
        try:
            if is_url(path):
                with tempfile.TemporaryDirectory(prefix="qks-") as folder:
                    file, size, mtime_ns = _fetched(path, Path(folder), size, mtime_ns)
                    found = shared().read(file, self.resize, out_SS3)
            else:
                if size is None or mtime_ns is None:
                    status = Path(path).stat()
                    size, mtime_ns = status.st_size, status.st_mtime_ns
                found = shared().read(Path(path), self.resize, out_SS3)
        except PhotoError as error:
            return Entry(path, size, mtime_ns, error=(error.kind, error.reason))
        except FileNotFoundError:
            return Entry(path, size, mtime_ns, error=("missing", "the file is gone"))
        except OSError as error:
            reason = error.strerror or str(error)
            return Entry(path, size, mtime_ns, error=("unreadable", reason))
        return Entry(
            path,
            size,
            mtime_ns,
            picture=found.size,
            fingerprint=found.fingerprint,
            details=found.details,
            warning=found.warning,
        )


def _fetched(
    url: str, folder: Path, size: int | None, mtime_ns: int | None
) -> tuple[Path, int, int | None]:
    """A photo of a store as a file in ``folder``, its size and time. Raises ``PhotoError``."""
    try:
        files, path = file_system(url)
        if size is None or mtime_ns is None:
            info = files.info(path)
            size, mtime_ns = info.get("size"), mtime_of(info)
        if size is not None and size > LARGEST:
            raise PhotoError(Path(url), "too-large", "more than 1 GB are not fetched")
        # A file name holds fewer bytes than a store's key may; its end has the suffix.
        name = path.rpartition("/")[2].encode()[-200:].decode(errors="replace") or "photo"
        file = folder / name.replace("\0", "_")
        data = files.cat_file(path, 0, LARGEST + 1) if size is None else files.cat_file(path)
        file.write_bytes(data)
        return file, len(data), mtime_ns
    except PhotoError:
        raise
    except FileNotFoundError:
        raise PhotoError(Path(url), "missing", "the file is gone") from None
    except Exception as error:  # clients of stores raise exceptions of their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(Path(url), "unreadable", reason) from error
