# shellcheck shell=bash
# What the scripts of this folder share: words to the user, processes, ports, waiting.
# Sourced, never run. Written for bash 3.2 and later, so that macOS' own bash will do.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
HERE=$ROOT/deploy/local
LOCAL=$ROOT/.local
# Read by the scripts that source this file.
export ROOT HERE LOCAL

# Debian keeps servers out of an ordinary user's PATH, and Go's tools are ours.
PATH=$LOCAL/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin:/opt/homebrew/sbin
export PATH

# --- words ---------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- processes -----------------------------------------------------------------------------

# What tells a process from a later one under the same number, be it after a reboot: on Linux
# the boot and the tick it began at, elsewhere the second. Fails when there is no such process.
process_identity() {
    local pid=$1 stat fields
    if [ -r /proc/self/stat ]; then
        { stat=$(<"/proc/$pid/stat"); } 2>/dev/null || return 1
        # The name in parentheses may hold blanks, so count from behind it.
        read -r -a fields <<<"${stat##*) }"
        # A killed process whose other threads are still leaving has its sockets open.
        case ${fields[0]} in
        Z) [ "${fields[17]}" -gt 1 ] || return 1 ;;
        X) return 1 ;;
        esac
        printf '%s/%s\n' "$(</proc/sys/kernel/random/boot_id)" "${fields[19]}"
    else
        local since
        since=$(ps -o lstart= -p "$pid" 2>/dev/null) || return 1
        [ -n "$since" ] || return 1
        tr -s ' ' '_' <<<"$since"
    fi
}

# remember_process PIDFILE PID
remember_process() {
    local identity
    identity=$(process_identity "$2") || return 1
    printf '%s %s\n' "$2" "$identity" >"$1"
}

# Prints the number that PIDFILE names, if that very process is still alive.
live_pid() {
    local pid identity
    { read -r pid identity <"$1"; } 2>/dev/null || return 1
    [ -n "$identity" ] && [ "$(process_identity "$pid")" = "$identity" ] || return 1
    printf '%s\n' "$pid"
}

# launch PIDFILE LOGFILE COMMAND...: a process of its own session that outlives this script
# and holds nothing of it open (a lock, a pipe that somebody reads to its end).
launch() {
    local pidfile=$1 log=$2 pid
    shift 2
    (
        for fd in 3 4 5 6 7 8 9; do eval "exec $fd>&-"; done
        cd /
        if have setsid; then
            exec setsid "$@"
        else
            trap '' HUP
            exec "$@"
        fi
    ) </dev/null >>"$log" 2>&1 &
    pid=$!
    disown "$pid" 2>/dev/null || true
    remember_process "$pidfile" "$pid" || true
}

# end_process PIDFILE SIGNAL SECONDS: asks, waits, and only then insists.
end_process() {
    local pidfile=$1 signal=$2 seconds=$3 pid
    if pid=$(live_pid "$pidfile"); then
        kill "-$signal" "$pid" 2>/dev/null || true
        if ! wait_for "$seconds" gone "$pidfile"; then
            say "process $pid did not end within ${seconds}s of SIG$signal: killing it"
            kill -KILL "$pid" 2>/dev/null || true
            wait_for 10 gone "$pidfile" || die "process $pid does not end"
        fi
    fi
    rm -f "$pidfile"
}

gone() { ! live_pid "$1" >/dev/null; }

# wait_for SECONDS COMMAND...: until the command succeeds; fails after so many seconds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# Only one at a time, where the system can tell; held until the script ends.
# hold_lock DESCRIPTOR FILE
hold_lock() {
    have flock || return 0
    eval "exec $1>>\"\$2\""
    flock "$1"
}

# --- ports ---------------------------------------------------------------------------------

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Reserves a free port for a folder. Below the range from which the system hands out ports for
# outgoing connections, so that a server that was killed finds its port again; and written
# down, so that two servers that start at once, or one that is stopped, keep their own.
reserve_port() {
    local dir=$1 port owner try
    mkdir -p "$LOCAL/ports"
    for try in {1..500}; do
        port=$((20000 + RANDOM % 12000))
        port_answers "$port" && continue
        if ! mkdir "$LOCAL/ports/$port" 2>/dev/null; then
            owner=$(cat "$LOCAL/ports/$port/owner" 2>/dev/null) || continue
            [ ! -e "$owner" ] || continue
        fi
        printf '%s\n' "$dir" >"$LOCAL/ports/$port/owner"
        printf '%s\n' "$port"
        return
    done
    die "no free port found between 20000 and 32000 in $try tries"
}

# choose_port DIR NAME: the port remembered in DIR/NAME while nobody else has it; else a new one.
choose_port() {
    local file=$1/$2 port
    if port=$(cat "$file" 2>/dev/null); then
        port_answers "$port" || return 0
        say "port $port of $1 was taken by somebody else: choosing another"
    fi
    port=$(reserve_port "$1")
    printf '%s\n' "$port" >"$file"
}

# --- small things --------------------------------------------------------------------------

# random_hex BYTES
random_hex() {
    od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# A short name for a folder that no other folder has.
path_hash() {
    if have sha256sum; then
        printf '%s' "$1" | sha256sum | cut -c1-12
    else
        printf '%s' "$1" | shasum -a 256 | cut -c1-12
    fi
}

# remembered FILE COMMAND...: the file's content; the command's output becomes it at first.
remembered() {
    local file=$1
    shift
    if [ ! -s "$file" ]; then
        (umask 077 && "$@" >"$file.new")
        mv "$file.new" "$file"
    fi
    cat "$file"
}
