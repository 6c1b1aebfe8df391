#!/usr/bin/env bash
# Brings the metadata database to the image's version, then makes what lives in it. Every step may run again.
set -euo pipefail
rm -f /tmp/done # of a container that ran before in this pod

port=${POSTGRES_PORT:-5432}
echo "waiting for ${POSTGRES_HOST}:${port}"
until (exec 3<> "/dev/tcp/${POSTGRES_HOST}/${port}") 2> /dev/null; do sleep 1; done

airflow db migrate

python - <<'PYTHON'
from pathlib import Path

import psycopg2

url = Path("/run/airflow/sql_alchemy_conn").read_text().replace("+psycopg2", "", 1)
with psycopg2.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute(Path("/etc/migrate/grants.sql").read_text())
PYTHON

# A user that exists stays as it is. The api-server makes FAB's permissions at the same time: the one that is second fails,
# and its container is started again.
airflow users create --username admin --role Admin --firstname Airflow --lastname Admin --email admin@example.org \
  --password="$(< /etc/airflow/secrets/admin-password)"

touch /tmp/done
exec sleep infinity
