"""Names of places for coordinates, offline."""
