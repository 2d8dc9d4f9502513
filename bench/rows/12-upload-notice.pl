# SPDX-License-Identifier: PostgreSQL
# Upload notices: place, reserve, commit durably. 16 clients through the gateway against 16 of pgbench on the same function, whose first
# seconds do not count: the gateway's connections are open and have planned their statements, pgbench's are new in each run.
use strict;
use warnings;
use List::Util qw(sum);
use GroupShare::Bench;
use GroupShare::Env qw(pg_program scratch);
use GroupShare::Process qw(run spit);
use GroupShare::System;
use GroupShare::Terminal;

my $CLIENTS = 16;
my $WARM    = 4; # seconds
return {
    rows  => [ { row => 'gateway: upload notice, 16 clients', unit => 'requests/s', goal => { pgbench => '>= 0.8' } } ],
    start => sub {
        my $cs      = control_server();
        my @devices = map { device($cs, "d$_") } 1 .. 3;
        my $gateway = start_gateway(servers => [$cs], settings => { gateway => { pool_size => 16 } });
        pin(1, $gateway->{process}->pid);
        my @who = map { new_terminal("t$_\@example.org", gateway => $gateway, server => $cs) } 1 .. $CLIENTS;
        $_->create_group('g' . $_->{identifier}, { join => { rule => 'anyone' } }) for @who;
        my $sessions = join ', ', map {"'$_->{session}'"} @who;
        my $script   = spit(scratch('pgbench') . '/sql', <<"SQL", 0644);
SELECT status FROM groupshare.api_upload((ARRAY[$sessions])[:client_id + 1], '127.0.0.1', 'bench', '{}',
    json_build_object('name', 'p' || nextval('bench_name'), 'size', 4096)::jsonb);
SQL
        $cs->sql('CREATE SEQUENCE bench_name CACHE 100; GRANT USAGE ON SEQUENCE bench_name TO PUBLIC');
        my ($serial, $rate) = (0, 2000);
        return {
            keep => \@devices,
            ours => sub {
                my @list = map {
                    [ 'POST', $gateway->url . '/v1/uploads', $who[ $_ % @who ]{session}, '{"name":"u' . ++$serial . '","size":4096}' ]
                } 1 .. $rate * seconds();
                return $rate = requests($CLIENTS, 201, \@list);
            },
            pgbench => sub {
                my ($status, undef, $progress) = run({
                    command => [
                        'taskset', '-c', GroupShare::Bench::core(1), pg_program('pgbench'), '-n', '-M', 'prepared', '-c', $CLIENTS,
                        '-P', 1, '-T', $WARM + seconds(), '-f', $script ],
                    env => $cs->env(user => 'gateway', database => 'gs') });
                die $progress if $status;
                my @rates = map { /^progress: ([\d.]+) s, ([\d.]+) tps/ && $1 > $WARM + 0.5 ? $2 : () } split /\n/, $progress;
                return @rates ? sum(@rates) / @rates : die $progress;
            }, };
    } };
