"""Makes tests/ a package, so that an installed package named `tests` cannot come before it."""
