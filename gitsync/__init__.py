"""Brings DAGs from Git into Airflow's pods: one whole commit at a time, under an explicit lock."""

__version__ = "0.1.0"
