# SPDX-License-Identifier: PostgreSQL
# What a 304 for group info reads: its tag, and notes of changes only where there may be some; never more than the page has groups. What is on a
# page decides which changes turn its tag, and marks in shared memory outlive no start that their notes outlive.
use GroupShare::Test;

my $server = new_control_server(name => 'cs1', fsync => 0, conf => { 'groupshare.databases' => q{''}, jit => 'off', max_prepared_transactions => 2 });
my ($calls) = slurp('test/sql/fixture/start.psql') =~ /^(CREATE[ ]FUNCTION[ ]pg_temp[.]b64url.*?)^CREATE[ ]FUNCTION[ ]pg_temp[.]status/msx;
$calls =~ s/pg_temp[.]/public./g;
$server->sql($calls);
$server->sql(<<'SQL');
SELECT count(groupshare.add_terminal(t || '@x.org')) FROM unnest(ARRAY['ann', 'hub', 'few']) t;
CREATE FUNCTION term(who text) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM groupshare.terminal WHERE identifier = $1 || '@x.org' $$;
-- Groups 1 to 300 in the order of their ids.
CREATE FUNCTION g(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT (lpad(to_hex($1), 8, '0') || '-0000-4000-8000-000000000000')::uuid $$;
CREATE FUNCTION enter(who text, n int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at) SELECT g($2), term($1), home, 'member', now() FROM groupshare.terminal WHERE id = term($1) $$;
CREATE FUNCTION describe(n int) RETURNS void LANGUAGE sql AS $$ UPDATE groupshare.sharing_group SET description = description || 'x' WHERE id = g($1) $$;
INSERT INTO groupshare.sharing_group (id, home, creator, name, join_rule, state, established_at, created_at) SELECT g(n), t.home, t.id, 'G' || n, 'anyone', 'live', now(), now() - interval '1 day'
    FROM groupshare.terminal t, generate_series(1, 300) n WHERE t.id = term('ann');
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at) SELECT g(n), term('ann'), home, 'administrator', now() FROM groupshare.sharing_group, generate_series(1, 300) n WHERE id = g(n);
SELECT enter('hub', n) FROM generate_series(1, 300) n WHERE n <> 50;
SELECT enter('few', n) FROM unnest(ARRAY[10, 20, 30, 5]) n;
UPDATE groupshare.sharing_group SET state = 'dissolved', dissolved_at = now() WHERE id = g(5);
CREATE TABLE known (who text PRIMARY KEY, status text, tag text);
CREATE FUNCTION poll(who text, most int) RETURNS text LANGUAGE sql AS $$
    WITH a AS MATERIALIZED (SELECT call($1 || '@x.org', 'my_groups', jsonb_build_object('limit', $2::text, 'if_none_match', coalesce((SELECT k.tag FROM known k WHERE k.who = $1), 'none'))) AS r)
    INSERT INTO known SELECT $1, r ->> 'status', r ->> 'etag' FROM a
    ON CONFLICT (who) DO UPDATE SET status = excluded.status, tag = excluded.tag RETURNING status $$;
ANALYZE;
SQL

# Status, whether a page was made, and what was read of the tables that a 304 may read.
my $counts = q{SELECT string_agg(coalesce((SELECT seq_tup_read + idx_scan FROM pg_stat_user_tables WHERE schemaname = 'groupshare' AND relname = t), 0)::text, ' ' ORDER BY n)
    FROM unnest(ARRAY['page_change', 'membership', 'sharing_group', 'page_tag']) WITH ORDINALITY u (t, n)};
sub poll {
    my ($who, $most) = @_;
    my @before = split / /, $server->sql($counts);
    my $status = $server->sql("SELECT poll('$who', $most)");
    my @after  = split / /, $server->sql($counts);
    my %read;
    @read{qw(notes members groups tags)} = map { $after[$_] - $before[$_] } 0 .. 3;
    return ($status, \%read);
}
sub hub  { my ($status, $read) = poll('hub', 100); return $status . ($read->{groups} ? ', made' : q{}) }
sub few  { my ($status, $read) = poll('few', 2);   return $status . ($read->{groups} ? ', made' : q{}) }
sub first_of_hub { hub(); return is(hub(), '304', $_[0]) }

