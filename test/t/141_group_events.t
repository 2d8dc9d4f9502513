# SPDX-License-Identifier: PostgreSQL
# Events of groups: written once, found by members when they fetch. Several connections change groups and shares at random while members
# fetch, two at a time for each: in the end every one that stayed has each event of its groups once. Then the same after a
# dump and restore into a cluster whose transaction numbers begin anew.
use GroupShare::Test;

my $rounds = $ENV{GS_LONG} ? 4000 : 120;
my $seed   = $ENV{GS_SEED} || int(rand 2**31);
diag("GS_SEED=$seed, $rounds rounds");
my %conf   = ('groupshare.databases' => q{''}, jit => 'off');
my $server = new_control_server(name => 'cs1', fsync => 0, conf => \%conf);
$server->sql(<<'SQL');
SELECT count(groupshare.add_terminal(t || '@x.org')) FROM unnest(ARRAY['w1', 'w2', 'w3', 'm1', 'm2', 'm3', 'm4', 'idle']) t;
CREATE TABLE grp AS SELECT n, groupshare.create_group('w1@x.org', 'G' || n, '{"join":{"rule":"anyone"}}') AS id FROM generate_series(1, 3) n;
SELECT groupshare.join_group(w || '@x.org', id) FROM grp, unnest(ARRAY['w2', 'w3', 'idle']) w WHERE n = 1 OR (n = 2 AND w <> 'w3') ;
INSERT INTO groupshare.share (home, owner, name, size_bytes, sha256, state, stored_at)
    SELECT home, id, 'film', 5, sha256('x'), 'stored', now() FROM groupshare.terminal;
-- What each of several programs of a terminal has heard.
CREATE TABLE heard (who text, program int, id bigint, n bigserial);
CREATE FUNCTION hear(who text, program int DEFAULT 1) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    page jsonb; last bigint;
BEGIN
    SELECT coalesce(max(h.id), 0) INTO last FROM heard h WHERE h.who = $1 AND h.program = $2;
    page := groupshare.fetch_events($1 || '@x.org', last, 1 + (random() * 20)::int) -> 'events';
    INSERT INTO heard SELECT $1, $2, (e ->> 'id')::bigint FROM jsonb_array_elements(page) WITH ORDINALITY x (e, o) ORDER BY o;
    RETURN jsonb_array_length(page);
END $$;
-- What is wrong for those who stayed in their groups: events that they have not, or have more often.
CREATE VIEW amiss AS
    WITH due AS (SELECT DISTINCT t.identifier, g.id, g.kind, g.data, g.at FROM groupshare.membership m JOIN groupshare.terminal t ON t.id = m.terminal_id
            JOIN groupshare.event_group a ON a.group_id = m.group_id AND (a.era > m.came_era OR a.xid = m.came_xid OR NOT pg_visible_in_snapshot(a.xid, m.came_after))
            JOIN groupshare.group_event g ON g.id = a.event_id
           WHERE t.identifier ~ '^(w|idle)' AND NOT EXISTS (SELECT 1 FROM groupshare.event_group h JOIN groupshare.membership b ON b.group_id = h.group_id
                 AND b.terminal_id = m.terminal_id WHERE h.event_id = g.id AND h.hides)),
         have AS (SELECT t.identifier, e.kind, e.data, e.at FROM groupshare.event e JOIN groupshare.terminal t ON t.id = e.terminal_id
           WHERE t.identifier ~ '^(w|idle)' AND e.sent AND e.position IS NOT NULL)
    SELECT 'missing' AS what, * FROM (SELECT identifier, kind, data, at FROM due EXCEPT ALL SELECT * FROM have) x
    UNION ALL SELECT 'twice or not due', * FROM (SELECT * FROM have EXCEPT ALL SELECT identifier, kind, data, at FROM due) y;
SQL

sub lane {
    my ($name, $body) = @_;
    my $text = qq{SELECT setseed(} . (($seed + length $name) % 1000 / 1000) . qq{);\n} . $body x $rounds;
    my $file = scratch($name) . '/lane.sql';
    spit($file, $text);
    return GroupShare::Process->start(name => $name, command => [ pg_program('psql'), '-Xqo', '/dev/null', '-f', $file ], env => $server->env(database => 'gs'), log => "$file.log");
}
my $some = q{(SELECT id FROM grp ORDER BY random() LIMIT 1)};
my $who  = q{'m' || (1 + floor(random() * 4))::int || '@x.org'};
my @lanes;
for my $n (1 .. 2) {
    push @lanes, lane("writer$n", <<"SQL");
SELECT groupshare.join_group($who, $some);
SELECT groupshare.set_share_groups(w, s.id) FROM (SELECT $who AS w OFFSET 0) x, groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner WHERE t.identifier = w;
SELECT groupshare.set_member('w1\@x.org', g, w, role => CASE WHEN random() < 0.5 THEN 'member' ELSE 'administrator' END) FROM (SELECT $some AS g, $who AS w OFFSET 0) x;
BEGIN; SELECT groupshare.leave_group($who, $some); SELECT pg_sleep(random() / 100); SELECT groupshare.set_group('w1\@x.org', $some, '{"description":"x"}'); COMMIT;
SELECT groupshare.set_share_groups(w, s.id, ARRAY[g]) FROM (SELECT $some AS g, 'w1\@x.org' AS w OFFSET 0) x, groupshare.share s JOIN groupshare.terminal t ON t.id = s.owner WHERE t.identifier = w;
SELECT groupshare.remove_member('w1\@x.org', $some, $who);
SQL
    push @lanes, lane("reader$n$_", "SELECT hear('w$_', $n), pg_sleep(random() / 50);\n" x 4) for 1 .. 3;    # as long as the writers, however busy the machine
}
$_->wait for @lanes;

