#!/bin/sh
# Separate arras nodes on this machine, each a process with its data under run/node-I.
#   nodes.sh start N PORT | status | stop
set -eu
cd "$(dirname "$0")/.."
ARRAS=target/release/arras

api_of() { cat "run/$1/api" 2>/dev/null || true; }

# Whether NODE's process runs and is that node: its number may have gone to another process since, and what
# was killed but not yet reaped has no command line.
alive() {
  [ -s "run/$1/pid" ] || return 1
  pid=$(cat "run/$1/pid")
  kill -0 "$pid" 2>/dev/null || return 1
  [ -d /proc/self ] || return 0
  tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | grep -q -e "--data-dir run/$1 "
}

ready() { # NODE SECONDS
  tries=$(($2 * 10))
  while [ "$tries" -gt 0 ]; do
    "$ARRAS" --api "$(api_of "$1")" --timeout 2s status --ready >/dev/null 2>&1 && return 0
    alive "$1" || return 1
    sleep 0.1
    tries=$((tries - 1))
  done
  return 1
}

start() {
  count=$1 port=$2
  [ -x "$ARRAS" ] || { echo "there is no $ARRAS: run 'make build' first" >&2; exit 1; }
  mkdir -p run
  started=""
  index=0
  while [ "$index" -lt "$count" ]; do
    node=$(printf 'node-%02d' "$index")
    udp=$((port + index * 2)) api=$((port + index * 2 + 1))
    mkdir -p "run/$node"
    if alive "$node"; then
      echo "$node runs already (process $(cat "run/$node/pid"))"
    else
      echo "http://127.0.0.1:$api" > "run/$node/api"
      # Any other node serves as a seed: the one before, and the first.
      seeds=""
      [ "$index" -gt 0 ] && seeds="--seed 127.0.0.1:$port --seed 127.0.0.1:$((udp - 2))"
      [ "$index" -eq 0 ] && [ -s "run/$node/contacts.bin" ] && seeds="--seed 127.0.0.1:$((port + 2))"
      # shellcheck disable=SC2086
      nohup "$ARRAS" node --data-dir "run/$node" --listen "127.0.0.1:$udp" --api-listen "127.0.0.1:$api" $seeds \
        >> "run/$node/log" 2>&1 &
      echo $! > "run/$node/pid"
      # A new node joins at once through the others. One that was here before waits for those it knew, so
      # the next must be started before it is ready.
      [ -s "run/$node/contacts.bin" ] || await "$node"
      started="$started $node"
    fi
    index=$((index + 1))
  done
  for node in $started; do
    await "$node"
    echo "$node ready: UDP 127.0.0.1:$((port + $(number "$node") * 2)), API $(api_of "$node"), process $(cat "run/$node/pid")"
  done
}

# 01 is 1, whatever shells make of leading zeros.
number() { expr "${1#node-}" + 0 || true; }

await() {
  ready "$1" 40 && return 0
  echo "$1 is not ready; the end of run/$1/log:" >&2
  tail -n 5 "run/$1/log" >&2
  exit 1
}

each_node() { for dir in run/node-*; do [ -d "$dir" ] && basename "$dir"; done; true; }

status() {
  for node in $(each_node); do
    if alive "$node"; then
      printf '%s  ' "$node"
      "$ARRAS" --api "$(api_of "$node")" --timeout 3s status --brief 2>/dev/null ||
        echo "runs (process $(cat "run/$node/pid")), but does not answer at $(api_of "$node")"
    else
      echo "$node  stopped"
    fi
  done
}

stop() {
  for node in $(each_node); do
    alive "$node" && kill -TERM "$(cat "run/$node/pid")"
  done
  for node in $(each_node); do
    tries=150
    while alive "$node" && [ "$tries" -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
    if alive "$node"; then
      echo "$node does not stop: killed" >&2
      kill -KILL "$(cat "run/$node/pid")"
    else
      echo "$node stopped"
    fi
    rm -f "run/$node/pid"
  done
}

case "${1:-}" in
  start) start "${2:-8}" "${3:-7420}" ;;
  status) status ;;
  stop) stop ;;
  *) echo "usage: nodes.sh start N PORT | status | stop" >&2; exit 2 ;;
esac
