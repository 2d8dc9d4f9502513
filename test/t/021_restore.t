# SPDX-License-Identifier: PostgreSQL
# pg_dump and restore of a control server with devices and shares: what is dumped comes back, what the devices tell anew
# is right after their next announcement, and keys are new.
use GroupShare::Test;

my $server = new_control_server(name => 'cs1', fsync => 0);
my $space  = "'https://d.test', 1000000000, 900000000, 0, 3600000, '1'";
$server->sql(<<"SQL");
CREATE ROLE d1 LOGIN;
SELECT groupshare.add_storage_device('d1', 'd1', 'a/b');
SET SESSION AUTHORIZATION d1;
SELECT groupshare.device_announce(1, $space);
RESET SESSION AUTHORIZATION;
INSERT INTO groupshare.terminal (home, identifier, plan) SELECT server_id, 'ann\@example.org', 'standard' FROM groupshare.self;
WITH made AS (INSERT INTO groupshare.sharing_group (home, name, state, join_rule, creator)
    SELECT home, 'g', 'live', 'anyone', id FROM groupshare.terminal RETURNING id, home, creator)
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT id, creator, home, 'administrator', now() FROM made;
SELECT object AS stored FROM groupshare.upload_notice('ann\@example.org', 'stored', 1000) \\gset
SELECT FROM groupshare.upload_notice('ann\@example.org', 'pending', 500);
SET SESSION AUTHORIZATION d1;
SELECT groupshare.device_receipt(1, :'stored', 1000, sha256('x'));
SQL

my $file = scratch('dump') . '/dump.sql';
my ($status, undef, $err) = run({ command => [ pg_program('pg_dump'), '-f', $file, $server->{database} ], env => $server->env });
is($status, 0, 'dump') or diag($err);
$server->sql('CREATE DATABASE back', -database => 'postgres');
($status, undef, $err) = run({
    command => [ pg_program('psql'), qw(-Xq -v ON_ERROR_STOP=1 -f), $file ], env => $server->env(database => 'back') });
is($status, 0, 'restore') or diag($err);

sub both {
    my ($query) = @_;
    return map { $server->sql($query, -database => $_) } $server->{database}, 'back';
}

for my $table (qw(share share_copy share_group reservation device device_history device_work usage audit),
    '(SELECT device_id, depth, area, place FROM groupshare.device_area)', '(SELECT group_id, members FROM groupshare.group_size)') {
    my ($was, $is) = both("SELECT coalesce(jsonb_agg(t ORDER BY t::text), '[]') FROM " . ($table =~ /^\(/ ? $table : "groupshare.$table") . ' t');
    is($is, $was, "$table is the same");
}
for my $table (qw(secret device_key)) {
    my ($was, $is) = both("SELECT coalesce(string_agg(kid, ' '), '') FROM groupshare.$table");
    isnt($is, $was, "$table is not");
}
my $notice = q{SELECT state FROM groupshare.upload_notice('ann@example.org', 'new', 1)};
is($server->sqlstate($notice, -database => 'back'), 'GS022', 'nothing is promised on a device that has not announced');
is($server->sqlstate(q{SELECT groupshare.download_notice('ann@example.org', 'ann@example.org', 'stored')}, -database => 'back'),
    'GS025', 'nor is it designated');
$server->sql("SELECT groupshare.setup_roles(); SET SESSION AUTHORIZATION d1; SELECT groupshare.device_announce(2, $space)",
    -database => 'back');
is($server->sql('SELECT reserved_bytes FROM groupshare.devices', -database => 'back'), 500, 'live reservations are counted anew');
is($server->sql($notice, -database => 'back'), 'pending', 'and uploads go on');
is($server->sql(q{UPDATE groupshare.reservation SET expires_at = now() - interval '1 s';
    SELECT groupshare.run_maintenance(); SELECT string_agg(DISTINCT reserved_bytes::text, ' ') FROM groupshare.devices},
    -database => 'back') =~ s/\n//gr, 0, 'and expire');

done_testing;
