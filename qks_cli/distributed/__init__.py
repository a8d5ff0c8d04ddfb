"""Photos, query tokens and tags as Parquet data sets, and the Ray Data job that makes one. These
modules need the extra `parquet`, the job `ray`: import them where they are used."""
