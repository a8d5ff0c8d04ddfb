"""Photos, query tokens and tags as Parquet data sets. These modules need the extra
`parquet`: import them where they are used."""
