"""The checks that a candidate must pass before any pod sees it, run in the Airflow image.

The Airflow image holds this package, so all but `client` and `keeper`, which are the controller's side, import nothing
but the standard library, Airflow and what it needs (`parse`, `check`), each other, and two modules of `gitsync.git`.
"""
