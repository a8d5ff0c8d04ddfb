"""How long places of photos take to be named, and how well borders are kept.

    python benchmarks/places.py [PHOTOS]

Photos lie around towns from all over the world, 5 km off on average. Times are of the processor,
so that other programs do not count. Axes: N photos, T towns.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from qks_cli.places.gazetteer import _Zones, load


def main(photos: int) -> None:
    """Print seconds, and the share of towns whose time zone is of their own country."""
    start = time.process_time()
    gazetteer = load()
    loaded = time.process_time()
    random = np.random.default_rng(0)
    towns_N = random.integers(0, len(gazetteer.places), photos)
    degrees_N2 = gazetteer.degrees_T2[towns_N] + random.normal(0, 0.04, (photos, 2))
    gazetteer.names_of(np.clip(degrees_N2, [-90, -180], [90, 180]))
    named = time.process_time()
    print(f"{len(gazetteer.places):,} towns loaded in {loaded - start:.1f} s")
    print(f"{photos:,} photos named in {named - loaded:.1f} s")
    zones = _Zones()
    own = [
        place.code in zones.countries(*degrees)
        for place, degrees in zip(gazetteer.places, gazetteer.degrees_T2, strict=True)
    ]
    print(f"{np.mean(own):.2%} of towns lie in a time zone of their own country")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
