#!/usr/bin/env bash
# groom.sh DIRECTORY: every quarter of an hour, removes files older than RETENTION_DAYS, and then the oldest until what is
# left fits into MAX_MIB. What was written to in the last hour stays: its task may still run.
set -euo pipefail
cd "${1:?the directory is missing}" 2> /dev/null || { mkdir -p "$1" && cd "$1"; }

groom() {
  find . -type f -mmin +60 -mtime "+${RETENTION_DAYS:?}" -delete
  # Newest first; from the file on with which the bound is passed, all go.
  find . -type f -printf '%T@\t%s\t%p\n' | sort --numeric-sort --reverse \
    | awk -F '\t' -v bound="${MAX_MIB:?}" '{ total += $2 } total > bound * 1048576 { print $3 }' \
    | while IFS= read -r file; do find "$file" -maxdepth 0 -mmin +60 -delete; done
  find . -mindepth 1 -type d -empty -mmin +60 -delete
}

trap 'exit 0' TERM
while :; do
  groom || echo "log-groomer: not all could be removed; next try in ${PERIOD:=900} s" >&2 # others may groom here too
  [[ ${PERIOD:=900} == 0 ]] && break
  sleep "$PERIOD" & wait $!
done
