# SPDX-License-Identifier: PostgreSQL
#
# What the rows of the benchmark share: processes on their cores, what they use, the peers' servers, and load. Servers run
# on core 0, what loads them on core 1; on a machine with one core everything runs there, and the figures say little.
package GroupShare::Bench;

use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use GroupShare::Env qw(build scratch tls_dir);
use GroupShare::Process qw(run run_ok slurp spit wait_for);
use GroupShare::Storage ();
use GroupShare::System;
use IPC::Open2 qw(open2);

our @EXPORT = qw(seconds client pin cpu_seconds memory_kib_of server_h2o server_nginx server_nghttpd h2load idle_kib requests tool
    control_server device uploads);

my $cores = () = slurp('/proc/cpuinfo') =~ /^processor/mg;

sub seconds { return $ENV{BENCH_SECONDS} || 2 }
sub tool { return build() . "/bench/$_[0]" }
sub core { return $cores > $_[0] ? $_[0] : 0 }

# What loads: its output; it must succeed.
sub client { my (@command) = @_; return run_ok('taskset', '-c', core(1), @command) }

# A process and all below it.
sub family {
    my ($pid) = @_;
    my $children = eval { slurp("/proc/$pid/task/$pid/children") } // '';
    return ($pid, map { family($_) } split ' ', $children);
}

sub pin {
    my ($core, @pids) = @_;
    run({ command => [ 'taskset', '-a', '-c', '-p', core($core), $_ ] }) for map { family($_) } @pids;
    return;
}

# User and system time of the processes and their ended children.
sub cpu_seconds {
    my (@pids) = @_;
    my $ticks = 0;
    for my $pid (map { family($_) } @pids) {
        my @field = split ' ', (eval { slurp("/proc/$pid/stat") } // '') =~ s/^.*\) //sr;
        $ticks += ($field[11] || 0) + ($field[12] || 0);
    }
    return $ticks / 100;
}

# Resident memory of the processes, what they share counted in parts.
sub memory_kib_of {
    my (@pids) = @_;
    my $kib = 0;
    $kib += slurp("/proc/$_/smaps_rollup") =~ /^Pss:\s+(\d+)/m ? $1 : 0 for map { family($_) } @pids;
    return $kib;
}

# Peers -----------------------------------------------------------------------------------------------------------------

sub free_port {
    require IO::Socket::INET;
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0) or croak "socket: $!";
    return $socket->sockport;
}

sub serve {
    my ($name, $port, @command) = @_;
    my $process = GroupShare::Process->start(name => $name, command => [@command], log => scratch('log') . "/$name", cwd => '/');
    wait_for(
        sub {
            croak "$name ended:\n" . $process->log if !$process->alive;
            return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        },
        $name);
    pin(0, $process->pid);
    return { process => $process, url => "https://127.0.0.1:$port" };
}

# Each serves the files of $root.
sub server_h2o {
    my ($root) = @_;
    my ($dir, $port, $tls) = (scratch('h2o'), free_port(), tls_dir());
    spit("$dir/conf", <<"EOT");
num-threads: 1
max-connections: 20000
listen: {port: $port, host: 127.0.0.1, ssl: {certificate-file: $tls/server.pem, key-file: $tls/server.key}}
hosts: {default: {paths: {"/": {file.dir: $root}}}}
EOT
    return serve('h2o', $port, 'h2o', '-c', "$dir/conf");
}

# With DAV, so that it takes PUT; 16 MiB of a body in memory and windows as large as it can have.
sub server_nginx {
    my ($root) = @_;
    my ($dir, $port, $tls) = (scratch('nginx'), free_port(), tls_dir());
    spit("$dir/conf", <<"EOT");
daemon off;
pid $dir/pid;
error_log stderr warn;
worker_rlimit_nofile 65536;
events { worker_connections 20000; }
http {
    access_log off;
    client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fcgi;
    uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
    sendfile on; keepalive_requests 100000000; client_max_body_size 0; client_body_buffer_size 16m;
    http2_max_concurrent_streams 128; http2_chunk_size 16k; output_buffers 2 256k; http2_body_preread_size 16m;
    server {
        listen 127.0.0.1:$port ssl http2;
        ssl_certificate $tls/server.pem; ssl_certificate_key $tls/server.key;
        root $root;
        dav_methods PUT;
    }
}
EOT
    return serve('nginx', $port, 'nginx', '-c', "$dir/conf", '-p', $dir, '-e', 'stderr');
}

