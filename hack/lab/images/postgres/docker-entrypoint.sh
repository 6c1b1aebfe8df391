#!/usr/bin/env bash
# Starts PostgreSQL; on an empty data folder it first makes the cluster, the database and whatever the init scripts want.
set -Eeuo pipefail
init_folder=/docker-entrypoint-initdb.d

say() { echo "$(basename "$0"): $*"; }
die() { say "$*" >&2; exit 1; }

# from_file NAME [DEFAULT]: sets NAME from the file that NAME_FILE names, unless it is set itself.
from_file() {
  local name=$1 file_name=$1_FILE
  [[ -z ${!name:-} || -z ${!file_name:-} ]] || die "both $name and $file_name are set: set one"
  local value=${!name:-${2:-}}
  [[ -z ${!file_name:-} ]] || value=$(< "${!file_name}")
  export "$name=$value"
  unset "$file_name"
}

step_down() {
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
}

make_cluster() {
  local auth=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  [[ -n $POSTGRES_PASSWORD || $auth == trust ]] ||
    die "the data folder is empty and POSTGRES_PASSWORD is not set: the superuser needs one"
  # The arguments are words by contract.
  # shellcheck disable=SC2086
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "$auth" >> "$PGDATA/pg_hba.conf"
}

# During the first steps only this container can connect: clients elsewhere must not see a half-made database.
start_privately() { pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses=''" --wait start; }
stop_privately() { pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop; }

sql() {
  psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc --dbname "$POSTGRES_DB" "$@"
}

make_database() {
  [[ $POSTGRES_DB == postgres ]] ||
    createdb --username "$POSTGRES_USER" --no-password --maintenance-db postgres -- "$POSTGRES_DB"
}

run_init_scripts() {
  local script
  for script in "$init_folder"/*; do
    say "running $script"
    case $script in
      *.sh)
        if [[ -x $script ]]; then
          "$script"
        else
          # Mounted from a ConfigMap it is not executable. It sees our functions and variables, by contract.
          # shellcheck disable=SC1090
          . "$script"
        fi
        ;;
      *.sql) sql --file="$script" ;;
      *.sql.gz) gunzip --stdout "$script" | sql ;;
      *.sql.xz) xz --decompress --stdout "$script" | sql ;;
      *.sql.zst) zstd --decompress --stdout "$script" | sql ;;
      *) say "ignoring $script" ;;
    esac
  done
}

initialize() {
  make_cluster
  export PGPASSWORD=$POSTGRES_PASSWORD
  start_privately
  make_database
  shopt -s nullglob
  run_init_scripts
  stop_privately
  unset PGPASSWORD
  say "initialized; starting"
}

[[ ${1:-} != -* ]] || set -- postgres "$@"
if [[ ${1:-} == postgres ]]; then
  ((EUID != 0)) || step_down "$@"
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2> /dev/null || true # a folder of somebody else's that we may write to
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  [[ -s $PGDATA/PG_VERSION ]] || initialize
fi
exec "$@"
