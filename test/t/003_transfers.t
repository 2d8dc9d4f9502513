# SPDX-License-Identifier: PostgreSQL
# The byte path: what a device takes, refuses and gives out.
use GroupShare::Test;
use MIME::Base64 qw(encode_base64);

my $cs = new_control_server(name => 'cs1');
my %device = map { $_ => add_device(servers => [$cs], name => $_, location => "eu/$_") } qw(a b);
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_terminal('ann@example.org', @known);
my $bob     = new_terminal('bob@example.org', @known);
my $group   = $ann->create_group('ours', { join => { rule => 'anyone' } });
$bob->join_group($group);
$cs->sql(q{UPDATE groupshare.terminal SET location = 'eu/a'});
my $size   = 300_000;
my $file   = random_file($size);
my $sha256 = sha256_file($file);
my $digest = 'sha-256=:' . encode_base64(pack('H*', $sha256), '') . ':';
my $n      = 0;

sub notice {
    my (%o) = @_;
    my $reply = $ann->post('/v1/uploads', { name => 'f' . ++$n, size => $size, %o });
    is_reply($reply, 201, 'upload notice');
    return $reply->{json};
}

sub state_of { return $cs->sql(q{SELECT state FROM groupshare.share WHERE id = :'id'}, id => $_[0]{share}) }

sub objects {
    my ($d) = @_;
    my $out = run_ok('find', $device{$d}{root}, '-type', 'f', '-size', '+100k');
    return scalar split /\n/, $out;
}

# Longer, shorter, other bytes: nothing is stored and nothing stays.
for my $wrong ([ short => -1 ], [ long => 1 ]) {
    my ($what, $delta) = @{$wrong};
    my $upload = notice();
    my $body   = random_file($size + $delta);
    is_problem($ann->put_file($upload, $body), 400, 'size_mismatch', "a PUT that says it is too $what");
    is_problem($ann->put_file($upload, $body, curl => [ '--header', 'content-length:' ]),
        400, 'size_mismatch', "a PUT that turns out too $what");
    is(state_of($upload), 'pending', 'the share is still pending');
    is_reply($ann->put_file($upload, $file), 201, 'and can be stored');
}
my $before = objects('a');
my $upload = notice(sha256 => $sha256);
is_problem($ann->put_file($upload, random_file($size)), 422, 'digest_mismatch', 'other bytes than the notice said');
is(state_of($upload), 'pending', 'are not stored');
is(objects('a'),      $before,   'and not kept');
is_problem($ann->put_file($upload, $file, headers => [ 'repr-digest' => $digest =~ s/=:../=:AA/r ]),
    422, 'digest_mismatch', 'other bytes than the Repr-Digest');
is_reply($ann->put_file($upload, $file, headers => [ 'repr-digest' => $digest ]), 201, 'the right ones');
is_reply($ann->put_file($upload, $file), 201, 'again, identical');
is_problem($ann->put_file($upload, random_file($size)), 409, 'different', 'again, different');

# Tickets.
my $other = notice();
is_problem($ann->put_file($other, $file, token => undef), 401, 'ticket_missing', 'no ticket');
is_problem($ann->put_file($other, $file, token => "$other->{ticket}x"), 401, 'ticket_invalid', 'a forged ticket');
(my $elsewhere = $other->{url}) =~ s/\Q$device{a}{url}\E/$device{b}{url}/;
is_problem($ann->put_file({ %{$other}, url => $elsewhere }, $file), 401, 'ticket_invalid', 'on another device');
is_problem($ann->put_file({ %{$other}, url => $upload->{url} }, $file), 403, 'ticket_scope', 'for another object');
is_problem($ann->get_file($other, scratch('x') . '/x', output => undef), 403, 'ticket_scope', 'to read what it may write');
(my $query = $other->{url}) .= "?ticket=$other->{ticket}";
is_reply(http('PUT', $query, file => $file), 201, 'a ticket in the query is as good');
unlike($device{a}->log, qr/\Q$other->{ticket}\E/, 'and is not logged');
$cs->sql(q{ALTER DATABASE gs SET groupshare.ticket_lifetime = 1});
$gateway->restart;
my $short = notice();
$cs->sql(q{ALTER DATABASE gs RESET groupshare.ticket_lifetime});
$gateway->restart;
select undef, undef, undef, 7;    # its second, and the device's leeway of five
is_problem($ann->put_file($short, $file), 401, 'ticket_expired', 'an expired ticket');
my $fresh = $ann->post('/v1/uploads', { name => "f$n", size => $size })->{json};
is($fresh->{share}, $short->{share}, 'the notice again gives a fresh one');
is_reply($ann->put_file($fresh, $file), 201, 'which is good');

