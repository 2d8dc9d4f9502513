# SPDX-License-Identifier: PostgreSQL
# Allocations that live for seconds: put renews them in time, by what the answer says and by no clock of this machine, and nothing is sent twice.
use GroupShare::Test;
use GroupShare::Cli;

my $MIB  = 1 << 20;
my $LIFE = 6;
my $cs   = new_control_server(
    name => 'cs1', conf => { 'groupshare.reservation_lifetime' => "${LIFE}s", 'groupshare.ticket_lifetime' => "${LIFE}s", 'groupshare.maintenance_interval' => '500ms' });
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 256 * $MIB);
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_person('ann@example.org', gateway => $gateway, server => $cs);
$ann->ask('create', 'Ours', '--join', 'anyone');
$cs->sql('UPDATE groupshare.plan SET transfer_rate_bytes = 2000000');

my ($library) = sanitized() ? () : grep {-e} map {"$_/faketime/libfaketimeMT.so.1"} glob('/usr/lib/*-linux-gnu'), '/usr/lib';
for my $clock (0, $library ? 3600 : ()) {
    my $name = "clock+$clock";
    my $file = random_file(20 * $MIB);
    my $mark = length $device->log;
    $ann->{env} = $clock ? { LD_PRELOAD => $library, FAKETIME => "+${clock}s" } : {};
    my $put = $ann->ask('put', $file, '--as', $name) or diag($ann->{said});
    is($put->{state}, 'stored', "an upload of 10 s under allocations of $LIFE s; clock $clock s ahead");
    my $sum = 0;
    $sum += $_ for substr($device->log, $mark) =~ /method=PATCH .*?received=(\d+)/g;
    is($sum, 20 * $MIB, 'no byte is sent twice');
    is($cs->sql(q{SELECT count(*) FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id WHERE s.name = :'name'}, name => $name),
        1, 'nor another object begun');
}

done_testing;
