# SPDX-License-Identifier: PostgreSQL
# Who loses a right loses the transfers under it within seconds, at the device too.
use GroupShare::Test;
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 60_000 } });
my $ann = new_owner($cs, 'ann@example.org');
my ($bob, $eve) = map { add_terminal($cs, $_); { cs => $cs, identifier => $_ } } 'bob@example.org', 'eve@example.org';
my $group = $cs->sql('SELECT id FROM groupshare.sharing_group');
$cs->sql(q{SELECT groupshare.join_group(:'id', :'group')}, id => $_->{identifier}, group => $group) for $bob, $eve;

my $large  = large_file(80);
my $upload = notice($ann, -s $large);
is_reply(put($upload, $large), 201, 'a file to be read slowly');
my %seen = map { $_->{identifier} => designation($_, $upload) } $bob, $eve;
my $slow = http_begin('GET', $seen{'bob@example.org'}{url}, token => $seen{'bob@example.org'}{ticket},
    curl => [ '--limit-rate', '3M' ]);
my $other = http_begin('GET', $seen{'eve@example.org'}{url}, token => $seen{'eve@example.org'}{ticket},
    curl => [ '--limit-rate', '3M' ]);
sub transfers { return http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_transfers\S* (\d+)$/m ? $1 : die }
wait_for(sub { transfers() == 2 }, 'two downloads to run');

# A member is put out. Its device hears at once, long before its next report.
my $start = time;
$cs->sql(q{SELECT groupshare.remove_member('ann@example.org', :'group', 'bob@example.org')}, group => $group);
my $reply = http_finish($slow);
my $took  = time - $start;
isnt($reply->{curl}, 0, 'the running download is cut');
cmp_ok($took, '<', 30, "without waiting for a report ($took s)");
is_problem(get($seen{'bob@example.org'}), 401, 'ticket_revoked', 'the ticket is refused');
ok($other->{process}->alive, "another member's download goes on");
my $again = eval { designation($bob, $upload) };
ok(!$again, 'and there is no other ticket');
is(get($seen{'eve@example.org'}, headers => [ range => 'bytes=0-0' ])->{status}, 206, "another member's ticket is good");
is(wait_for(sub { $cs->sql(q{SELECT count(*) = 0 FROM groupshare.device_work WHERE kind = 'revoke' AND done_at IS NULL}) eq 't' },
    'the work to be done'), 1, 'the device has said so');

# After a start the device knows what is in force before it takes a ticket.
$device->kill9;
$device->start;
is_problem(get($seen{'bob@example.org'}), 401, 'ticket_revoked', 'after a start, too');

# A deleted share; an upload whose owner is revoked.
$other->{process}->stop('KILL');
$other = http_begin('GET', $seen{'eve@example.org'}{url}, token => $seen{'eve@example.org'}{ticket},
    curl => [ '--limit-rate', '3M' ]);
wait_for(sub { transfers() == 1 }, 'a download to run');
$cs->sql(q{SELECT groupshare.delete_share('ann@example.org', :'share')}, share => $upload->{share});
isnt(http_finish($other)->{curl}, 0, 'the download of a deleted share is cut');
my $new     = notice($ann, -s $large);
my $sending = http_begin('PUT', $new->{url}, token => $new->{ticket}, file => $large, curl => [ '--limit-rate', '200k' ]);
wait_for(sub { transfers() == 1 }, 'an upload to run');
$cs->sql(q{SELECT groupshare.revoke_terminal('ann@example.org')});
isnt(http_finish($sending)->{curl}, 0, 'the upload of a revoked terminal is cut');
wait_for(sub { !@{ files_under($device, 'staging') } }, 'its bytes to go');
pass('nothing of it is left');

done_testing;
