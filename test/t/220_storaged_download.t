# SPDX-License-Identifier: PostgreSQL
# Downloads from the storage daemon: ranges, conditions, headers, damage.
use GroupShare::Test;
use GroupShare::Storage;
use Digest::SHA qw(sha256_hex);

my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a');
my $ann     = new_owner($cs, 'ann@example.org');
my $content = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 250_000;
my $size    = length $content;
my $file    = spit(scratch('f') . '/f', $content);
my $upload  = notice($ann, $size, name => qq{f\x{c3}\x{a9}te "1".mp4});
is_reply(put($upload, $file), 201, 'a file to read');
my $get  = designation($ann, $upload);
my $etag = '"' . sha256_hex($content) . '"';

my $reply = get($get);
is_reply($reply, 200, 'GET');
ok($reply->{body} eq $content, 'the bytes');
my %expected = (
    'content-type' => 'application/octet-stream', 'content-length' => $size, etag => $etag, 'accept-ranges' => 'bytes',
    'repr-digest' => repr_digest($content), 'x-content-type-options' => 'nosniff',
    'content-disposition' => q{attachment; filename="f_te _1_.mp4"; filename*=UTF-8''f%C3%A9te%20%221%22.mp4});
is($reply->{headers}{$_}, $expected{$_}, $_) for sort keys %expected;
my $head = http('HEAD', $get->{url}, token => $get->{ticket});
is($head->{status}, 200, 'HEAD');
is($head->{headers}{$_}, $expected{$_}, "HEAD: $_") for sort keys %expected;

my $last = $size - 1;
my @parts = (
    [ 'bytes=0-0', 0, 1 ], [ "bytes=$last-", $last, 1 ], [ 'bytes=-5', $size - 5, 5 ], [ 'bytes=1000-99999999999', 1000 ],
    [ 'bytes=262143-262144', 262_143, 2 ], [ 'bytes=-99999999', 0 ], [ 'bytes=0-', 0 ],
    [ 'bytes=5-99999999999999999999999', 5 ], [ 'BYTES=7-8', 7, 2 ]);
for my $part (@parts) {
    my ($range, $from, $length) = (@{$part}, undef);
    my $wanted = defined $length ? substr($content, $from, $length) : substr $content, $from;
    $reply = get($get, headers => [ range => $range ]);
    is_reply($reply, 206, $range);
    ok($reply->{body} eq $wanted, "$range: the bytes");
    is($reply->{headers}{'content-range'}, sprintf('bytes %d-%d/%d', $from, $from + length($wanted) - 1, $size),
        "$range: Content-Range");
}
for my $range ("bytes=$size-", 'bytes=-0', 'bytes=99999999999-') {
    $reply = get($get, headers => [ range => $range ]);
    is_problem($reply, 416, 'range_not_satisfiable', $range);
    is($reply->{headers}{'content-range'}, "bytes */$size", "$range: how long it is");
}
for my $range ('bytes=', 'bytes=5-4', 'bytes=a-b', 'lines=0-1', 'bytes=0-1,4-5', 'bytes=--1', 'bytes=1') {
    is(get($get, headers => [ range => $range ])->{status}, 200, "$range is ignored");
}
my @conditions = (
    [ 200, 'if-match' => $etag ], [ 200, 'if-match' => '*' ], [ 200, 'if-match' => qq{"x", $etag} ],
    [ 412, 'if-match' => '"x"' ], [ 412, 'if-match' => "W/$etag" ], [ 304, 'if-none-match' => $etag ],
    [ 304, 'if-none-match' => "W/$etag" ], [ 304, 'if-none-match' => '*' ], [ 200, 'if-none-match' => '"x"' ],
    [ 412, 'if-match' => '"x"', 'if-none-match' => $etag ], [ 206, range => 'bytes=0-1', 'if-range' => $etag ],
    [ 200, range => 'bytes=0-1', 'if-range' => '"x"' ], [ 200, range => 'bytes=0-1', 'if-range' => "W/$etag" ],
    [ 200, range => 'bytes=0-1', 'if-range' => 'Sun, 06 Nov 1994 08:49:37 GMT' ],
    [ 304, range => 'bytes=0-1', 'if-none-match' => $etag ],
    # Several lines of a field are one list; of those that are none, two are nothing.
    [ 200, 'if-match' => '"x"', 'if-match' => $etag ], [ 304, 'if-none-match' => '"x"', 'if-none-match' => $etag ],
    [ 200, range => 'bytes=0-1', range => 'bytes=4-5' ], [ 200, range => 'bytes=0-1', 'if-range' => $etag, 'if-range' => '"x"' ]);
for my $condition (@conditions) {
    my ($status, @headers) = @{$condition};
    $reply = get($get, headers => [@headers]);
    is($reply->{status}, $status, "@headers");
    is($reply->{headers}{etag}, $etag, "@headers: ETag") if $status == 304;
}
my $empty = notice($ann, 0);
is_reply(put($empty, spit(scratch('f') . '/f', '')), 201, 'an empty file');
my $nothing = designation($ann, $empty);
is(get($nothing)->{status}, 200, 'comes back');
is_problem(get($nothing, headers => [ range => 'bytes=0-' ]), 416, 'range_not_satisfiable', 'but has no range');

# Several at a time on one connection, then one that is broken off.
my $dir = scratch('many');
my @urls = map { ($get->{url}, '-o', "$dir/$_") } 1 .. 8;
run_ok(qw(curl -s --no-progress-meter --http2 --parallel), '--cacert', tls_dir() . '/ca.pem', '-H', "authorization: Bearer $get->{ticket}", @urls);
is(scalar(grep { slurp("$dir/$_") eq $content } 1 .. 8), 8, 'eight at a time');
my $large  = large_file(80);    # more than the client's window
my $long   = notice($ann, -s $large);
is_reply(put($long, $large), 201, 'a large file');
my $slow   = designation($ann, $long);
my $broken = http_begin('GET', $slow->{url}, token => $slow->{ticket}, curl => [ '--limit-rate', '10k' ]);
wait_for(sub { http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_transfers\S* 1$/m }, 'a slow reader');
$broken->{process}->stop('KILL');
wait_for(sub { http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_transfers\S* 0$/m }, 'its end');
pass('a reader that goes away frees its place');

# Damage is never served as good.
my $path = stored_path($device, $upload->{object});
truncate $path, $size - 1 or die $!;
is_problem(get($get), 500, 'internal', 'a file that has become shorter');
wait_for(sub { !-e $path }, 'it to be put aside');
is_problem(get($get), 404, 'not_found', 'and is not served any more');
$upload = notice($ann, $size);
is_reply(put($upload, $file), 201, 'another file');
settled($device);
$get  = designation($ann, $upload);
$path = stored_path($device, $upload->{object});
unlink $path or die $!;
is_problem(get($get), 404, 'not_found', 'a file that is gone');
is_reply(put($upload, $file), 201, 'can be stored again');
ok(get($get)->{body} eq $content, 'and read');
unlink "$path.json" or die $!;
is_problem(get($get), 404, 'not_found', 'data that nothing describes');

done_testing;
