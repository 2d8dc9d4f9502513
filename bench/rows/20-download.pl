# SPDX-License-Identifier: PostgreSQL
# One large object over HTTP/2 and TLS, one stream, from the page cache.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Storage qw(designation large_file new_owner notice put);

my $mib = $ENV{BENCH_MIB} || 1024;

sub fetch {
    my ($pid, $url, @headers) = @_;
    my $cpu  = cpu_seconds($pid);
    my $load = h2load($url, connections => 1, streams => 1, requests => 1, headers => \@headers);
    my $gb   = $mib * (1 << 20) / 1e9;
    return ($gb / $load->{seconds}, (cpu_seconds($pid) - $cpu) / $gb);
}

return {
    rows => [
        { row => "download of $mib MiB", unit => 'GB/s', goal => { h2o => '>= 1.2' } },
        { row => "download of $mib MiB", unit => 'CPU s a GB', goal => { h2o => '<= 1' } } ],
    start => sub {
        my $cs     = control_server();
        my $device = device($cs);
        my $file   = large_file($mib);
        (my $root = $file) =~ s{/file$}{};
        my $owner  = new_owner($cs, 'ann@example.org');
        my $upload = notice($owner, -s $file);
        die "PUT\n" if put($upload, $file)->{status} != 201;
        my $share = designation($owner, $upload);
        my %peer = (h2o => server_h2o($root), nginx => server_nginx($root), nghttpd => server_nghttpd($root));
        return {
            ours => sub { return fetch($device->{process}->pid, $share->{url}, "authorization: Bearer $share->{ticket}") },
            map { my $p = $peer{$_}; ($_ => sub { return fetch($p->{process}->pid, "$p->{url}/file") }) } keys %peer };
    } };
