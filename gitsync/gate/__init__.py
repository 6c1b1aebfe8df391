"""The checks that a candidate must pass before any pod sees it, run in the Airflow image."""
