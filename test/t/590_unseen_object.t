# SPDX-License-Identifier: PostgreSQL
# A start that can't look at a stored object does not begin to serve: what it left out of its sum, the object's deletion would still take
# off, and the device would say that it has less than nothing.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Faults;
use GroupShare::Storage;
use Errno qw(EIO);

my $cs     = new_control_server(name => 'cs1');
my $faults = GroupShare::Faults->new;
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu/a', start => 0);
$device->{env} = $faults->env($device->{root});
$device->start;
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_person('ann@example.org', gateway => $gateway, server => $cs);
$ann->ask('create', 'ours', '--join', 'anyone') or diag($ann->{said});
my $put = $ann->ask('put', random_file(200_000), '--as', 'film') or diag($ann->{said});
my ($object) = $cs->sql("SELECT object FROM groupshare.copies WHERE share = 'film'") =~ /([0-9a-f-]{36})/;

$device->stop;
$faults->arm(calls => 'stat', effect => 'fail', error => EIO, only => $object);
my $began = eval { $device->start };
my (undef, $hits, $what) = $faults->disarm;
ok($hits, "the look at the object fails: $what");
ok(!$began, 'then the device does not begin');

$device->start if !$began;
is(($ann->ask('get', 'ann@example.org', 'film', '--force') || {})->{sha256}, $put->{sha256}, 'with the disk in order it does, and has the object')
    or diag($ann->{said});
done_testing;
