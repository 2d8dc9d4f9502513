# SPDX-License-Identifier: PostgreSQL
# 4 KiB objects by 32 clients over TLS, each durable and known to the control server when it is answered, against 4 KiB
# appends by 32 threads to one container with a shared fdatasync, and against fio with a file for each thread.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Env qw(scratch);
use GroupShare::Http qw(json_decode);
use GroupShare::Process qw(run_ok);
use GroupShare::Storage qw(new_owner);

return {
    rows  => [ { row => 'durable puts of 4 KiB, 32 clients', unit => 'puts/s', goal => { 'appends to a container' => '>= 0.5' } } ],
    start => sub {
        my $cs     = control_server();
        my $device = device($cs);
        my $owner  = new_owner($cs, 'ann@example.org');
        my $disk   = scratch('disk');
        my $body   = 'x' x 4096;
        my $rate   = 500;
        return {
            keep => $device,
            ours => sub {
                my @list = map { [ 'PUT', $_->[0], $_->[1], $body ] } uploads($owner, 64 + int($rate * seconds()), 4096);
                return $rate = requests(32, 201, \@list);
            },
            'appends to a container' => sub { return run_ok(tool('append'), "$disk/container", 32, seconds()) + 0 },
            'fio, a file each, fdatasync' => sub {
                my $json = run_ok('fio', '--name=d', "--directory=$disk", qw(--rw=write --bs=4k --size=64M --numjobs=32 --thread
                    --fdatasync=1 --time_based --group_reporting --fallocate=none --unlink=1 --output-format=json), '--runtime=' . seconds());
                return json_decode($json)->{jobs}[0]{write}{iops};
            } };
    } };
