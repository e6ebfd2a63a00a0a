# shellcheck shell=bash
# Redis without persistence: what it holds is rebuilt from Postgres, so it comes back empty.

export START_SECONDS=10

find_programs() {
    local name
    for name in redis-server valkey-server; do
        if have "$name"; then
            REDIS_SERVER=$name
            return
        fi
    done
    return 1
}

start_processes() {
    local dir=$1 port
    choose_port "$dir" port
    port=$(<"$dir/port")
    mkdir -p "$dir/data"
    cat >"$dir/redis.conf" <<CONF
bind 127.0.0.1
port $port
dir "$dir/data"
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
tcp-backlog 511
timeout 0
CONF
    launch "$dir/pid" "$dir/log" "$REDIS_SERVER" "$dir/redis.conf"
}

healthy() {
    local reply
    (
        exec 3<>"/dev/tcp/127.0.0.1/$(<"$1/port")" || exit 1
        printf 'PING\r\n' >&3
        read -r -t 2 reply <&3 && [[ $reply == +PONG* ]]
    ) 2>/dev/null
}

server_url() { printf 'redis://127.0.0.1:%s/\n' "$(<"$1/port")"; }

stop_processes() { end_process "$1/pid" TERM 10; }

kill_processes() { end_process "$1/pid" KILL 10; }

wipe_data() { rm -rf "$1/data"; }
