# SPDX-License-Identifier: PostgreSQL
# ETags of group info: each change of what a page shows turns them, also one by a DBA's own statement, and a 304 makes no page. Then several
# connections change groups and shares at random while members ask with their last tags: no 304 may be for a page that is another.
use GroupShare::Test;

my $bursts = $ENV{GS_LONG} ? 200 : 12;
my $seed   = $ENV{GS_SEED} || int(rand 2**31);
diag("GS_SEED=$seed, $bursts bursts");
my $server  = new_control_server(name => 'cs1', fsync => 0, conf => { 'groupshare.databases' => q{''}, jit => 'off' });
my ($calls) = slurp('test/sql/fixture/start.psql') =~ /^(CREATE[ ]FUNCTION[ ]pg_temp[.]b64url.*?)^CREATE[ ]FUNCTION[ ]pg_temp[.]status/msx;
$calls =~ s/pg_temp[.]/public./g;
$server->sql($calls);
$server->sql(<<'SQL');
SELECT count(groupshare.add_terminal(t || '@x.org')) FROM unnest(ARRAY['ann', 'bob', 'cid', 'dan', 'm1', 'm2', 'm3']) t;
CREATE TABLE grp AS SELECT n, groupshare.create_group('ann@x.org', 'G' || n, '{"join":{"rule":"anyone"}}') AS id FROM generate_series(1, 3) n;
SELECT groupshare.join_group('bob@x.org', id) FROM grp WHERE n < 3;
CREATE FUNCTION term(who text) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM groupshare.terminal WHERE identifier = $1 || '@x.org' $$;
CREATE FUNCTION g(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM grp WHERE grp.n = $1 $$;
CREATE FUNCTION film(owner text, name text, state text, everywhere boolean) RETURNS uuid LANGUAGE sql AS $$
    INSERT INTO groupshare.share (home, owner, name, size_bytes, sha256, state, all_groups, stored_at)
    SELECT home, id, $2, 5, sha256('x'), $3, $4, now() FROM groupshare.terminal WHERE id = term($1) RETURNING id $$;
CREATE TABLE known (who text PRIMARY KEY, status text, tag text);
-- Asks with the last tag, and keeps the new one. The call comes before this transaction writes anything, as a gateway's does.
CREATE FUNCTION poll(who text) RETURNS text LANGUAGE sql AS $$
    WITH a AS MATERIALIZED (SELECT call($1 || '@x.org', 'my_groups', jsonb_build_object('if_none_match', coalesce((SELECT k.tag FROM known k WHERE k.who = $1), 'none'))) AS r)
    INSERT INTO known SELECT $1, r ->> 'status', r ->> 'etag' FROM a
    ON CONFLICT (who) DO UPDATE SET status = excluded.status, tag = excluded.tag RETURNING status $$;
SELECT film('ann', 'old', 'stored', true), film('ann', 'some', 'stored', false), film('ann', 'waiting', 'pending', false);
SQL

# A page that was made has its tag kept anew.
sub poll {
    my ($who) = @_;
    my $kept  = qq{SELECT coalesce(string_agg(xmin::text, ',' ORDER BY slot), '') FROM groupshare.page_tag WHERE terminal_id = term('$who')};
    my $before = $server->sql($kept);
    my $status = $server->sql(qq{SELECT poll('$who')});
    return $status . ($server->sql($kept) eq $before ? q{} : ', made');
}
is(poll('bob'), '200, made', 'the first page');
is(poll('bob'), '304', 'nothing new: no page is made');

my @changes = (
    [ 'another comes in',         q{SELECT groupshare.join_group('cid@x.org', g(1))} ],
    [ 'another gets a role',      q{SELECT groupshare.set_member('ann@x.org', g(1), 'cid@x.org', role => 'administrator')} ],
    [ 'loses it by hand',         q{UPDATE groupshare.membership SET state = 'member' WHERE terminal_id = term('cid')} ],
    [ 'leaves',                   q{SELECT groupshare.leave_group('cid@x.org', g(1))} ],
    [ 'comes back by hand',       q{UPDATE groupshare.membership SET state = 'member' WHERE terminal_id = term('cid')} ],
    [ 'is removed',               q{SELECT groupshare.remove_member('ann@x.org', g(1), 'cid@x.org')} ],
    [ 'comes in again',           q{SELECT groupshare.join_group('cid@x.org', g(1))} ],
    [ 'its row is deleted',       q{DELETE FROM groupshare.membership WHERE terminal_id = term('cid')} ],
    [ 'is inserted',              q{INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at) SELECT id, term('cid'), home, 'member', now() FROM groupshare.sharing_group WHERE id = g(1)} ],
    [ 'its terminal is revoked',  q{SELECT groupshare.revoke_terminal('cid@x.org')} ],
    [ 'a name',                   q{SELECT groupshare.set_group('ann@x.org', g(1), '{"name":"New"}')} ],
    [ 'a description',            q{SELECT groupshare.set_group('ann@x.org', g(1), '{"description":"x"}')} ],
    [ 'a join rule',              q{SELECT groupshare.set_group('ann@x.org', g(1), '{"join":{"rule":"confirm"}}')} ],
    [ 'room, by hand',            q{UPDATE groupshare.sharing_group SET max_members = 77 WHERE id = g(1)} ],
    [ 'listing, by hand',         q{UPDATE groupshare.sharing_group SET listing = 'hidden' WHERE id = g(1)} ],
    [ 'a share is stored',        q{SELECT film('ann', 'new', 'stored', true)} ],
    [ 'one is shown to a group',  q{SELECT groupshare.set_share_groups('ann@x.org', id, ARRAY[g(1)]) FROM groupshare.share WHERE name = 'some'} ],
    [ 'and to another instead',   q{SELECT groupshare.set_share_groups('ann@x.org', id, ARRAY[g(2)]) FROM groupshare.share WHERE name = 'some'} ],
    [ 'to none, by hand',         q{DELETE FROM groupshare.share_group} ],
    [ 'to one, by hand',          q{INSERT INTO groupshare.share_group SELECT id, g(1), home FROM groupshare.share WHERE name = 'some'} ],
    [ 'to another, by hand',      q{UPDATE groupshare.share_group SET group_id = g(2)} ],
    [ 'to all, by hand',          q{UPDATE groupshare.share SET all_groups = true WHERE name = 'some'} ],
    [ 'its size',                 q{UPDATE groupshare.share SET size_bytes = 6 WHERE name = 'some'} ],
    [ 'its digest',               q{UPDATE groupshare.share SET sha256 = sha256('y') WHERE name = 'some'} ],
    [ 'its time',                 q{UPDATE groupshare.share SET stored_at = stored_at - interval '1 day' WHERE name = 'some'} ],
    [ 'its owner',                q{UPDATE groupshare.share SET owner = term('bob') WHERE name = 'some'} ],
    [ 'and back',                 q{UPDATE groupshare.share SET owner = term('ann') WHERE name = 'some'} ],
    [ 'as a replica would',       q{SET session_replication_role = replica; UPDATE groupshare.share SET size_bytes = 7 WHERE name = 'some'} ],
    [ 'the server is named anew', q{UPDATE groupshare.server SET name = 'cs9' WHERE name = 'cs1'} ],
    [ 'and back again',           q{UPDATE groupshare.server SET name = 'cs1' WHERE name = 'cs9'} ],
    [ 'a membership is moved',    q{SELECT groupshare.join_group('m1@x.org', g(3)); UPDATE groupshare.membership SET group_id = g(1) WHERE terminal_id = term('m1')} ],
    [ 'and away',                 q{UPDATE groupshare.membership SET group_id = g(3) WHERE terminal_id = term('m1')} ],
    [ 'a share is renamed',       q{UPDATE groupshare.share SET name = 'other' WHERE name = 'some'} ],
    [ 'a share is deleted',       q{UPDATE groupshare.usage SET shares = 100, used_bytes = 1000; SELECT groupshare.delete_share('ann@x.org', id) FROM groupshare.share WHERE name = 'other'} ],
    [ 'a share, by hand',         q{DELETE FROM groupshare.share WHERE name = 'new'} ],
    [ 'one that waited is stored', q{INSERT INTO groupshare.share_group SELECT id, g(2), home FROM groupshare.share WHERE name = 'waiting'; UPDATE groupshare.share SET state = 'stored' WHERE name = 'waiting'} ],
    [ 'its own share',            q{SELECT film('bob', 'mine', 'stored', true)} ],
    [ 'it comes into a group',    q{SELECT groupshare.join_group('bob@x.org', g(3))} ],
    [ 'it gets a role',           q{SELECT groupshare.set_member('ann@x.org', g(3), 'bob@x.org', role => 'administrator')} ],
    [ 'it leaves',                q{SELECT groupshare.leave_group('bob@x.org', g(3))} ],
    [ 'it comes back',            q{SELECT groupshare.join_group('bob@x.org', g(3))} ],
    [ 'its own row is deleted',   q{DELETE FROM groupshare.membership WHERE terminal_id = term('bob') AND group_id = g(3)} ],
    [ 'a member is named anew',   q{UPDATE groupshare.terminal SET identifier = 'anna@x.org' WHERE id = term('ann')} ],
    [ 'and back',                 q{UPDATE groupshare.terminal SET identifier = 'ann@x.org' WHERE id = term('anna')} ],
    [ 'all shares are truncated', q{TRUNCATE groupshare.share CASCADE} ],
    [ 'a group is dissolved, by hand', q{UPDATE groupshare.sharing_group SET state = 'dissolved', dissolved_at = now() WHERE id = g(2)} ],
);
for my $change (@changes) {
    my ($name, $sql) = @$change;
    $server->sql($sql);
    is(poll('bob'), '200, made', "turns the tag: $name");
    is(poll('bob'), '304',       '... and the new one holds');
}
my @others = (
    [ 'a share waits',                 q{SELECT film('ann', 'later', 'pending', true)} ],
    [ 'it expires',                    q{UPDATE groupshare.share SET state = 'expired' WHERE name = 'later'} ],
    [ 'a group that it is not in',     q{SELECT groupshare.set_group('ann@x.org', g(3), '{"description":"x"}')} ],
    [ 'members of that',               q{SELECT groupshare.join_group('dan@x.org', g(3))} ],
    [ 'an inquiry',                    q{SELECT groupshare.join_group('dan@x.org', g(1))} ],
    [ 'a terminal with no group of it', q{SELECT groupshare.revoke_terminal('m3@x.org')} ],
    [ 'events are fetched',            q{SELECT groupshare.fetch_events('bob@x.org')} ],
    [ 'the same settings',             q{UPDATE groupshare.sharing_group SET listing = listing} ],
    [ 'maintenance',                   q{SELECT groupshare.run_maintenance()} ],
    [ 'a change that is undone',       q{BEGIN; SELECT groupshare.set_group('ann@x.org', g(1), '{"description":"gone"}'); ROLLBACK} ],
);
for my $other (@others) {
    $server->sql($other->[1]);
    is(poll('bob'), '304', "does not turn it: $other->[0]");
}
$server->sql(q{UPDATE groupshare.server SET created_at = now()});
is(poll('bob'), '304, made', 'a note that changed nothing: the page is made and is the same');
is(poll('bob'), '304',       'and is not made again');
$server->sql(q{UPDATE groupshare.page_tag SET at = at - interval '25 hours'});
is(poll('bob'), '304, made', 'an old tag');
my $version = $server->sql(q{SELECT extversion FROM pg_extension WHERE extname = 'groupshare'});
$server->sql(qq{UPDATE groupshare.page_tag SET request = replace(request, '$version', '0.0.1')});
is(poll('bob'), '304, made', 'a tag of another version, whose pages may have looked different');
$server->sql(q{UPDATE known SET tag = '"00000000000000000000000000000000"' WHERE who = 'bob'});
is(poll('bob'), '200, made', 'a made-up tag');
$server->sql(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT call('bob@x.org', 'my_groups'); BEGIN READ ONLY; SELECT call('bob@x.org', 'my_groups'); COMMIT});
is(poll('bob'), '304', 'in transactions that can keep none, pages are made all the same');

