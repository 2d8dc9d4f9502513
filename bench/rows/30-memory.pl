# SPDX-License-Identifier: PostgreSQL
# Memory for a TLS connection that is open and silent.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Env qw(scratch);
use GroupShare::System;

my $COUNT = 500;
return {
    rows  => [ { row => 'an idle TLS connection', unit => 'KiB', goal => { nginx => '<= 1.5 (48 KiB)' } } ],
    start => sub {
        my $cs      = control_server();
        my $gateway = start_gateway(servers => [$cs]);
        my $nginx   = server_nginx(scratch('www'));
        return {
            ours  => sub { return idle_kib($gateway->{process}->pid, $gateway->url, $COUNT) },
            nginx => sub { return idle_kib($nginx->{process}->pid, $nginx->{url}, $COUNT) } };
    } };
