# SPDX-License-Identifier: PostgreSQL
# One large object over HTTP/2 and TLS, one stream: ours with SHA-256 and durable when it answers, nginx with neither. fio
# writes as many bytes and syncs them: what the disk alone can do.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Env qw(scratch);
use GroupShare::Http qw(json_decode);
use GroupShare::Process qw(run_ok);
use GroupShare::Storage qw(large_file new_owner notice);

my $mib = $ENV{BENCH_MIB} || 1024;
my $gb  = $mib * (1 << 20) / 1e9;

sub send_file {
    my ($pid, $url, $file, @headers) = @_;
    my $cpu  = cpu_seconds($pid);
    my $load = h2load($url, connections => 1, streams => 1, requests => 1, options => [ '-d', $file ],
        headers => [ ':method: PUT', @headers ]);
    return ($gb / $load->{seconds}, (cpu_seconds($pid) - $cpu) / $gb);
}

return {
    rows => [
        { row => "upload of $mib MiB, durable", unit => 'GB/s', goal => { 'fio, durable' => '>= 0.8' } },
        { row => "upload of $mib MiB, durable", unit => 'CPU s a GB', goal => {} } ],
    start => sub {
        my $cs     = control_server();
        my $device = device($cs);
        my $file   = large_file($mib);
        my $owner  = new_owner($cs, 'ann@example.org');
        my $root   = scratch('dav');
        my $nginx  = server_nginx($root);
        my $disk   = scratch('fio');
        my $n      = 0;
        return {
            ours => sub {
                my $upload = notice($owner, -s $file, name => 'file ' . ++$n);
                my @figures = send_file($device->{process}->pid, $upload->{url}, $file, "authorization: Bearer $upload->{ticket}");
                run_ok('find', $device->{root}, '-type', 'f', '-size', '+100M', '-delete');
                return @figures;
            },
            'nginx DAV, not durable' => sub {
                my @figures = send_file($nginx->{process}->pid, "$nginx->{url}/up" . ++$n, $file);
                run_ok('find', $root, '-type', 'f', '-delete');
                return @figures;
            },
            'fio, durable' => sub {
                my $json = run_ok('fio', '--name=d', "--directory=$disk", '--rw=write', '--bs=1M', "--size=${mib}M", '--end_fsync=1',
                    '--unlink=1', '--output-format=json');
                return json_decode($json)->{jobs}[0]{write}{bw_bytes} / 1e9;
            } };
    } };
