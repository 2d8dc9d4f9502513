# SPDX-License-Identifier: PostgreSQL
# A device has less room than the database thought, since something else has filled it: put goes on with another device by itself,
# the decision says why, and the database knows at once. Then what a device that reports rarely has to tell after a restore.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage;

my %conf = ('groupshare.device_headroom' => 0, 'groupshare.device_high_water_percent' => 100);
my ($cs, $other) = map { new_control_server(name => $_, conf => \%conf, fsync => 0) } qw(cs1 cs2);
my %rarely  = (settings => { storage => { report_interval_ms => 600_000 } });
my $near    = add_device(servers => [ $cs, $other ], name => 'near', location => 'eu/a', capacity => 4_000_000, %rarely);
my $far     = add_device(servers => [$cs], name => 'far', location => 'us/b', %rarely);
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_person('ann@example.org', gateway => $gateway, server => $cs);
$cs->sql(q{SELECT groupshare.move_terminal('ann@example.org', 'eu/a')});
$ann->ask('create', 'Ours', '--join', 'anyone');
sub available { return $cs->sql(q{SELECT available_bytes FROM groupshare.devices WHERE name = 'near'}) }
sub decisions {
    my ($share) = @_;
    return $cs->sql(q{SELECT string_agg(device || ' ' || copy_state || ' ' || (candidates -> -1 ->> 'device') || ' ' || (candidates -> -1 ->> 'outcome'), ', ' ORDER BY at)
        FROM groupshare.placements WHERE share = :'s'}, s => $share);
}

# The other control server's terminals have filled it; this one has not heard of that yet.
my $file = random_file(3_000_000);
is_reply(put(notice(new_owner($other, 'bob@example.org'), 3_000_000), $file), 201, 'the device is filled');
is(available(), 4_000_000, 'which the database does not know');
for my $way ([ 'in parts', 2_000_000 ], [ 'at once', 900_000 ]) {
    my ($name, $size) = @{$way};
    $cs->sql(q{UPDATE groupshare.device_ledger SET free_bytes = 4000000, refused_at = NULL WHERE url = :'url'}, url => $near->url);
    if ($size < 1_000_000) {
        my $more = notice(new_owner($other, 'cyd@example.org'), 500_000);
        is_reply(put($more, random_file(500_000)), 201, 'some more is filled');
    }
    my ($status, $out, $err) = $ann->type('put', random_file($size), '--as', $name);
    is($status, 0, "$name: put ends well") or diag($err);
    like($out, qr/stored on device far/, "$name: on another device");
    unlike($err, qr/waiting/, "$name: without waiting for the one that has no room");
    like(decisions($name), qr{^near (?:abandoned|deleted) far not tried, far stored near avoided$}, "$name: the decisions say what was left and why");
    ok(eval { wait_for(sub { available() <= 1_000_000 }, 'a report', 30) }, "$name: the device reports at once how much room it has")
        if $size > 1_000_000;
    is($ann->ask('put', random_file(1000), '--as', "after $name")->{device}, 'far', "$name: the next upload is not sent there");
}
is($cs->sql(q{SELECT reason FROM groupshare.explain_placement('ann@example.org', 100) WHERE device = 'near'}),
    'tried last: refused bytes since its report', 'as explained');

# A restore. Who reconciles before the device has told what it has is told so.
$near->stop;
$far->stop;
$cs->sql(q{DELETE FROM groupshare.share WHERE name = 'in parts'; SELECT groupshare.after_restore()});
sub reconciled { return $cs->psql(q{SELECT problem, share FROM groupshare.reconcile('far')}, { database => $cs->{database} }) }
my ($status, $out, $err) = reconciled();
like($err, qr/NOTICE.*storage device "far" has yet to tell what it has/, 'who asks too early is told so');
$far->start;
ok(eval { wait_for(sub { $cs->sql(q{SELECT state FROM groupshare.inventories WHERE device = 'far'}) eq 'done' }, 'the inventory', 60) },
    'a device tells what it has as soon as it is back, however rarely it reports');
($status, $out, $err) = reconciled();
is($out =~ s/\s+\z//r, 'orphan|in parts', 'then there is something to reconcile');
is($err, '', 'and nothing more to wait for');
done_testing;
