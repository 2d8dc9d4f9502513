#!/bin/bash
# SPDX-License-Identifier: PostgreSQL
# groups.sh: what groups cost at scale, on a private throwaway PostgreSQL: search among GROUPS_MADE=100000 groups, the first answer of
# group info, and commits of what writes events with EVENTS=100000 undelivered. Not as root (make bench-groups sees to it).
# Times are this machine's. SECONDS_EACH=2; 0 only fills, which with BENCH_DATA=DIR stays for the next run.
set -eu
. "$(dirname "$0")/server.sh"
seconds=${SECONDS_EACH:-2} groups=${GROUPS_MADE:-100000} events=${EVENTS:-100000}
sql() { psql -Xq -v ON_ERROR_STOP=1 "$@" >/dev/null; }

start_server
if [ -z "$kept" ]; then
    sql -c 'CREATE EXTENSION groupshare' -c "SELECT groupshare.setup_server('bench')" -f "$here/groups-setup.sql" -f "$here/groups-scale.sql"
    # Two at once; the indexes of names are made over all of them, as a restore does.
    sql -c 'DROP INDEX groupshare.sharing_group_name, groupshare.sharing_group_part'
    sql -v from=1 -v to=$((groups / 2)) -f "$here/groups-many.sql" &
    sql -v from=$((groups / 2 + 1)) -v to="$groups" -f "$here/groups-many.sql"
    wait $!
    sql -c "SET maintenance_work_mem = '512MB'" -c 'SELECT bench.index_names()' -c 'VACUUM ANALYZE'
    filled
fi
[ "${SECONDS_EACH:-}" != 0 ] || exit 0

run() { # script, clients: "ms tps"
    "$bin/pgbench" -n -M prepared -c "$2" -T "$seconds" -f "$1" 2>>"$dir/errors" |
        awk '/^latency average/ { ms = $4 } /^tps/ { tps = $3 } END { printf "%.2f %d\n", ms, tps }'
}
session() { psql -XAtqc "SELECT bench.session('$1')"; }
call() { echo "SELECT status, reply, etag FROM groupshare.api_$1('$2', '127.0.0.1', 'bench', '$3', NULL)"; }

# What a page costs and holds, and whether any group was read in the order of the table.
page() { # name, function, session, params
    call "$2" "$3" "$4" > "$dir/page.sql"
    before=$(psql -XAtqc "SELECT seq_scan FROM pg_stat_user_tables WHERE relid = 'groupshare.$5'::regclass")
    read -r ms tps < <(run "$dir/page.sql" 1)
    bytes=$(psql -XAtqc "SELECT octet_length(reply::text) FROM ($(cat "$dir/page.sql")) p")
    sleep 1.5
    after=$(psql -XAtqc "SELECT seq_scan FROM pg_stat_user_tables WHERE relid = 'groupshare.$5'::regclass")
    printf '%-52s %8s ms %8s bytes %6s sequential scans\n' "$1" "$ms" "$bytes" $((after - before))
}

echo "Search among $groups groups, pages of 100"
ann=$(session ann@x.org)
page 'exact' search_groups "$ann" '{"name": "club 4d2 berlin", "match": "exact"}' sharing_group
page 'prefix that all have' search_groups "$ann" '{"name": "club", "match": "prefix"}' sharing_group
page 'prefix that few have' search_groups "$ann" '{"name": "club 4d2", "match": "prefix"}' sharing_group
page 'part that all have' search_groups "$ann" '{"name": "berlin", "match": "part"}' sharing_group
page 'part that few have' search_groups "$ann" '{"name": "4d2 be", "match": "part"}' sharing_group
page 'part that one in 250 has' search_groups "$ann" '{"name": "ff be", "match": "part"}' sharing_group
page 'part that none has' search_groups "$ann" '{"name": "zurich", "match": "part"}' sharing_group

echo
echo "Group info, first answer"
page 'a terminal in 100 groups of 10' my_groups "$(session many@x.org)" '{}' membership
page 'a group of 10,000 members' my_groups "$(session head10000@x.org)" '{}' membership
page 'a member with 10,000 shares' my_groups "$(session rich@x.org)" '{}' share

echo
echo "Join and leave, 10 members, 8 clients, by undelivered events"
sql -c 'TRUNCATE groupshare.event, groupshare.group_event, groupshare.event_group' \
    -c "SELECT bench.establish(10, 8) WHERE NOT EXISTS (SELECT 1 FROM groupshare.sharing_group WHERE name = 'bench 10')" \
    -c "SELECT bench.begin('join', 10)" -c 'VACUUM ANALYZE'
group=$(psql -XAtqc "SELECT id FROM groupshare.sharing_group WHERE name = 'bench 10'")
cat > "$dir/both.sql" <<SQL
SELECT groupshare.join_group('spare' || :client_id + 1 || '@x.org', '$group');
SELECT groupshare.leave_group('spare' || :client_id + 1 || '@x.org', '$group');
SQL
run "$dir/both.sql" 8 >/dev/null
for round in 1 2 3; do run "$dir/both.sql" 8; done | sort -n | sed -n 2p > "$dir/none"
sql -v events="$events" -v group="$group" -f "$here/groups-events.sql"
run "$dir/both.sql" 8 >/dev/null
for round in 1 2 3; do run "$dir/both.sql" 8; done | sort -n | sed -n 2p > "$dir/million"
read -r _ none < "$dir/none"
read -r _ million < "$dir/million"
echo "  none: $none a second; $events of terminals and $events of the group: $million a second; ratio $(ratio "$million" "$none")"
show_errors