# Pages of one group: of its own changes alone.
my $one = q{SELECT call('bob@x.org', 'my_groups', jsonb_build_object('group', g(1), 'if_none_match', '%s'::text)) ->> '%s'};
my $tag = $server->sql(sprintf $one, q{}, 'etag');
is($server->sql(sprintf $one, $tag, 'status'), '304', 'the members of a group');
$server->sql(q{SELECT film('ann', 'again', 'stored', true)});
is($server->sql(sprintf $one, $tag, 'status'), '200', 'have another share');
is($server->sql(q{SELECT count(*) <= 8 FROM groupshare.page_tag WHERE terminal_id = term('bob')}), 't', 'few tags are kept') for $server->sql(
    q{SELECT count(call('bob@x.org', 'my_groups', jsonb_build_object('limit', n::text))) FROM generate_series(1, 50) n});

# What a 304 reads: no share, no other's membership.
$server->sql(q{SELECT groupshare.add_terminal('x' || n || '@x.org') FROM generate_series(1, 30) n;
    INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at) SELECT g(1), id, home, 'member', now() FROM groupshare.terminal WHERE identifier ~ '^x'});
is(poll('bob'), '200, made', 'once more');
my $scans = q{SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_user_tables WHERE schemaname = 'groupshare' AND relname IN ('share', 'share_group', 'sharing_group')};
my $read  = q{SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'groupshare' AND relname = 'membership'};
my $own   = $server->sql(q{SELECT count(*) FROM groupshare.membership WHERE terminal_id = term('bob')});
my ($scans_before, $read_before) = map { $server->sql($_) } $scans, $read;
$server->sql(q{SELECT poll('bob')}) for 1 .. 5;
is($server->sql($scans), $scans_before, 'a 304 reads no share and no group');
cmp_ok($server->sql($read) - $read_before, '<=', 5 * $own, 'and no membership but its own');
$server->sql(q{UPDATE known SET tag = 'x'; SELECT poll('bob')});
cmp_ok($server->sql($scans), '>', $scans_before, 'as a 200 does');

