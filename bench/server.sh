# SPDX-License-Identifier: PostgreSQL
# server.sh: sourced by scripts that measure on a private throwaway PostgreSQL: its programs and a place for what is measured with.
# BENCH_DATA=DIR: the server's data are there, and stay; `kept` is not empty when they have been filled before.
here=$(cd "$(dirname "$0")" && pwd)
bin=$(echo "$here"/../build/pg/usr/lib/postgresql/15/bin)
dir=$(mktemp -d /tmp/gs-bench.XXXXXX)
data=${BENCH_DATA:-$dir/data}
trap '"$bin/pg_ctl" -D "$data" -m fast stop >/dev/null 2>&1 || true; rm -rf "$dir"' EXIT

start_server() { # further lines of postgresql.conf
    kept=$(cat "$data/filled" 2>/dev/null || true)
    [ -n "$kept" ] || rm -rf "$data"
    if [ -z "$kept" ]; then
        "$bin/initdb" -A trust -N -E UTF8 --locale=C.UTF-8 -D "$data" >/dev/null
        {
            printf '%s\n' "listen_addresses = ''" "shared_preload_libraries = 'groupshare'" 'jit = off' \
                "shared_buffers = '256MB'" 'max_connections = 100' "max_wal_size = '4GB'" "$@"
        } >> "$data/postgresql.conf"
    fi
    export PGHOST=$dir PGDATABASE=postgres
    "$bin/pg_ctl" -w -D "$data" -l "$dir/log" -o "-k $dir" start >/dev/null
}

filled() { echo yes > "$data/filled"; }

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

show_errors() {
    if [ -s "$dir/errors" ]; then
        echo "errors:"
        sort "$dir/errors" | uniq -c | sort -rn | head -5
    fi
}
