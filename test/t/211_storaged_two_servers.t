# SPDX-License-Identifier: PostgreSQL
# One device, two control servers: the tickets and orders of one do nothing to the objects of the other.
use GroupShare::Test;
use GroupShare::Storage;

my @cs     = map { new_control_server(name => $_) } 'cs1', 'cs2';
my $device = add_device(
    servers => \@cs, name => 'd1', location => 'eu/a',
    settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 1 << 40, scrub_interval_ms => 0 } });
my ($ann, $eve) = (new_owner($cs[0], 'ann@example.org'), new_owner($cs[1], 'eve@example.org'));
my $content = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 100_000;
my $own     = notice($eve, length $content);

# What the other server can sign for an object that is not its own.
sub foreign {
    my ($upload) = @_;
    return { %{$upload}, ticket => forge($cs[1], $own->{ticket}, { obj => $upload->{object} }) };
}
sub ask { my ($upload) = @_; return http('HEAD', $upload->{url}, token => $upload->{ticket}) }
sub drop { my ($upload) = @_; return http('DELETE', $upload->{url}, token => $upload->{ticket}) }

# While it is uploaded, in either way.
for my $method ('PATCH', 'PUT') {
    my $upload = notice($ann, length $content);
    my $slow   = http_begin($method, $upload->{url}, token => $upload->{ticket}, body => $content, curl => [ '--limit-rate', '200k' ],
        $method eq 'PATCH' ? (headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ]) : ());
    wait_for(sub { @{ files_under($device, 'staging') } }, 'the upload to begin');
    is(ask(foreign($upload))->{status}, 409, "HEAD does not cut a $method");
    is_problem(drop(foreign($upload)), 409, 'busy', "DELETE does not end a $method");
    is_reply(http_finish($slow), 201, "the $method goes on to its end");
}

# When it has come half way.
my $upload = notice($ann, length $content);
is_reply(http('PATCH', $upload->{url}, token => $upload->{ticket}, body => 'x' x 100,
    headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ]), 204, 'half an upload');
drop(foreign($upload));
is(ask($upload)->{headers}{'upload-offset'}, 100, 'is still there after a DELETE');

# In quarantine.
my $damaged = notice($ann, length $content);
is_reply(put($damaged, spit(scratch('f') . '/f', $content)), 201, 'an object');
settled($device);
truncate stored_path($device, $damaged->{object}), 5;
my $aside = "$device->{root}/quarantine/$damaged->{object}";
wait_for(sub { -e $aside }, 'it to be found damaged');
$cs[1]->sql(q{INSERT INTO groupshare.device_work (device_id, kind, object) SELECT id, 'delete', :'object' FROM groupshare.device},
    object => $damaged->{object});
wait_for(sub { $device->log =~ /cannot delete an object.*$damaged->{object}/ }, 'the order of the other server to be refused');
ok(-e $aside, 'it stays');

# A start while one of them is away: of its tickets nothing can be said yet, of the other's everything.
my $mine = notice($ann, length $content);
my @unknown = (header => { kid => 'nobody' }, key => 'k' x 32);
is_problem(http('PUT', $mine->{url}, token => forge($cs[0], $mine->{ticket}, {}, @unknown), body => $content), 401, 'ticket_invalid', 'an unknown key');
$cs[1]->stop('immediate');
$device->{started_unready} = 1;
$device->kill9;
$device->start;
wait_for(sub { $device->log =~ /msg=announced server=cs1.*msg=announced server=cs1/s }, "the one that is there to be heard");
is_problem(http('PUT', $own->{url}, token => $own->{ticket}, body => $content), 503, 'unavailable', 'a ticket of the server that is away');
is_problem(http('PUT', $mine->{url}, token => forge($cs[0], $mine->{ticket}, {}, @unknown), body => $content), 401, 'ticket_invalid',
    'an unknown key of the other one is wrong all the same');
is_reply(put($mine, spit(scratch('f') . '/f', $content)), 201, 'whose tickets are good');
$cs[1]->start;
wait_for(sub { put($own, spit(scratch('f') . '/f', $content))->{status} == 201 }, 'the other server to be heard');
is_problem(http('PUT', $own->{url}, token => forge($cs[1], $own->{ticket}, {}, @unknown), body => $content), 401, 'ticket_invalid', 'from then on it is wrong');

done_testing;
