#!/bin/bash
# SPDX-License-Identifier: PostgreSQL
# placement.sh: what placement costs, each figure beside its peer in one run, on a private throwaway PostgreSQL: against the
# number of devices and of full ones, hot devices against a bare guarded UPDATE, the network map, and a simulated day.
# Ratios count, times are this machine's. Not as root (make bench-placement sees to it). SECONDS_EACH=2, PREFIXES=500000,
# PARTS="cost hot network day".
set -eu
. "$(dirname "$0")/server.sh"
seconds=${SECONDS_EACH:-2} prefixes=${PREFIXES:-500000} parts=${PARTS:-cost hot network day} rounds=3
start_server 'groupshare.device_high_water_percent = 100' "groupshare.placement_wait = '30s'"

# The latency of a script by one client in ms, in steady state: the first seconds, in which its connection plans its statements
# and comes to pages that it has not seen, do not count. The best of the rounds: what else the machine does only adds to it.
latency() {
    for ((i = 0; i < rounds; i++)); do
        "$bin/pgbench" -n -c 1 -P 1 -T $((seconds + 2)) -f "$1" 2>&1 >/dev/null |
            awk -v errors="$dir/errors" '$1 != "progress:" { print >> errors } $1 == "progress:" && $2 > 2.5 { sum += $7; n++ }
                 END { printf "%.3f\n", sum / n }'
    done | sort -n | head -1
}

# In steady state: the first seconds, in which each connection plans its statements, do not count.
rate() { # script clients
    "$bin/pgbench" -n -M prepared -c "$2" -j 2 -P 1 -T $((seconds + 3)) -f "$1" 2>&1 >/dev/null |
        awk -v errors="$dir/errors" '$1 != "progress:" { print >> errors } $1 == "progress:" && $2 > 3.5 { sum += $4; n++ }
             END { printf "%d\n", sum / n }'
}

cat > "$dir/search.sql" <<'SQL'
SELECT count(*) FROM groupshare.nearest_devices('ann@example.org', 1000000000);
SQL
cat > "$dir/notice.sql" <<'SQL'
BEGIN;
SELECT device FROM groupshare.upload_notice('ann@example.org', 'f', 1000000000);
ROLLBACK;
SQL
# What was tried first: all devices of an area in the order of their distance until ten have room.
cat > "$dir/walk.sql" <<'SQL'
SELECT count(*) FROM (SELECT near.id, min(level.up - 1 + near.depth) AS distance
  FROM unnest('{r0/c0/s0,r0/c0,r0,""}'::text[]) WITH ORDINALITY AS level (area, up)
  CROSS JOIN LATERAL (SELECT d.id, a.depth FROM groupshare.device_area a JOIN groupshare.device d ON d.id = a.device_id
    JOIN groupshare.device_ledger l ON l.device_id = a.device_id
    WHERE a.area = level.area AND d.state = 'active' AND l.available_bytes - 67108864 > 1000000000 ORDER BY a.depth LIMIT 10) near
  GROUP BY near.id ORDER BY distance LIMIT 10) n;
SQL

cost() {
    echo "Cost against the number of devices, ms (one client; search: candidates only; notice: the whole upload notice)"
    printf '%9s %7s %12s %12s %18s\n' devices 'full %' search notice 'walk by distance'
    for full in 0 99; do
        for devices in 100 10000 100000; do
            psql -Xq -v devices=$devices -v full=$full -f "$here/placement-setup.sql" >/dev/null
            search=$(latency "$dir/search.sql") notice=$(latency "$dir/notice.sql") walk=$(latency "$dir/walk.sql")
            [ $devices != 100 ] || first_search=$search first_notice=$notice
            printf '%9s %7s %12s %12s %18s\n' $devices $full "$search" "$notice" "$walk"
        done
        echo "          100,000 against 100: search $(ratio "$search" "$first_search"), notice $(ratio "$notice" "$first_notice") (goal 1.5)"
    done
}

hot() {
    echo "Hot devices: notices a second by 64 connections, against a bare guarded UPDATE of the same rows, and against one of a"
    echo "table of as many rows that has three numbers, one index and no trigger"
    for devices in 1 10; do
        psql -Xq -v devices=$devices -v full=0 -f "$here/placement-setup.sql" >/dev/null
        psql -Xq -f "$here/placement-hot.sql" >/dev/null
        ids=$(psql -XAtc "SELECT array_agg(device_id) FROM groupshare.device_ledger")
        cat > "$dir/place.sql" <<'SQL'
\set who random(1, 9000)
SELECT groupshare.upload_notice('t' || :who || '@example.org', 'f' || nextval('bench_name'), 1);
SQL
        cat > "$dir/ledger.sql" <<SQL
\set n random(1, $devices)
UPDATE groupshare.device_ledger SET reserved_bytes = reserved_bytes + 1
    WHERE device_id = ('$ids'::uuid[])[:n] AND available_bytes >= 1;
SQL
        cat > "$dir/numbers.sql" <<SQL
\set n random(1, $devices)
UPDATE public.bench_row SET reserved = reserved + 1 WHERE id = :n AND free - reserved >= 1;
SQL
        place=0 ledger=0 numbers=0 # in turns, and all rounds count: the machine is not the same from one to the next
        for ((i = 0; i < rounds; i++)); do
            place=$((place + $(rate "$dir/place.sql" 64) / rounds)) ledger=$((ledger + $(rate "$dir/ledger.sql" 64) / rounds))
            numbers=$((numbers + $(rate "$dir/numbers.sql" 64) / rounds))
        done
        printf '%9s: notices %s, UPDATE of the ledger %s: %s (goal 0.5), of numbers %s: %s\n' $devices "$place" \
            "$ledger" "$(ratio "$place" "$ledger")" "$numbers" "$(ratio "$place" "$numbers")"
    done
}

network() {
    echo "Network map: $prefixes prefixes"
    psql -Xq -v devices=10 -v full=0 -v prefixes="$prefixes" -f "$here/placement-setup.sql" -f "$here/placement-network.sql"
    psql -Xqc 'COPY public.network_made TO STDOUT' > "$dir/prefixes"
    started=$(date +%s.%N)
    psql -Xqc 'COPY groupshare.network (prefix, location) FROM STDIN' < "$dir/prefixes"
    echo "  loaded by COPY in $(awk -v a="$(date +%s.%N)" -v b="$started" 'BEGIN { printf "%.1f", a - b }') s"
    psql -Xqc 'VACUUM ANALYZE groupshare.network'
    cat > "$dir/match.sql" <<'SQL'
SELECT count(*) FROM groupshare.nearest_devices('bob@example.org', 1, peer => '10.1.2.3');
SQL
    cat > "$dir/set.sql" <<'SQL'
SELECT count(*) FROM groupshare.nearest_devices('ann@example.org', 1);
SQL
    cat > "$dir/gist.sql" <<'SQL'
SELECT location FROM public.network_gist WHERE prefix >>= '10.1.2.3' ORDER BY masklen(prefix) DESC LIMIT 1;
SQL
    with=$(latency "$dir/match.sql") without=$(latency "$dir/set.sql") gist=$(latency "$dir/gist.sql")
    echo "  candidates with a match $with ms, without $without ms; a GiST index on the same prefixes alone $gist ms"
}

day() {
    "$here/../build/bench/placement_sim" "${UPLOADS:-1000000}"
}

for part in $parts; do
    "$part"
    echo
done
show_errors
