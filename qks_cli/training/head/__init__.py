"""A query decoder on a frozen model: what `qks train` trains."""
