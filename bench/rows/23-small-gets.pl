# SPDX-License-Identifier: PostgreSQL
# A 4 KiB object again and again, one connection of 16 streams.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Env qw(scratch);
use GroupShare::Process qw(spit);
use GroupShare::Storage qw(designation new_owner notice put);

return {
    rows  => [ { row => 'gets of 4 KiB, 1 connection x 16 streams', unit => 'gets/s', goal => { h2o => '>= 0.7' } } ],
    start => sub {
        my $cs     = control_server();
        my $device = device($cs);
        my $root   = scratch('www');
        my $file   = spit("$root/file", 'x' x 4096, 0644);
        my $owner  = new_owner($cs, 'ann@example.org');
        my $upload = notice($owner, 4096);
        die "PUT\n" if put($upload, $file)->{status} != 201;
        my $share = designation($owner, $upload);
        my $h2o   = server_h2o($root);
        my %load  = (connections => 1, streams => 16);
        return {
            keep => $device,
            ours => sub { return h2load($share->{url}, %load, headers => ["authorization: Bearer $share->{ticket}"])->{rate} },
            h2o  => sub { return h2load("$h2o->{url}/file", %load)->{rate} } };
    } };