sub drain {
    my ($server, @who) = @_;
    for my $who (@who) {
        $server->sql("DO \$\$ BEGIN WHILE hear('$who', $_) > 0 LOOP COMMIT; END LOOP; END \$\$") for 1, 2;
    }
    return;
}
cmp_ok($server->sql('SELECT count(*) FROM groupshare.group_event'), '>', 2 * $rounds, 'many events');
cmp_ok($server->sql(q{SELECT count(*) FROM heard}), '>', $rounds, 'many fetched meanwhile');
is($server->sql(q{SELECT count(*) FROM groupshare.event e JOIN groupshare.terminal t ON t.id = e.terminal_id WHERE t.identifier = 'idle@x.org'}), '0',
    'nothing is written for a member that does not fetch');
drain($server, qw(w1 w2 w3));
my $amiss = q{SELECT what, identifier, count(*), min(data::text) FROM amiss WHERE identifier <> 'idle@x.org' GROUP BY 1, 2};
is($server->sql($amiss), '', 'who stayed has each event of its groups once');
is($server->sql(q{SELECT count(*) FROM (SELECT id, lag(id) OVER (PARTITION BY who, program ORDER BY n) AS before FROM heard) h WHERE before >= id}), '0', 'ids rise');
is($server->sql(q{SELECT count(*) FROM groupshare.event e JOIN groupshare.terminal t ON t.id = e.terminal_id, generate_series(1, 2) p
    WHERE t.identifier ~ '^w' AND NOT EXISTS (SELECT 1 FROM heard WHERE who = split_part(t.identifier, '@', 1) AND program = p AND id = e.position)}), '0',
    'and no cursor has passed one');
is($server->sql(q{SELECT count(*) FROM groupshare.event_lag WHERE terminal ~ '^w'}), '0', 'nothing is left for them');

# Events that wait for w2 and idle, and transaction numbers far ahead of a new cluster's.
$server->sql('DO $$ BEGIN FOR i IN 1 .. 10000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
$server->sql(q{SELECT groupshare.set_group('w1@x.org', id, '{"description":"before"}') FROM grp, generate_series(1, 400)});
drain($server, 'w1');
$server->sql(q{SELECT hear('w2')}) for 1 .. 2;
my $back = GroupShare::Cluster->new(name => 'back', fsync => 0, conf => \%conf);
$back->sql($_, -database => 'postgres') for 'CREATE DATABASE gs', map { "CREATE ROLE groupshare_$_" } qw(admin gateway storage);
my $dump = scratch('dump') . '/dump.sql';
my ($status, undef, $err) = run({ command => [ pg_program('pg_dump'), '-f', $dump, 'gs' ], env => $server->env });
is($status, 0, 'dump') or diag($err);
($status, undef, $err) = run({ command => [ pg_program('psql'), qw(-Xq -v ON_ERROR_STOP=1 -f), $dump ], env => $back->env(database => 'gs') });
is($status, 0, 'restore') or diag($err);
$back->{database} = 'gs';
my $newest = q{SELECT max(xid::text::bigint) FROM groupshare.event_group};
cmp_ok($back->sql('SELECT pg_snapshot_xmax(pg_current_snapshot())::text'), '<', $back->sql($newest), 'transactions are numbered anew');
$back->sql(q{SELECT groupshare.set_group('w1@x.org', id, '{"description":"after"}') FROM grp});
$back->sql(q{SELECT groupshare.join_group(m || '@x.org', id) FROM grp, unnest(ARRAY['m1', 'm2']) m WHERE n = 1});
is($back->sql(q{SELECT hear('w1')}) > 0, 1, 'who had all gets what is new');
drain($back, qw(w1 w2 w3 idle));
is($back->sql($amiss), '', 'each event once, over the restore, those of before it too');
is($back->sql(q{SELECT count(*) FROM amiss WHERE identifier = 'idle@x.org'}), '0', 'also for who fetches for the first time');
$back->sql('SELECT groupshare.after_restore()');
$back->sql(q{SELECT groupshare.set_group('w1@x.org', id, '{"description":"later"}') FROM grp});
drain($back, qw(w1 w2 w3 idle));
is($back->sql('SELECT count(*) FROM amiss'), '0', 'and after after_restore()');
done_testing;
