#!/bin/bash
# SPDX-License-Identifier: PostgreSQL
# scaling.sh: what each call costs by one client while terminals, members of a group, groups and shares of a terminal grow together,
# each from 1,000 to SCALE_MOST=100000, beside ten devices, and then devices to SCALE_DEVICES=100000; on a private throwaway
# PostgreSQL. Slope: of the time over the number, both as logarithms: 0 is constant, 1 in proportion. Not as root (make bench-scaling
# sees to it). SECONDS_EACH=1; 0 only fills the next size, which with BENCH_DATA=DIR stays for the next run.
set -eu
. "$(dirname "$0")/server.sh"
seconds=${SECONDS_EACH:-1} most=${SCALE_MOST:-100000} devices=${SCALE_DEVICES:-100000}
sql() { psql -Xq -v ON_ERROR_STOP=1 "$@" >/dev/null; }
ask() { psql -XAtqc "$1"; }

start_server 'groupshare.device_high_water_percent = 100' 'synchronous_commit = off'
[ -n "$kept" ] || sql -c 'CREATE EXTENSION groupshare' -c "SELECT groupshare.setup_server('bench')" -f "$here/groups-setup.sql" -f "$here/scaling-setup.sql"

# Calls: what grows for them | name | statements. Of what writes, nothing stays.
api() { echo "SELECT FROM groupshare.api_$1('$(ask "SELECT bench.session('$2@x.org')")', '127.0.0.1', 'bench', '$3', ${4:-NULL});"; }
undone() { echo "BEGIN; $1 ROLLBACK;"; }
tag() { ask "$(api my_groups "$1" '{}' | sed 's/SELECT FROM/SELECT etag FROM/')" | sed 's/"/\\"/g'; }
middle() { ask "SELECT terminal_id FROM groupshare.membership WHERE group_id = bench.group('big') AND terminal_id > '80000000-0000-0000-0000-000000000000' ORDER BY 1 LIMIT 1"; }

calls() {
    local big riches first
    big=$(ask "SELECT bench.group('big')") riches=$(ask "SELECT bench.group('riches')") first=$(ask "SELECT bench.group('busy 1')")
    cat <<CALLS
terminals|session, and no group|$(api my_groups asker '{}')
terminals|group info, one group|$(api my_groups alone '{}')
terminals|join and leave a small group|$(undone "SELECT groupshare.join_group('spare@x.org', '$riches'), groupshare.leave_group('spare@x.org', '$riches');")
terminals|download notice of its own|SELECT groupshare.download_notice('alone@x.org', 'alone@x.org', 'of alone');
terminals|upload notice|$(undone "SELECT groupshare.upload_notice('alone@x.org', 'f', 1000);")
groups|search, exact|$(api search_groups asker '{"name":"busy 2","match":"exact"}')
groups|search, prefix|$(api search_groups asker '{"name":"busy 2","match":"prefix"}')
groups|search, part of all names|$(api search_groups asker '{"name":"usy","match":"part"}')
groups|search, part of few names|$(api search_groups asker '{"name":"y 3e","match":"part"}')
members|join and leave|$(undone "SELECT groupshare.join_group('spare@x.org', '$big'), groupshare.leave_group('spare@x.org', '$big');")
members|ask, and allow|$(undone "UPDATE groupshare.sharing_group SET join_rule = 'confirm' WHERE id = '$big'; SELECT groupshare.decide_inquiry('head@x.org', groupshare.join_group('spare@x.org', '$big'), 'allow');")
members|make administrator, and member again|$(undone "SELECT groupshare.set_member('head@x.org', '$big', 't1@x.org', role => 'administrator'), groupshare.set_member('head@x.org', '$big', 't1@x.org', role => 'member');")
members|the last administrator leaves|$(undone "SELECT groupshare.leave_group('head@x.org', '$big'); SET CONSTRAINTS ALL IMMEDIATE;")
members|group info|$(api my_groups head '{}')
members|group info, 304|$(api my_groups head "{\"if_none_match\":\"$(tag head)\"}")
members|a page of members|$(api my_groups head "{\"group\":\"$big\",\"after\":\"$(middle)\"}")
members|events, none|$(api events t2 '{}')
members|show a share to the group alone, and to all|$(undone "SELECT groupshare.set_share_groups('head@x.org', s, ARRAY['$big']::uuid[]), groupshare.set_share_groups('head@x.org', s) FROM (SELECT id FROM groupshare.share WHERE owner = bench.id('head@x.org') AND name = 'of head' AND state = 'stored') o (s);")
members|download notice|SELECT groupshare.download_notice('t2@x.org', 'head@x.org', 'of head');
shares|own shares, a page|$(api shares rich '{"after":"file 5"}')
shares|group info|$(api my_groups fan '{}')
shares|a page of shares|$(api my_groups fan "{\"group\":\"$riches\",\"terminal\":\"rich@x.org\",\"after\":\"file 5\"}")
shares|a page of shares, all shown elsewhere|$(api my_groups fan "{\"group\":\"$riches\",\"terminal\":\"thin@x.org\"}")
shares|download notice|SELECT groupshare.download_notice('fan@x.org', 'rich@x.org', 'file 500');
shares|upload notice|$(undone "SELECT groupshare.upload_notice('rich@x.org', 'f', 1000);")
shares|delete one|$(undone "SELECT groupshare.delete_share('rich@x.org', id) FROM groupshare.share WHERE name = 'file 500' AND owner = bench.id('rich@x.org') AND state = 'stored';")
shares|leave a group|$(undone "SELECT groupshare.leave_group('rich@x.org', '$riches'); SET CONSTRAINTS ALL IMMEDIATE;")
groups of a terminal|group info, first answer|$(api my_groups busy '{}')
groups of a terminal|group info, 304|$(api my_groups busy "{\"if_none_match\":\"$(tag busy)\"}")
groups of a terminal|events, none|$(api events busy '{}')
groups of a terminal|search, exact|$(api search_groups busy '{"name":"busy 2","match":"exact"}')
groups of a terminal|upload notice|$(undone "SELECT groupshare.upload_notice('busy@x.org', 'f', 1000);")
groups of a terminal|download notice by a peer|SELECT groupshare.download_notice('peer@x.org', 'busy@x.org', 'of busy');
groups of a terminal|leave one|$(undone "SELECT groupshare.leave_group('busy@x.org', '$first'); SET CONSTRAINTS ALL IMMEDIATE;")
groups of a terminal|delete a share|$(undone "SELECT groupshare.delete_share('busy@x.org', id) FROM groupshare.share WHERE owner = bench.id('busy@x.org') AND name = 'of busy' AND state = 'stored';")
CALLS
}

