#!/usr/bin/env bash
# The workload that the performance gate measures: the demo service under load at a fixed rate.
#
# usage: workload.sh DIRECTORY   (where demo_service and demo_load are)
#
# Ends the service as an operator would, so that it sends the last of what it measured.
set -euo pipefail

programs=$1
scratch=$(mktemp -d)
"$programs/demo_service" >"$scratch/service.out" &
service=$!
# Whatever happens below, the service does not outlive this script.
trap 'kill "$service" 2>/dev/null || true; rm -rf "$scratch"' EXIT

address=
for _ in $(seq 100); do
    address=$(sed -n 's|^listening on http://||p' "$scratch/service.out")
    [ -n "$address" ] && break
    kill -0 "$service" 2>/dev/null || { echo "error: demo_service ended before it listened" >&2; exit 1; }
    sleep 0.1
done
[ -n "$address" ] || { echo "error: demo_service did not listen within ten seconds" >&2; exit 1; }

"$programs/demo_load" --addr "$address"
kill -TERM "$service"
wait "$service"
