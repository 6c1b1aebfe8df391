"""Every question to Airflow's metadata database, and the hold. Another Airflow version may change this room."""
