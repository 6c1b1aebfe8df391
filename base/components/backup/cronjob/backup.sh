#!/usr/bin/env bash
# One file of the whole metadata database, whole or not at all; the newest KEEP files stay.
set -euo pipefail
export PGPASSWORD PGSSLMODE=${POSTGRES_SSLMODE:-prefer}
PGPASSWORD=$(< /etc/backup/secrets/airflow-password)

file=/backups/airflow-$(date --utc +%Y%m%dT%H%M%SZ).dump
rm -f /backups/*.new
pg_dump --host="$POSTGRES_HOST" --port="${POSTGRES_PORT:-5432}" --username=airflow --format=custom \
  --file="$file.new" "${POSTGRES_AIRFLOW_DATABASE:-airflow}"
pg_restore --list "$file.new" > /dev/null
mv "$file.new" "$file"
echo "wrote $file, $(stat --format=%s "$file") bytes"

dumps=(/backups/airflow-*.dump) # the oldest first
while ((${#dumps[@]} > KEEP)); do
  rm "${dumps[0]}"
  echo "removed ${dumps[0]}"
  dumps=("${dumps[@]:1}")
done
