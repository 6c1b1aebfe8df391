"""The controller's side of the gate. Its other side, `gitsync.airflow.gate`, imports DAG files in Airflow's image."""
