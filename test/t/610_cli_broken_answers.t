# SPDX-License-Identifier: PostgreSQL
# Answers whose stream breaks after their header: what they say by then counts, where it is all that is needed; a download cut short is never one.
use GroupShare::Test;
use GroupShare::Answers;
use GroupShare::Cli;
use Digest::SHA qw(sha256_hex);

plan skip_all => 'python3-h2 is not installed' if !can_answer();

my $MIB    = 1 << 20;
my $small  = random_file(1000);
my $large  = random_file(3 * $MIB);
my %notice = (on => 'POST /v1/uploads', status => 201);
my $object = '/v1/objects/o1';

sub allocation {
    my ($device) = @_;
    return '{"share":"s1","object":"o1","state":"pending","device":"' . $device . '","url":"BASE' . $object . '","ticket":"t"}';
}
sub stored {
    my ($file, $state) = @_;
    return '{"object":"o1","size":' . (-s $file) . ',"sha256":"' . sha256_file($file) . '","state":"' . $state . '"}';
}

# put of `file` while the device answers as `entries` say: the reply, or the refusal.
sub put {
    my ($file, @entries) = @_;
    my $server = answers({ %notice, body => allocation('d1') }, @entries);
    my $ann    = new_person('ann@example.org', gateway => $server, code => 'x');
    my $reply  = $ann->ask('put', $file, '--as', 'film');
    return ($reply || { said => $ann->{said} }, $server);
}

# The end of an upload: by one PUT, and by the last of several PATCHes.
for my $end (qw(reset close)) {
    for my $case ([ 201, 'stored' ], [ 202, 'receipt_pending' ]) {
        my ($status, $state) = @{$case};
        my $body = stored($small, $state);
        for my $cut (length $body, 20, 0) {
            my ($reply, $server) = put($small, { on => "PUT $object", status => $status, body => $body, cut => $cut, end => $end });
            is($reply->{state}, $state, "$status, $end after $cut bytes of its body: $state") or diag(explain($reply));
            is_deeply($server->asked_for, [ 'POST /v1/uploads', "PUT $object" ], 'asked for once');
        }
        $body = stored($large, $state);
        my ($reply, $server) = put($large,
            { on => "HEAD $object", status => 200, headers => { 'upload-offset' => 0 } },
            { on => "PATCH $object", status => $status, headers => { 'upload-offset' => 3 * $MIB }, body => $body, cut => 7, end => $end });
        is($reply->{state}, $state, "$status to a PATCH, $end") or diag(explain($reply));
        is_deeply($server->asked_for, [ 'POST /v1/uploads', "HEAD $object", "PATCH $object" ], 'asked for once');
    }
}

# A body that is whole says what it says: of other content is no success.
my ($reply, $server) = put($small, { on => "PUT $object", status => 201, body => stored($large, 'stored'), end => 'reset' });
like($reply->{said}, qr/exit 8\b/, 'an acknowledgement of other content, with all of its body');

# A part: 204 has no body, so that its header is all of it. 409 says where the device stands by its header.
my $long = random_file(20 * $MIB);
($reply, $server) = put($long,
    { on => "HEAD $object", status => 200, headers => { 'upload-offset' => 0 } },
    { on => "PATCH $object", status => 204, headers => { 'upload-offset' => 16 * $MIB }, end => 'reset' },
    { on => "PATCH $object", status => 409, headers => { 'upload-offset' => 18 * $MIB }, body => '{"code":"mismatching_upload_offset"}', cut => 5, end => 'reset' },
    { on => "PATCH $object", status => 201, body => stored($long, 'stored') });
is($reply->{state}, 'stored', 'parts whose answers break') or diag(explain($reply));
my @asked   = $server->asked;
my @patches = grep { $_->{on} eq "PATCH $object" } @asked;
is_deeply([ map { $_->{headers}{'upload-offset'} } @patches ], [ 0, 16 * $MIB, 18 * $MIB ], 'are gone on from where each says');
is($patches[2]{headers}{'content-length'}, 2 * $MIB, 'with the rest');
is(scalar(grep { $_->{on} eq 'POST /v1/uploads' } @asked), 1, 'under one notice');

