# SPDX-License-Identifier: PostgreSQL
# Session check and the information of a group of 10: many streams through the gateway, against libpq calling the same function.
# The database has core 0 for itself in both.
use strict;
use warnings;
use GroupShare::Bench;
use GroupShare::System;
use GroupShare::Terminal;

my $PEER = 'libpq pipeline, a Sync each';
return {
    rows  => [ { row => 'gateway: group info of 10, 4 x 100 streams', unit => 'requests/s', goal => { $PEER => '>= 0.75' } } ],
    start => sub {
        my $cs      = control_server();
        my $gateway = start_gateway(servers => [$cs], settings => { limits => { max_streams => 100 } });
        pin(1, $gateway->{process}->pid);
        my $ann = new_terminal('ann@example.org', gateway => $gateway, server => $cs);
        my $group = $ann->create_group('friends', { join => { rule => 'anyone' } });
        $cs->sql(q{SELECT groupshare.add_terminal('t' || i || '@x.org'), groupshare.join_group('t' || i || '@x.org', :'g') FROM generate_series(1, 9) i},
            g => $group);
        $cs->sql('VACUUM ANALYZE');
        my $sql = 'SELECT status, reply, etag FROM groupshare.api_my_groups($1, $2::inet, $3, $4::jsonb, NULL)';
        return {
            ours => sub {
                return h2load($gateway->url . '/v1/groups/mine', connections => 4, streams => 100,
                    headers => ["authorization: Bearer $ann->{session}"])->{rate};
            },
            $PEER => sub {
                return client(tool('pipeline'), GroupShare::System::conninfo($cs, 'gateway'), 64, seconds(), $sql, $ann->{session},
                    '127.0.0.1', 'bench', '{}') + 0;
            } };
    } };
