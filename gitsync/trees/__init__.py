"""Trees on disk, one for each revision."""
