# SPDX-License-Identifier: PostgreSQL
# A group of thousands is dissolved: a device hears of all its members at once, page by page, and again after a start.
use GroupShare::Test;
use GroupShare::Storage;

my $MANY   = 2500;
my $cs     = new_control_server(name => 'cs1', conf => { jit => 'off' });    # statements over many rows would be compiled
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 60_000 } });
my $ann    = new_owner($cs, 'ann@example.org');
my $bob    = { cs => $cs, identifier => 'bob@example.org' };
add_terminal($cs, $bob->{identifier});
my $group = $cs->sql('SELECT id FROM groupshare.sharing_group');
$cs->sql(q{SELECT groupshare.join_group('bob@example.org', :'group')}, group => $group);
$cs->sql(<<'SQL', group => $group, many => $MANY);
INSERT INTO groupshare.terminal (home, identifier, plan)
    SELECT server_id, 'm' || i || '@example.org', 'standard' FROM groupshare.self, generate_series(1, :many) i;
INSERT INTO groupshare.membership (group_id, terminal_id, home, state, joined_at)
    SELECT :'group', id, home, 'member', now() FROM groupshare.terminal WHERE identifier LIKE 'm%';
SQL
my $file   = large_file(1);
my $upload = notice($ann, -s $file);
is_reply(put($upload, $file), 201, 'a file');
my $seen = designation($bob, $upload);
is(get($seen)->{status}, 200, 'which a member fetches');

sub told { return http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_revocations_total\S* (\d+)$/m ? $1 : die }
sub undone { return $cs->sql(q{SELECT count(*) FROM groupshare.device_work WHERE kind = 'revoke' AND done_at IS NULL}) }
my $before = told();
$cs->sql(q{SELECT groupshare.dissolve_group(:'group')}, group => $group);
wait_for(sub { told() >= $before + $MANY + 2 }, 'all of them to be told, long before the next report', 40);
is(told(), $before + $MANY + 2, 'each once');
is_problem(get($seen), 401, 'ticket_revoked', "a member's ticket is refused");
wait_for(sub { undone() == 0 }, 'the device to say so');
is($cs->sql('SELECT count(*) FROM groupshare.device_heard WHERE target IS NOT NULL'), 0, 'there is no more of it');

$device->kill9;
$device->start;
like(get($seen)->{status}, qr/\A(?:401|503)\z/, 'after a start it takes no ticket before it has heard of all of them');
wait_for(sub { told() >= $MANY + 2 && undone() == 0 }, 'all to be told again');
is(told(), $MANY + 2, 'which are told again');
is_problem(get($seen), 401, 'ticket_revoked', 'and then knows of this one');

done_testing;
