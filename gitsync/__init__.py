"""Brings DAGs from Git into Airflow's pods, one whole commit at a time, under a lock against Airflow's schedulers."""

__version__ = "0.1.0"
