"""The gate's side that runs in Airflow's image: imports a revision's DAG files, and judges what it finds.

`serve` answers the controller of the same pod. `check` is the command for the CI of a DAG repository.
"""