# An empty file.
my $empty = notice(size => 0);
is_reply($ann->put_file($empty, random_file(0)), 201, 'an empty file is a file');
my $nothing = $bob->post('/v1/downloads', { share => $empty->{share} })->{json};
my $reply   = $bob->get_file($nothing, '', output => undef);
is("$reply->{status} [$reply->{body}]", '200 []', 'and comes back');

# Reading.
my $get = $bob->post('/v1/downloads', { share => $upload->{share} })->{json};
my $out = scratch('out') . '/f';
$reply = $bob->get_file($get, $out);
is_reply($reply, 200, 'GET');
is(sha256_file($out),                  $sha256,       'the bytes');
is($reply->{headers}{'repr-digest'},   $digest,       'Repr-Digest');
is($reply->{headers}{etag},            qq{"$sha256"}, 'ETag');
is($reply->{headers}{'accept-ranges'}, 'bytes',       'Accept-Ranges');
like($reply->{headers}{'content-disposition'}, qr/attachment.*f3/, 'Content-Disposition');
my $head = http('HEAD', $get->{url}, token => $get->{ticket});
is("$head->{status} $head->{headers}{'content-length'}", "200 $size", 'HEAD');
my $content = slurp($file);
my %range   = (
    'bytes=0-0' => [ 0, 1 ], 'bytes=299999-' => [ 299_999, 1 ], 'bytes=-5' => [ 299_995, 5 ],
    'bytes=1000-9999999' => [ 1000, 299_000 ]);
for my $range (sort keys %range) {
    my ($from, $length) = @{ $range{$range} };
    $reply = http('GET', $get->{url}, token => $get->{ticket}, headers => [ range => $range ]);
    is_reply($reply, 206, $range);
    ok($reply->{body} eq substr($content, $from, $length), "$range: the bytes");
    is($reply->{headers}{'content-range'}, sprintf('bytes %d-%d/%d', $from, $from + $length - 1, $size),
        "$range: Content-Range");
}
$reply = http('GET', $get->{url}, token => $get->{ticket}, headers => [ range => "bytes=$size-" ]);
is($reply->{status}, 416, 'a range past the end');
is($reply->{headers}{'content-range'}, "bytes */$size", 'the answer says how long it is');
my @conditions = (
    [ 304, 'if-none-match' => qq{"$sha256"} ], [ 200, 'if-none-match' => '"x"' ], [ 412, 'if-match' => '"x"' ],
    [ 200, 'if-match' => qq{"$sha256"} ]);
for my $condition (@conditions) {
    my ($status, @header) = @{$condition};
    is($bob->get_file($get, '/dev/null', headers => \@header)->{status}, $status, "@header");
}
$reply = http('GET', $get->{url}, token => $get->{ticket}, headers => [ range => 'bytes=0-9', 'if-range' => '"x"' ]);
is($reply->{status}, 200, 'If-Range of another content: all of it');

# Another group's member, and the same after leaving: no new ticket.
$bob->delete("/v1/groups/$group/members/bob%40example.org");
is_problem($bob->post('/v1/downloads', { share => $upload->{share} }), 404, 'not_found', 'after leaving');

# DELETE of an unfinished upload; then of a stored one.
my $dropped = notice();
is_reply(http('DELETE', $dropped->{url}, token => $dropped->{ticket}), 204, 'DELETE of an unfinished upload');
is(http('DELETE', $fresh->{url}, token => $fresh->{ticket})->{status}, 409, 'DELETE of a stored object');
# The control server's work: bytes go after the hold.
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});
$gateway->restart;
$before = objects('a');
is_reply($ann->delete("/v1/shares/$upload->{share}"), 204, 'a share is deleted');
wait_for(sub { objects('a') == $before - 1 }, 'its bytes to go');
pass('its bytes go from the device');

done_testing;
