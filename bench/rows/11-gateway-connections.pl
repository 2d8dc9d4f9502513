# SPDX-License-Identifier: PostgreSQL
# 64 connections of one stream each: a session check and one row (the group info has not changed: 304), against a bare
# server of a two-byte file. Gateway and database share core 0.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::Env qw(scratch);
use GroupShare::Process qw(spit);
use GroupShare::System;
use GroupShare::Terminal;

return {
    rows  => [ { row => 'gateway: unchanged group info, 64 connections', unit => 'requests/s', goal => { 'h2o, 2-byte file' => '>= 0.5' } } ],
    start => sub {
        my $cs      = control_server();
        my $gateway = start_gateway(servers => [$cs]);
        pin(0, $gateway->{process}->pid);
        my $ann = new_terminal('ann@example.org', gateway => $gateway, server => $cs);
        $ann->create_group('friends', { join => { rule => 'anyone' } });
        my $etag = $ann->get('/v1/groups/mine')->{headers}{etag};
        my $root = scratch('www');
        spit("$root/two", 'ok', 0644);
        my $h2o = server_h2o($root);
        return {
            ours => sub {
                return h2load($gateway->url . '/v1/groups/mine', connections => 64, streams => 1, status_3xx => 1,
                    headers => [ "authorization: Bearer $ann->{session}", "if-none-match: $etag" ])->{rate};
            },
            'h2o, 2-byte file' => sub { return h2load("$h2o->{url}/two", connections => 64, streams => 1)->{rate} } };
    } };