$server->sql(q{UPDATE groupshare.page_change SET at = at - interval '97 hours'; SELECT groupshare.run_maintenance()});
is($server->sql('SELECT count(*) FROM groupshare.page_change'), '0', 'old notes are swept');

# At random.
$server->sql(q{SELECT groupshare.set_group('ann@x.org', g(n), '{"join":{"rule":"anyone"}}') FROM unnest(ARRAY[1, 3]) n});
$server->sql(q{SELECT groupshare.join_group(w || '@x.org', g(n)) FROM unnest(ARRAY['m1', 'm2', 'bob']) w, unnest(ARRAY[1, 3]) n});
my $some = q{g(CASE WHEN random() < 0.5 THEN 1 ELSE 3 END)};
my $who  = q{'m' || (1 + floor(random() * 2))::int};
sub lane {
    my ($name, $body) = @_;
    my $file = scratch($name) . '/lane.sql';
    spit($file, 'SELECT setseed(' . (($seed++ % 1000) / 1000) . ");\n" . $body x 8);
    return GroupShare::Process->start(name => $name, command => [ pg_program('psql'), '-Xqo', '/dev/null', '-f', $file ], env => $server->env(database => 'gs'), log => "$file.log");
}
my $same = q{SELECT count(*) FROM known k WHERE k.who IN ('ann', 'bob') AND call(k.who || '@x.org', 'my_groups', jsonb_build_object('if_none_match', k.tag)) ->> 'status' = '304'
    AND k.tag <> call(k.who || '@x.org', 'my_groups') ->> 'etag'};
my $wrong = 0;
for my $burst (1 .. $bursts) {
    my @lanes = map { lane("writer$burst.$_", <<"SQL") } 1 .. 2;
BEGIN; SELECT groupshare.join_group($who || '\@x.org', $some); SELECT pg_sleep(random() / 50); COMMIT;
BEGIN; SELECT film($who, 'f' || random(), 'stored', random() < 0.8); SELECT pg_sleep(random() / 50); COMMIT;
SELECT groupshare.leave_group($who || '\@x.org', $some);
BEGIN; DELETE FROM groupshare.share WHERE id = (SELECT id FROM groupshare.share WHERE name LIKE 'f0%' ORDER BY random() LIMIT 1); SELECT pg_sleep(random() / 50); COMMIT;
SQL
    push @lanes, map { lane("reader$burst.$_", qq{SELECT poll('$_');\n} x 8) } qw(ann bob);
    $_->wait for @lanes;
    $wrong += $server->sql($same);
}
is($wrong, 0, 'no 304 for a page that is another');
cmp_ok($server->sql(q{SELECT count(*) FROM groupshare.page_change}), '>', 10 * $bursts, 'much has changed');
done_testing;
