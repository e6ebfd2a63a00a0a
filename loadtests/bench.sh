#!/usr/bin/env bash
# Accepted cart lines a second, beside an empty handler of the same server in the same run: distinct
# shoppers with real tokens, every check and every confirm on. Then the product page and the stock
# poll, beside a handler that says as many bytes from memory. Needs wrk and python3, and the servers
# of .local/env (`make bench` sees to them). Rounds are interleaved; ratios are within a round.
#
#   SECONDS_EACH=5 ROUNDS=3 CONNECTIONS="128 512" loadtests/bench.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

each=${SECONDS_EACH:-5} rounds=${ROUNDS:-3} connections=${CONNECTIONS:-128 512}
per_run=$((each * 70000)) # tokens: more than a run can use
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
base=http://127.0.0.1:$port
work=$(mktemp -d)
name=bench_$$
shop=

finish() {
    [ -z "$shop" ] || kill "$shop" 2>/dev/null || true
    [ -z "$shop" ] || wait "$shop" 2>/dev/null || true
    psql -q "$admin" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
    rm -rf "$work"
}

cargo build --release --locked
admin=$DATABASE_URL
psql -q "$admin" -c "CREATE DATABASE $name"
trap finish EXIT
export DATABASE_URL=${admin%/*}/$name
export STAMPEDE_REDIS__PREFIX=$name: STAMPEDE_RABBIT__PREFIX=$name
export STAMPEDE_WEB__LISTEN=127.0.0.1:$port STAMPEDE_OPS__LISTEN=${BENCH_OPS:-127.0.0.1:0} STAMPEDE_WEB__NOOP=true
export STAMPEDE_LOG__LEVEL=info

cat >"$work/sale.toml" <<'SALE'
[sale]
slug = "bench"
title = "Benchmark"
currency = "EUR"
starts_at = "+0s"
ends_at = "+1d"
hold = "1h"
limit_per_shopper = 4

[[product]]
slug = "shoe"
title = "Shoe"

[[product.sku]]
sku = "SHOE"
label = "EU 42"
price = "129.00"
stock = 50000000
SALE

python3 - "$STAMPEDE_WEB__SECRET" $((per_run * rounds * $(wc -w <<<"$connections"))) >"$work/tokens" <<'TOKENS'
import base64, hashlib, hmac, sys, uuid
secret, count = sys.argv[1].split(",")[0].encode(), int(sys.argv[2])
signing = hmac.new(secret, b"stampede session 1\0", hashlib.sha256)
for n in range(count):
    shopper = uuid.UUID(int=(7 << 76) | (2 << 62) | n << 80 | n).bytes
    mac = signing.copy()
    mac.update(shopper)
    print(base64.urlsafe_b64encode(shopper + mac.digest()).decode())
TOKENS

target/release/stampede migrate >/dev/null
target/release/stampede import "$work/sale.toml"
target/release/stampede 2>"$work/log" &
shop=$!
memory() { awk '/VmRSS/ { printf "%d MiB", $2 / 1024 }' "/proc/$shop/status"; }

first=$(head -n 1 "$work/tokens")
for _ in $(seq 100); do
    status=$(curl -s -o /dev/null -w '%{http_code}' -X PUT -H 'Content-Type: application/json' \
        -H "Authorization: Bearer $first" -d '{"quantity": 1}' \
        "$base/api/v1/sales/bench/cart/lines/SHOE" || true)
    case $status in 200 | 201) break ;; esac
    sleep 0.1
done
idle=$(memory)

from=0
run() { # run CONNECTIONS PATH
    TOKENS=$work/tokens FROM=$from COUNT=$per_run TARGET_PATH=$2 \
        wrk -t2 -c"$1" -d"${each}s" -s loadtests/bench.lua "$base" | grep '^RESULT'
}

tell() { # tell ROUND CONNECTIONS WHAT RATE P50 P99 ERRORS
    printf '%-6s %-12s %-14s %12s %10s %10s %8s\n' "$@"
}
ratio() { # ratio ROUND CONNECTIONS RATE BASE
    printf '%-6s %-12s ratio %.2f\n' "$1" "$2" "$(python3 -c "print($3 / $4)")"
}

tell round connections what requests/s 'p50 ms' 'p99 ms' errors
for round in $(seq "$rounds"); do
    for c in $connections; do
        read -r _ noop p50 p99 errors < <(run "$c" /noop)
        tell "$round" "$c" no-op "$noop" "$p50" "$p99" "$errors"
        read -r _ lines p50 p99 errors < <(run "$c" /api/v1/sales/bench/cart/lines/SHOE)
        tell "$round" "$c" lines "$lines" "$p50" "$p99" "$errors"
        ratio "$round" "$c" "$lines" "$noop"
        from=$((from + per_run))
        for what in page:br:/sales/bench/products/shoe page:gzip:/sales/bench/products/shoe \
            stock:identity:/api/v1/sales/bench/stock; do
            IFS=: read -r kind accept path <<<"$what"
            bytes=$(curl -s -H "Accept-Encoding: $accept" "$base$path" | wc -c)
            read -r _ noop p50 p99 errors < <(ACCEPT=$accept run "$c" "/noop?bytes=$bytes")
            tell "$round" "$c" "$bytes bytes" "$noop" "$p50" "$p99" "$errors"
            read -r _ pages p50 p99 errors < <(ACCEPT=$accept run "$c" "$path")
            tell "$round" "$c" "$kind $accept" "$pages" "$p50" "$p99" "$errors"
            ratio "$round" "$c" "$pages" "$noop"
        done
    done
done
printf 'memory of the process: %s idle, %s after\n' "$idle" "$(memory)"
target/release/stampede audit
