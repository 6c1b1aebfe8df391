-- Run once, when the data directory is made. The passwords are read by psql itself: they are in no argument and no
-- environment, and :'…' quotes whatever characters they have.
\set airflow_password `cat "${POSTGRES_SECRETS:-/etc/postgres/secrets}/airflow-password"`
\set celery_password `cat "${POSTGRES_SECRETS:-/etc/postgres/secrets}/celery-password"`
\set gitsync_password `cat "${POSTGRES_SECRETS:-/etc/postgres/secrets}/gitsync-password"`

create role airflow login password :'airflow_password';
create role celery login password :'celery_password';
create role gitsync login password :'gitsync_password';

create database airflow owner airflow;
create database celery owner celery;
revoke connect on database airflow, celery, postgres from public;
grant connect on database airflow to gitsync; -- what it may read there is granted where the tables are made