# A refusal has its status, whatever is left of its body.
for my $cut (0, 9) {
    ($reply, $server) = put($small,
        { %notice, body => allocation('d2') },
        { on => "PUT $object", status => 507, body => '{"status":507,"code":"no_room"}', cut => $cut, end => 'reset' },
        { on => "PUT $object", status => 201, body => stored($small, 'stored') });
    is($reply->{state}, 'stored', "507 with $cut bytes of its body: another device") or diag(explain($reply));
    is_deeply([ map { json_decode($_->{body})->{avoid} } grep { $_->{on} eq 'POST /v1/uploads' } $server->asked ], [ undef, ['d1'] ],
        'is asked for at once');
}

# Calls of the API. What may not be repeated is not; whole answers count, and of the others is said what is known.
my $group   = '{"group":"g1","state":"new","settings":{}}';
my $created = sub {
    $server = answers({ on => 'POST /v1/groups', status => 201, body => $group, @_ });
    my $ann = new_person('ann@example.org', gateway => $server, code => 'x');
    return ($ann, $ann->ask('create', 'Ours'));
};
my ($ann, $answer) = $created->(end => 'reset');
is($answer->{group}, 'g1', 'an answer that is whole before the stream breaks') or diag($ann->{said});
is_deeply($server->asked_for, ['POST /v1/groups'], 'is an answer');
($ann, $answer) = $created->(cut => 10, end => 'reset');
is_deeply($server->asked_for, ['POST /v1/groups'], 'one that is cut short is not asked for again');
like($ann->{said}, qr/exit 7\b.*HTTP status 201.*broke off/s, 'but who asked is told that it was carried out');
unlike($ann->{said}, qr/no answer/, 'and not that there was no answer');
$server = answers({ on => 'GET /v1/shares*', status => 200, body => '{"shares":[],"next":null}', cut => 10, end => 'reset' },
    { on => 'GET /v1/shares*', status => 200, body => '{"shares":[],"next":null}' });
$ann = new_person('ann@example.org', gateway => $server, code => 'x');
ok($ann->ask('ls'), 'what does no harm is asked for again');
$server = answers((({ on => 'GET /v1/shares*', status => 200, body => '{"shares":[],"next":null}', cut => 10, end => 'reset' }) x 20));
$ann    = new_person('ann@example.org', gateway => $server, code => 'x');
ok(!$ann->ask('ls'), 'until it is given up');
like($ann->{said}, qr/exit 7\b.*HTTP status 200.*broke off/s, 'with what is known');
unlike($ann->{said}, qr/was done/, 'but what only reads has done nothing');
$server = answers({ on => 'GET /v1/shares*', status => 401, body => '{"code":"session_invalid"}', cut => 3, end => 'reset' },
    { on => 'GET /v1/shares*', status => 200, body => '{"shares":[],"next":null}' });
$ann = new_person('ann@example.org', gateway => $server, code => 'x');
ok($ann->ask('ls'), '401 without its code: with a new session');
is(scalar(grep { $_->{on} eq 'POST /v1/connect' } $server->asked), 2, 'which is made');

# A download that is cut short is gone on with, whatever its header said; one whose bytes are all here is whole.
my $text        = 'x' x 1000;
my $designation = '{"share":"s1","name":"film","owner":"o","size":1000,"sha256":"' . sha256_hex($text)
    . '","device":"d1","url":"BASE' . $object . '","ticket":"t","alternates":[]}';
for my $case ([ 400, 2 ], [ 1000, 1 ]) {
    my ($cut, $requests) = @{$case};
    $server = answers({ on => 'POST /v1/downloads', status => 200, body => $designation },
        { on => "GET $object", status => 200, body => $text, cut => $cut, end => 'reset' },
        { on => "GET $object", status => 206, headers => { 'content-range' => 'bytes 400-999/1000' }, body => 'x' x 600 });
    $ann    = new_person('ann@example.org', gateway => $server, code => 'x');
    $answer = $ann->ask('get', 'o', 'film');
    is($answer->{path}, 'film', "a download whose stream breaks after $cut of 1000 bytes") or diag($ann->{said});
    is(slurp("$ann->{cwd}/film"), $text, 'is whole in the end');
    is(scalar(grep { $_->{on} eq "GET $object" } $server->asked), $requests, "by $requests requests");
}

# A proxy on this machine that speaks HTTP/2 in clear: one request after another.
in_clear();
($reply, $server) = put($small, { on => "PUT $object", status => 201, body => stored($small, 'stored') });
is($reply->{state}, 'stored', 'in clear, on this machine') or diag(explain($reply));
is_deeply($server->asked_for, [ 'POST /v1/uploads', "PUT $object" ], 'each request is made once');

done_testing;
