"""A package, so that none of this name that others install comes before it."""
