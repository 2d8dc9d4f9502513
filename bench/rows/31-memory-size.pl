# SPDX-License-Identifier: PostgreSQL
# The most memory that a device ever had after one large object went in and out, against after one of 64 MiB.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Process qw(run_ok);
use GroupShare::Storage qw(designation large_file memory_kib new_owner notice put);

my $mib = $ENV{BENCH_MIB} || 1024;

sub peak {
    my ($mib) = @_;
    my $cs     = control_server();
    my $device = device($cs);
    my $owner  = new_owner($cs, 'ann@example.org');
    my $file   = large_file($mib);
    my $n      = 0;
    return sub {
        my $upload = notice($owner, -s $file, name => 'file ' . ++$n);
        die "PUT\n" if put($upload, $file)->{status} != 201;
        my $share = designation($owner, $upload);
        h2load($share->{url}, connections => 1, streams => 1, requests => 1, headers => ["authorization: Bearer $share->{ticket}"]);
        run_ok('find', $device->{root}, '-type', 'f', '-size', '+10M', '-delete');
        return memory_kib($device) / 1024;
    };
}

return {
    rows  => [ { row => "device after $mib MiB in and out", unit => 'MiB', goal => { 'after 64 MiB' => '<= 1.1' } } ],
    start => sub { return { ours => peak($mib), 'after 64 MiB' => peak(64) } } };
