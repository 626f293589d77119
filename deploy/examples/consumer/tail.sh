#!/usr/bin/env bash
# Prints events as they happen, one JSON a line, with nothing but a socket: what a consumer needs to
# know is the subject. Nothing is remembered; for that, see subscribe.mjs.
#   NATS_HOST=127.0.0.1 NATS_PORT=4222 NATS_USER=... NATS_PASSWORD=... tail.sh 'ev.run.>'
set -euo pipefail
subject=${1:-ev.>}
exec 3<>"/dev/tcp/${NATS_HOST:-127.0.0.1}/${NATS_PORT:-4222}"
read -r _info <&3
printf 'CONNECT {"verbose":false,"headers":false,"user":"%s","pass":"%s"}\r\nSUB %s 1\r\nPING\r\n' \
  "${NATS_USER:-}" "${NATS_PASSWORD:-}" "$subject" >&3
while IFS= read -r line <&3; do
  case $line in
    PONG*) echo "listening to $subject" >&2 ;;
    PING*) printf 'PONG\r\n' >&3 ;;
    MSG*)
      IFS= read -r event <&3
      printf '%s\n' "${event%$'\r'}"
      ;;
    -ERR*) echo "$line" >&2; exit 1 ;;
  esac
done