sub server_nghttpd {
    my ($root) = @_;
    my ($port, $tls) = (free_port(), tls_dir());
    return serve('nghttpd', $port, 'nghttpd', '-a', '127.0.0.1', '-d', $root, $port, "$tls/server.key", "$tls/server.pem");
}

# Load ------------------------------------------------------------------------------------------------------------------

# Requests a second and seconds of one h2load of {connections, streams, headers => [...], requests}; every answer must be a good
# one. Without `requests` it sends as many as it takes some seconds to answer, going by the last time. Windows of 64 MiB.
my %last_rate;

sub h2load {
    my ($url, %o) = @_;
    my @headers  = map { ('-H', $_) } @{ $o{headers} || [] };
    my $requests = $o{requests} || int($o{connections} * 20 + ($last_rate{$url} || 500) * seconds());
    my $out = client('h2load', qw(-t 1 -w 26 -W 26), '-c', $o{connections}, '-m', $o{streams}, '-n', $requests, @headers,
        @{ $o{options} || [] }, $url);
    my ($time, $unit, $rate) = $out =~ m{^finished in ([\d.]+)(m?s), ([\d.]+) req/s}m or croak "h2load: $out";
    $last_rate{$url} = $rate;
    my ($good, $bad) = $out =~ /^status codes: (\d+) 2xx, (\d+ 3xx, \d+ 4xx, \d+ 5xx)/m;
    my ($failed, $errored) = $out =~ /(\d+) failed, (\d+) errored/;
    my $fine = $o{status_3xx} ? $bad =~ /, 0 4xx, 0 5xx$/ : $bad eq '0 3xx, 0 4xx, 0 5xx' && $good;
    croak "h2load $url: $out" if !$fine || $failed || $errored;
    return { rate => $rate, seconds => $unit eq 'ms' ? $time / 1000 : $time };
}

# KiB a connection that the server takes for open and silent ones, over what it had when it was asked first: what was freed
# is not given back at once.
my %at_first;

sub idle_kib {
    my ($pid, $url, $count) = @_;
    my ($port) = $url =~ /:(\d+)$/;
    $at_first{$pid} //= memory_kib_of($pid);
    my $holder = open2(my $out, my $in, tool('hold'), $port, $count);
    croak 'hold failed' if (readline($out) // '') ne "ready\n";
    my $held = memory_kib_of($pid) - $at_first{$pid};
    close $in;
    waitpid $holder, 0;
    return $held / $count;
}

# Requests a second: each of [[method, url, token, body]...] once.
sub requests {
    my ($connections, $status, $list) = @_;
    my $text = join '', map { join("\t", $_->[0], $_->[1], "Bearer $_->[2]", $_->[3]) . "\n" } @{$list};
    my ($rc, $out, $err) = run({
        command => [ 'taskset', '-c', core(1), tool('requests'), $connections, tls_dir() . '/ca.pem', $status ], input => $text });
    croak "requests: $err" if $rc;
    return $out + 0;
}

# Ours ------------------------------------------------------------------------------------------------------------------

# A durable control server on core 0.
sub control_server {
    my $cs = new_control_server(name => 'cs1', fsync => 1, conf => { shared_buffers => '256MB', max_wal_size => '4GB', jit => 'off' });
    $cs->sql('UPDATE groupshare.plan SET quota_bytes = NULL, max_shares = NULL, max_object_bytes = NULL');
    pin(0, $cs->{process}->pid);
    return $cs;
}

# A busy machine is no silent device: reports are as rare as they are by default.
sub device {
    my ($cs, $name) = @_;
    $name ||= 'd1';
    my $device = add_device(servers => [$cs], name => $name, location => "eu/$name", capacity => 1 << 40,
        settings => { storage => { report_interval_ms => 5000 } });
    pin(0, $device->{process}->pid);
    return $device;
}

# So many upload notices of the terminal, each of its own name.
sub uploads {
    my ($owner, $count, $size) = @_;
    my $rows = $owner->{cs}->sql(<<'SQL', id => $owner->{identifier}, n => $count, size => $size, tag => ++$owner->{tag});
SELECT n.url, n.ticket FROM generate_series(1, :'n') i, groupshare.upload_notice(:'id', 'file ' || :'tag' || ' ' || i, :'size') n
SQL
    return map { [ split /\|/ ] } split /\n/, $rows;
}

1;