measure() { # size; of stdin, what grows, name and statements of each call
    while IFS='|' read -r grows name statements; do
        echo "$statements" > "$dir/call.sql"
        ms=$("$bin/pgbench" -n -c 1 -T "$seconds" -f "$dir/call.sql" 2>>"$dir/errors" | awk '/^latency average/ { print $4 }')
        echo "$grows|$name|$1|${ms:-failed}"
    done | tee -a "$data/measured"
}

# Data that are kept go on growing from where they are; a size that has been measured is not again.
exists() { [ "$(ask "SELECT count(*) FROM $1")" != 0 ]; }
measured() { grep -qs "^$1.*|$2|" "$data/measured"; }

for ((size = 1000, from = 1; size <= most; from = size + 1, size *= 10)); do
    ! measured terminals $size || continue
    exists "groupshare.terminal WHERE identifier = 't$size@x.org'" || sql -v from=$from -v to=$size -f "$here/scaling-grow.sql"
    filled
    [ "$seconds" != 0 ] || exit 0
    calls > "$dir/calls"
    measure $size < "$dir/calls"
done
calls | grep '^terminals|' | sed 's/^terminals/devices/' > "$dir/calls"
for ((size = 1000, from = 11; size <= devices; from = size + 1, size *= 10)); do
    ! measured devices $size || continue
    sql -c "SELECT bench.devices($from, $size)" -c 'VACUUM ANALYZE'
    measure $size < "$dir/calls"
done
echo
awk -F'|' '
    { key = $1 "|" $2; if (!(key in seen)) { order[++n] = key; seen[key] = 1 } if (!($3 in at)) { at[$3] = 1; size[++m] = $3 } ms[key, $3] = $4 }
    END {
        printf "%-22s %-38s", "what grows", "call, ms"
        for (i = 1; i <= m; i++) printf " %9d", size[i]
        print "   slope"
        for (k = 1; k <= n; k++) {
            split(order[k], p, "|")
            printf "%-22s %-38s", p[1], p[2]
            first = last = 0
            for (i = 1; i <= m; i++) {
                t = ms[order[k], size[i]]
                printf " %9s", t
                if (t > 0) { last = i; if (!first) first = i }
            }
            if (last > first) printf "  %6.2f", log(ms[order[k], size[last]] / ms[order[k], size[first]]) / log(size[last] / size[first])
            print ""
        }
    }' "$data/measured"
show_errors
