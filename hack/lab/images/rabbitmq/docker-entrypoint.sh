#!/usr/bin/env bash
# Starts RabbitMQ, which reads RABBITMQ_DEFAULT_USER, _PASS and _VHOST itself; as root it first steps down.
set -euo pipefail

for name in RABBITMQ_DEFAULT_USER_FILE RABBITMQ_DEFAULT_PASS_FILE RABBITMQ_VM_MEMORY_HIGH_WATERMARK; do
  [[ -z ${!name:-} ]] || {
    echo "$(basename "$0"): $name is not supported: use a file in /etc/rabbitmq/conf.d" >&2
    exit 1
  }
done

if [[ ${1:-} == rabbitmq* ]] && ((EUID == 0)); then
  chown -R rabbitmq:rabbitmq /var/lib/rabbitmq
  exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "${BASH_SOURCE[0]}" "$@"
fi
exec "$@"
