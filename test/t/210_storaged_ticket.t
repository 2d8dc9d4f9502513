# SPDX-License-Identifier: PostgreSQL
# Tickets at the storage daemon: every claim changed, every wrong place; names that try to leave the root.
use GroupShare::Test;
use GroupShare::Storage;

my @cs     = map { new_control_server(name => $_) } qw(cs1 cs2);
my $device = add_device(
    servers => \@cs, name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 200 } });
my @owner  = map { new_owner($_, 'ann@example.org') } @cs;
my $file   = spit(scratch('f') . '/f', 'some bytes');
my $size   = -s $file;
my $upload = notice($owner[0], $size);
my $ticket = $upload->{ticket};
my $now    = time;
my $other  = '00000000-0000-4000-8000-000000000000';

sub put_with { my ($token, %o) = @_; return put({ %{$upload}, ticket => $token }, $file, %o) }

my $before = settled($device);
is_problem(put_with(undef), 401, 'ticket_missing', 'no ticket');
is(put_with(undef)->{headers}{'www-authenticate'}, 'Bearer', 'WWW-Authenticate says what is missing');
my @cases = (
    [ 401, 'ticket_expired', { exp => $now - 6 },   'expired beyond the leeway' ],
    [ 401, 'ticket_invalid', { iat => $now + 60 },  'issued in the future' ],
    [ 403, 'ticket_scope',   { aud => $other },     'for another device' ],
    [ 403, 'ticket_scope',   { obj => $other },     'for another object' ],
    [ 403, 'ticket_scope',   { met => ['GET'] },    'to read' ],
    [ 401, 'ticket_invalid', { met => [] },         'for nothing' ],
    [ 403, 'ticket_scope',   { met => ['MOVE'] },   'for a method that there is not' ],
    [ 401, 'ticket_invalid', { iss => $cs[1]{id} }, 'in the name of another control server' ],
    [ 401, 'ticket_invalid', { size => -1 },        'of a negative size' ],
    [ 401, 'ticket_invalid', { size => '10' },      'whose size is a string' ],
    [ 401, 'ticket_invalid', { obj => '../../x' },  'whose object is no UUID' ],
    [ 401, 'ticket_invalid', { sha256 => 'zz' },    'whose digest is none' ],
    [ 401, 'ticket_invalid', { met => 'PUT' },      'whose methods are no list' ],
    (map { [ 401, 'ticket_invalid', { $_ => undef }, "without $_" ] } qw(iss aud obj sub met size iat exp jti)));
for my $case (@cases) {
    my ($status, $code, $change, $what) = @{$case};
    is_problem(put_with(forge($cs[0], $ticket, $change)), $status, $code, "a ticket $what");
}
my $header = sub { return forge($cs[0], $ticket, {}, header => {@_}) };
is_problem(put_with($header->(alg => 'none')), 401, 'ticket_invalid', 'alg none');
is_problem(put_with($header->(alg => 'HS512')), 401, 'ticket_invalid', 'another alg');
is_problem(put_with($header->(typ => 'gs-session')), 401, 'ticket_invalid', 'a session is no ticket');
is_problem(put_with($header->(crit => ['x'])), 401, 'ticket_invalid', 'a header member that must be understood');
is_problem(put_with(forge($cs[0], $ticket, {}, key => 'k' x 32)), 401, 'ticket_invalid', 'another key');
is_problem(put_with(forge($cs[0], $ticket, {}, header => { kid => $other }, key => 'k' x 32)),
    401, 'ticket_invalid', 'an unknown kid');
is_problem(put_with(forge($cs[0], $ticket, {}, raw => '[]')), 401, 'ticket_invalid', 'claims that are no object');
is_problem(put_with($_), 401, 'ticket_invalid', 'rubbish: ' . substr $_, 0, 20)
    for 'x', '..', '.', "$ticket.x", substr($ticket, 0, -1), 'a' x 5000;
is_problem(http('PUT', "$upload->{url}?ticket=$ticket", token => $ticket, file => $file),
    400, 'invalid_parameter', 'a ticket in two places');
is_problem(http('GET', $upload->{url}, token => $ticket), 403, 'ticket_scope', 'an upload ticket does not read');
is_problem(http('GET', $upload->{url}, token => forge($cs[0], $ticket, { met => ['GET'] })),
    404, 'not_found', 'a share that is not stored');
is_deeply(files_under($device), $before, 'none of them left anything');
is_reply(put_with(forge($cs[0], $ticket, { exp => $now + 60, later => 'claim' })), 201, 'an unknown claim does not hurt');

# Another control server may neither read, nor overwrite, nor delete what is not its own.
my $theirs = notice($owner[1], $size);
my $steal  = sub { return { %{$theirs}, url => $upload->{url}, ticket => forge($cs[1], $theirs->{ticket}, { obj => $upload->{object}, @_ }) } };
is_problem(get($steal->(met => ['GET'])), 404, 'not_found', 'another control server\'s ticket for it: read');
is_problem(put($steal->(), $file), 409, 'different', 'write');
$cs[1]->sql(<<'SQL', object => $upload->{object});
INSERT INTO groupshare.device_work (device_id, kind, object) SELECT id, 'delete', :'object' FROM groupshare.device
SQL
wait_for(sub { $device->log =~ /cannot delete an object.*\Q$upload->{object}\E/ }, 'its order to delete to be refused');
is(get(designation($owner[0], $upload))->{body}, 'some bytes', 'the object is still there');

# Paths.
my @names = (
    '..', '../x', '%2e%2e%2f%2e%2e%2fetc%2fpasswd', '..%2f..%2flock', '%00', "$upload->{object}%00", "$upload->{object}.json",
    uc $upload->{object}, "$upload->{object}%2f..%2fx", './.', '%c0%ae%c0%ae', 'lock', 'x' x 300, '%ff', 'CON', '%0d%0ax:y',
    "$upload->{object}/", "/$upload->{object}", 'a%5cb', '%e2%80%ae');
my $url = $device->url . '/v1/objects';
$before = settled($device);
my $outside = run_ok('find', $device->{dir}, '-path', $device->{root}, '-prune', '-o', '-type', 'f', '-print');
for my $name (@names) {
    for my $method (qw(PUT GET DELETE)) {
        my $token = forge($cs[0], $ticket, { met => [$method] });
        my $reply = http($method, "$url/$name", token => $token, ($method eq 'PUT' ? (file => $file) : ()),
            curl => ['--path-as-is']);
        like($reply->{status}, qr/^4/, "$method of " . substr $name, 0, 40);
    }
}
is_deeply(files_under($device), $before, 'nothing changed inside the root');
is(run_ok('find', $device->{dir}, '-path', $device->{root}, '-prune', '-o', '-type', 'f', '-print'),
    $outside, 'nor outside of it');
unlike($device->log, qr/eyJ/, 'no ticket is logged');

done_testing;