is(hub(), '200, made', 'a page of a hundred of 298 groups');
my ($status, $read) = poll('hub', 100);
is_deeply([ $status, $read ], [ '304', { notes => 0, members => 0, groups => 0, tags => 1 } ], 'nothing new: one tag is read, nothing else');

$server->sql('SELECT describe(200)');
is(hub(), '304', 'a group that the page does not show has changed');
$server->sql('SELECT describe(102)');
is(hub(), '200, made', 'the last group of the page has');
is(hub(), '304',       'and the new tag holds');
$server->sql('SELECT describe(103)');
is(hub(), '304, made', 'the group after the page has: the page is made, and is the same');
$server->sql(q{SELECT enter('hub', 50)});
is(hub(), '200, made', 'it comes into a group in the middle');

few();
is(few(), '304', 'a page of two of three groups');
$server->sql('UPDATE groupshare.sharing_group SET dissolved_at = now(), state = \'dissolved\' WHERE id = g(30)');
is(few(), '200, made', 'the third is dissolved: no page follows any more');
is(few(), '304',       'and the new tag holds');
$server->sql('UPDATE groupshare.sharing_group SET dissolved_at = NULL, state = \'live\' WHERE id = g(5)');
is(few(), '200, made', 'one of its groups that was dissolved before the page was made is not any more');

# An old transaction: what has changed since it began is doubtful, and looked up; and only that.
first_of_hub('before an old transaction');
my $old = GroupShare::Process->start(name => 'old', command => [ pg_program('psql'), '-Xqc', q{SET application_name = 'old'; BEGIN; SELECT pg_current_xact_id(), pg_sleep(600)} ],
    env => $server->env(database => 'gs'), log => scratch('old') . '/log');
wait_for(sub { $server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'old' AND backend_xid IS NOT NULL}) }, 'an old transaction');
$server->sql("SELECT describe($_)") for 3, 7, 200;
is(hub(), '200, made', 'two groups of the page have changed');
($status, $read) = poll('hub', 100);
is($status, '304', 'what an old transaction makes doubtful is found to be in the page');
cmp_ok($read->{notes}, '>=', 2, 'by looking for notes of those two');
cmp_ok($read->{notes}, '<=', 6, 'and hardly any others');
$server->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'old'});
$old->wait;

# Over a restart notes stay, and marks don't.
hub();
$server->sql('SELECT describe(4)');
$server->restart;
is(hub(), '200, made', 'changed before a restart, asked after it');
is(hub(), '304',       'and the new tag holds');
$server->sql(q{BEGIN; SELECT describe(6); PREPARE TRANSACTION 'p'});
is(hub(), '304', 'a change is prepared');
$server->sql('SELECT describe(8)');
is(hub(), '200, made', 'another is committed');
$server->restart;
is(hub(), '304', 'after another restart the prepared one is not seen');
$server->sql('SELECT describe(8)');
is(hub(), '200, made', 'a page that was made meanwhile');
$server->sql(q{COMMIT PREPARED 'p'});
is(hub(), '200, made', 'is another when the prepared one is committed');
is(hub(), '304',       'and the new tag holds');

# Without shared memory each group of the page is looked up, and no other.
hub();
$server->configure(shared_preload_libraries => '');
$server->restart;
first_of_hub('without shared memory');
($status, $read) = poll('hub', 100);
is("$status $read->{members} $read->{groups}", '304 0 0', 'nothing new');
cmp_ok($read->{notes}, '>', 50,   'notes are looked for');
cmp_ok($read->{notes}, '<=', 103, 'for the groups of the page alone');
$server->sql('SELECT describe(200)');
is(hub(), '304', 'a group beyond the page has changed');
$server->sql('SELECT describe(9)');
is(hub(), '200, made', 'one of the page has');
$server->configure(shared_preload_libraries => 'groupshare');
hub();
$server->sql('SELECT describe(9)');
$server->restart;
is(hub(), '200, made', 'noted without shared memory, asked with it');
($status, $read) = poll('hub', 100);
is("$status $read->{notes}", '304 0', 'which is in use again');
done_testing;
