"""Checks signatures of revisions. The check of a revision's tree is `gitsync.airflow.policy`."""
