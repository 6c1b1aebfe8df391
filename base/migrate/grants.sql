-- What gitsync may do in Airflow's database: see which runs a publication must wait for, and ask for a file's parsing.
grant select on dag, dag_run, task_instance, dag_bundle, dag_version to gitsync;
grant insert on dag_priority_parsing_request to gitsync;
