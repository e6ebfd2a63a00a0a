# shellcheck shell=bash
# A PostgreSQL cluster of its own. It syncs to disk as in production, for durability is a promise.
# PostgreSQL refuses to run as root, so then it runs as the user of its package.

export START_SECONDS=60

PG_OWNER=postgres
PG_SUPERUSER=stampede
PG_DATABASE=stampede

find_programs() {
    local dir=$1 version='' candidate
    choose_owner
    # A cluster is only read by the major version that made it.
    if [ -s "$dir/place" ]; then
        version=$("${AS_OWNER[@]}" cat "$(<"$dir/place")/data/PG_VERSION" 2>/dev/null) || version=''
    fi
    while read -r candidate; do
        if [ ! -x "$candidate/postgres" ] || [ ! -x "$candidate/initdb" ]; then continue; fi
        if [ -n "$version" ]; then
            [[ $("$candidate/postgres" --version) =~ \)\ $version([^0-9]|$) ]] || continue
        fi
        PG_BIN=$candidate
        PSQL=$candidate/psql
        [ -x "$PSQL" ] || PSQL=$(command -v psql) || return 1
        return 0
    done < <(program_folders)
    [ -z "$version" ] ||
        die "the cluster in $dir was made by PostgreSQL $version, which is not here any more:" \
            "install it, or begin anew with \`make clean\`"
    return 1
}

program_folders() {
    dirname "$(command -v postgres || echo /none/postgres)"
    printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* \
        /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin | sort -V -r
}

# The words to put before a command so that it runs, in place of its caller, as the user whom the
# cluster belongs to.
choose_owner() {
    AS_OWNER=(env)
    [ "$(id -u)" -eq 0 ] || return 0
    AS_OWNER=(setpriv "--reuid=$PG_OWNER" "--regid=$PG_OWNER" --init-groups)
    "${AS_OWNER[@]}" true 2>/dev/null ||
        AS_OWNER=(su -s /bin/sh -c 'exec "$@"' "$PG_OWNER" -- sh) # not tried
}

# Where data and socket are: in the folder itself, unless the owner cannot get there (a checkout
# below /root), or the socket's path would be longer than systems allow.
choose_place() {
    local dir=$1 place
    [ ! -s "$dir/place" ] || return 0
    place=$dir/cluster
    mkdir -p "$place"
    if [ ${#place} -gt 80 ] || ! "${AS_OWNER[@]}" test -x "$place"; then
        rmdir "$place"
        place=/var/tmp/stampede-$(path_hash "$dir")
        if [ -e "$place" ]; then
            # From an earlier checkout at the same path, whose .local was removed by hand.
            if [ -L "$place" ] || [ ! -O "$place/of" ] || [ "$(<"$place/of")" != "$dir" ]; then
                die "$place is in the way, and not known to be ours: remove it"
            fi
            rm -rf "$place"
        fi
        (umask 022 && mkdir "$place")
        printf '%s\n' "$dir" >"$place/of"
    fi
    printf '%s\n' "$place" >"$dir/place"
}

make_cluster() {
    local dir=$1 place=$2
    remembered "$dir/password" random_hex 16 >/dev/null
    rm -rf "$place/data" "$place/data.new" "$place/socket"
    mkdir -p "$place/data.new" "$place/socket"
    chmod 700 "$place/data.new" "$place/socket"
    (umask 077 && cp "$dir/password" "$place/password")
    if [ "$(id -u)" -eq 0 ]; then
        chown -R "$PG_OWNER" "$place/data.new" "$place/socket" "$place/password"
    fi
    "${AS_OWNER[@]}" "$PG_BIN/initdb" --pgdata "$place/data.new" --username "$PG_SUPERUSER" \
        --pwfile "$place/password" --auth password --encoding UTF8 --locale C >>"$dir/log" 2>&1 </dev/null ||
        return 1
    rm "$place/password"
    mv "$place/data.new" "$place/data"
}

start_processes() {
    local dir=$1 place port
    choose_place "$dir"
    place=$(<"$dir/place")
    choose_port "$dir" port
    port=$(<"$dir/port")
    [ -e "$place/data" ] || make_cluster "$dir" "$place" || return 1
    end_leftovers "$dir"
    launch "$dir/pid" "$dir/log" "${AS_OWNER[@]}" "$PG_BIN/postgres" -D "$place/data" -p "$port" \
        -c listen_addresses=127.0.0.1 \
        -c "unix_socket_directories=$place/socket" \
        -c max_connections=200 \
        -c fsync=on \
        -c jit=off \
        -c log_timezone=UTC \
        -c timezone=UTC
}

healthy() {
    local dir=$1 pid
    query "$dir" postgres 'SELECT 1' >/dev/null 2>&1 || return 1
    # Where the owner could not be changed in place, the server is a child of what was launched.
    pid=$("${AS_OWNER[@]}" head -n 1 "$(<"$dir/place")/data/postmaster.pid") || return 1
    remember_process "$dir/pid" "$pid" || return 1
    [ "$(query "$dir" postgres "SELECT 1 FROM pg_database WHERE datname = '$PG_DATABASE'")" = 1 ] ||
        query "$dir" postgres "CREATE DATABASE $PG_DATABASE"
}

# query DIR DATABASE SQL
query() {
    PGPASSWORD=$(<"$1/password") PGCONNECT_TIMEOUT=3 "$PSQL" -XAtq -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$(<"$1/port")" -U "$PG_SUPERUSER" -d "$2" -c "$3"
}

server_url() {
    printf 'postgres://%s:%s@127.0.0.1:%s/%s\n' \
        "$PG_SUPERUSER" "$(<"$1/password")" "$(<"$1/port")" "$PG_DATABASE"
}

# INT asks for the fast shutdown: clients are sent home, and all is written.
stop_processes() { end_process "$1/pid" INT 30; }

kill_processes() {
    end_process "$1/pid" KILL 10
    end_leftovers "$1"
}

# Server processes outlive a killed postmaster by a moment, and hold the shared memory without
# which the next one refuses to start. They work inside the data folder, which is how they are
# known as ours. The lock files of a dead postmaster would stop us when its number is still, or
# again, that of some process, so they go.
end_leftovers() {
    local dir=$1 place data link pid
    if [ ! -s "$dir/place" ] || ! gone "$dir/pid"; then return 0; fi
    place=$(<"$dir/place")
    data=$place/data
    for link in /proc/[0-9]*/cwd; do
        [ "$(readlink "$link" 2>/dev/null)" = "$data" ] || continue
        pid=${link#/proc/}
        kill -KILL "${pid%/cwd}" 2>/dev/null || true
    done
    rm -f "$data/postmaster.pid" "$place/socket/".s.PGSQL.*
}

wipe_data() {
    [ -f "$1/place" ] || return 0
    local place
    place=$(<"$1/place")
    rm -rf "$place/data" "$place/data.new"
    case $place in /var/tmp/stampede-*) rm -rf "$place" "$1/place" ;; esac
}
