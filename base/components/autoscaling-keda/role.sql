-- Once, as the superuser, in the database airflow: a role that sees how many tasks there are, and nothing about them.
create role keda login password :'password';
grant connect on database airflow to keda;
grant select (state, queue) on task_instance to keda;
