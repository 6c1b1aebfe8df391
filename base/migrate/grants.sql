-- What gitsync may do in Airflow's database: see which runs a publication must wait for, and have a file parsed.
-- Columns, not tables: what a run was triggered with, by whom, and what a task was given stay out of its sight.
revoke all on dag, dag_run, task_instance, dag_bundle, dag_version, dag_priority_parsing_request from gitsync;
grant select (dag_id, bundle_name, relative_fileloc, is_paused, is_stale, last_parsed_time, last_parse_duration)
  on dag to gitsync;
grant select (dag_id, run_id, run_type, state, queued_at, start_date, clear_number, backfill_id, bundle_version,
  created_dag_version_id) on dag_run to gitsync;
grant select (dag_id, run_id, state, start_date, try_number, dag_version_id) on task_instance to gitsync;
grant select (name, last_refreshed) on dag_bundle to gitsync;
grant select (id, dag_id, version_number, bundle_version) on dag_version to gitsync;
grant insert on dag_priority_parsing_request to gitsync;
