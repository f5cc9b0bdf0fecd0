#!/bin/bash
# channels-stack-probe http|ws [PORT], channels-stack-probe worker [FILE]: the health check of a container, through the port that
# users use. Exit code 0 is healthy, 1 is not, and a line on standard error says why.
#
# Healthy is: ready; or draining; or not ready any more, because Redis or the database became unavailable: the edge keeps traffic
# off, and to end the process would only cut its sockets too. The worker renews a file.
#
# It runs every few seconds in each container. A start of Python took 100 ms of CPU, which was nearly half of what an idle stack
# used; this takes 3.
SERVICE_PORT=8000                       # as config/settings.py of the library has it, and the next one
WORKER_HEARTBEAT=/tmp/worker-heartbeat
HEAD_SECONDS=4                          # to connect and answer; the container's own limit is 5
HEARTBEAT_SECONDS=30                    # older than this, the worker's event loop no longer turns

unhealthy() {
    printf '%s: %s\n' "$what" "$1" >&2
    exit 1
}

server() {
    local port=$1 link status rest body
    { exec {link}<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || unhealthy "no answer on port $port: nothing listens there"
    printf 'GET /-/ready HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$port" >&"$link"
    read -r -t "$HEAD_SECONDS" -u "$link" _ status _ || unhealthy "no answer on port $port: none within $HEAD_SECONDS s"
    IFS= read -r -t 0.9 -N 10000 -u "$link" rest # to its end
    body=${rest#*$'\r\n\r\n'}
    case $status in
        200) return ;;
        404) [[ $body == *draining* ]] && return ;;
        503) [[ $body == *'"was_ready": true'* ]] && return ;;
    esac
    unhealthy "/-/ready answers $status: $body"
}

worker() {
    local file=$1 beat now age
    beat=$(stat --format %Y -- "$file" 2>/dev/null) || unhealthy "no heartbeat: $file"
    read -r now _ </proc/uptime # jobs/heartbeats.py gives the file its time by the same clock
    age=$((${now%.*} - beat))
    ((age <= HEARTBEAT_SECONDS)) || unhealthy "the last heartbeat is $age s old"
}

trap '' PIPE # a server that ends meanwhile is noticed by what it does not answer
what=$1
case $what in
    http | ws) server "${2:-$SERVICE_PORT}" ;;
    worker) worker "${2:-$WORKER_HEARTBEAT}" ;;
    *) echo "usage: channels-stack-probe http|ws [PORT], channels-stack-probe worker [FILE]" >&2; exit 2 ;;
esac
