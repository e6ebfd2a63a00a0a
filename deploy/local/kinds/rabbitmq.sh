# shellcheck shell=bash
# RabbitMQ with its own epmd: nothing of it has a fixed port or a name that another broker on
# this machine, or one of another checkout, could meet. Runs as whoever calls, by the real script
# behind Debian's wrapper, which would change to the user `rabbitmq` and to /var/lib/rabbitmq.

export START_SECONDS=90

find_programs() {
    local candidate
    have erl || return 1
    for candidate in /usr/lib/rabbitmq/bin /opt/homebrew/opt/rabbitmq/sbin \
        /usr/local/opt/rabbitmq/sbin "$(dirname "$(command -v rabbitmq-server || echo /none/x)")"; do
        if [ -x "$candidate/rabbitmq-server" ] && [ -x "$candidate/rabbitmqctl" ]; then
            RABBITMQ_BIN=$candidate
            break
        fi
    done
    [ -n "${RABBITMQ_BIN:-}" ] || return 1
    EPMD=$(command -v epmd) && return
    # Some systems keep epmd beside Erlang's virtual machine only.
    EPMD=$(erl -noshell -eval 'io:format("~s~n", [code:root_dir()]), halt().' |
        while read -r root; do ls "$root"/erts-*/bin/epmd; done 2>/dev/null | tail -n 1)
    [ -x "$EPMD" ]
}

# A view of the installation without the plugins, none of which we enable. The broker searches the
# folder of every plugin for every module it loads at start, which is half of its starting time.
make_lean_view() {
    local view=$1/view home entry lean=()
    rm -rf "$view"
    # RabbitMQ's scripts take no blanks in the name of their own folder.
    case $view in *[[:space:]]*) return 0 ;; esac
    home=$(dirname "$(dirname "$(readlink -f "$RABBITMQ_BIN/rabbitmq-server")")")
    if [ ! -f "$home/sbin/rabbitmq-env" ] || [ ! -d "$home/plugins" ]; then return 0; fi
    for entry in "$home"/plugins/*; do
        case ${entry##*/} in
        rabbitmq_prelaunch* | README) lean+=("$entry") ;;
        rabbitmq_*) ;;
        *) lean+=("$entry") ;;
        esac
    done
    mkdir -p "$view/plugins"
    ln -s "${lean[@]}" "$view/plugins/"
    for entry in "$home"/*; do
        [ "${entry##*/}" = plugins ] || ln -s "$entry" "$view/"
    done
}

# The surroundings of the broker and of its control program.
rabbit_environment() {
    local dir=$1 name threads
    # Nothing that the caller or the system's own broker has set may leak in.
    for name in $(compgen -e | grep -E '^(RABBITMQ_|ERL_|ERLANG_)'); do unset "$name"; done
    threads=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
    [ "$threads" -le 4 ] || threads=4
    export HOME=$dir/home
    export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
    ERL_EPMD_PORT=$(<"$dir/epmd-port")
    export ERL_CRASH_DUMP_BYTES=0
    export RABBITMQ_NODENAME RABBITMQ_DIST_PORT
    RABBITMQ_NODENAME=$(<"$dir/node")
    RABBITMQ_DIST_PORT=$(<"$dir/dist-port")
    export RABBITMQ_CONF_ENV_FILE=$dir/none.conf
    export RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf
    export RABBITMQ_ADVANCED_CONFIG_FILE=$dir/none.config
    export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
    export RABBITMQ_MNESIA_BASE=$dir/data
    export RABBITMQ_LOG_BASE=$dir/data/log
    export RABBITMQ_GENERATED_CONFIG_DIR=$dir/data/config
    export RABBITMQ_PID_FILE=$dir/data/pid
    export RABBITMQ_LOGS=-
    if [ -d "$dir/view" ]; then
        export RABBITMQ_SCRIPTS_DIR=$dir/view/sbin
        export RABBITMQ_PLUGINS_DIR=$dir/view/plugins
    fi
    # With input allowed the script becomes the virtual machine instead of watching over it, so
    # that its number is the broker's; -noinput then says that there is none after all. No busy
    # waiting, few schedulers: tests share their two cores with several brokers.
    export RABBITMQ_ALLOW_INPUT=1
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput \
-kernel inet_dist_use_interface {127,0,0,1} \
+S $threads:$threads +sbwt none +sbwtdcpu none +sbwtdio none"
}

start_processes() {
    local dir=$1
    mkdir -p "$dir/home" "$dir/data/log" "$dir/data/config"
    remembered "$dir/node" echo "stampede-$(random_hex 5)@localhost" >/dev/null
    remembered "$dir/home/.erlang.cookie" random_hex 20 >/dev/null
    chmod 400 "$dir/home/.erlang.cookie"
    choose_port "$dir" port
    choose_port "$dir" dist-port
    make_lean_view "$dir"
    printf '[].\n' >"$dir/enabled_plugins"
    cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$(<"$dir/port")
log.console = true
log.console.level = info
log.file = false
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.relative = 0.4
CONF
    if gone "$dir/epmd.pid"; then
        choose_port "$dir" epmd-port
        launch "$dir/epmd.pid" "$dir/log" "$EPMD" -address 127.0.0.1 -port "$(<"$dir/epmd-port")"
        wait_for 5 port_answers "$(<"$dir/epmd-port")" || return 1
    fi
    (
        rabbit_environment "$dir"
        launch "$dir/pid" "$dir/log" "$RABBITMQ_BIN/rabbitmq-server"
    )
}

# The broker opens its listener last, so a reply to a client's greeting means that it is up.
healthy() {
    local reply=''
    (
        exec 3<>"/dev/tcp/127.0.0.1/$(<"$1/port")" || exit 1
        printf 'AMQP\0\0\11\1' >&3
        read -r -t 3 -n 4 reply <&3 && [ -n "$reply" ]
    ) 2>/dev/null
}

server_url() { printf 'amqp://guest:guest@127.0.0.1:%s/%%2f\n' "$(<"$1/port")"; }

stop_processes() {
    end_process "$1/pid" TERM 30
    end_process "$1/epmd.pid" TERM 5
}

# The virtual machine's helper processes leave when its pipes to them close.
kill_processes() {
    end_process "$1/pid" KILL 10
    end_process "$1/epmd.pid" KILL 10
}

wipe_data() { rm -rf "$1/data"; }

control() {
    local dir=$1
    shift
    rabbit_environment "$dir"
    # shellcheck disable=SC2030,SC2031
    unset RABBITMQ_ALLOW_INPUT RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS
    exec "$RABBITMQ_BIN/rabbitmqctl" "$@"
}
