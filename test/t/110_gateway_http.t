# SPDX-License-Identifier: PostgreSQL
# The gateway as an HTTP server: what it refuses by itself, what it passes on, and what it makes of rows and errors.
use GroupShare::Test;
use GroupShare::StubControl;

my $cs      = new_stub_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs], settings => { gateway => { max_body_bytes => 4096 }, log => { level => 'debug' } });
my $session = session_of('cs1', '0b1c2d3e-4f50-4172-8a3b-4c5d6e7f8091');
my @json    = (headers => [ 'content-type' => 'application/json' ]);

sub call { my ($method, $path, %o) = @_; return http($method, $gateway->url . $path, token => $session, %o) }

# Bodies.
for my $case (
    [ 'invalid JSON',        '{"name":' ],
    [ 'something behind it', '{"name":"a"} x' ],
    [ 'duplicate members',   '{"name":"a","name":"b"}' ],
    [ 'duplicates by escape', '{"name":"a","\u006eame":"b"}' ],
    [ 'an array',            '["name"]' ],
    [ 'a string',            '"name"' ],
    [ 'a NUL',               '{"name":"a\u0000b"}' ],
    [ 'half a surrogate',    '{"name":"\ud800"}' ],
    [ 'bad UTF-8',           qq({"name":"\xff"}) ],
    [ 'overlong UTF-8',      qq({"name":"\xc0\xaf"}) ],
    [ 'a number too big',    '{"name":1e999}' ],
    [ 'a byte order mark',   qq(\xef\xbb\xbf{"name":"a"}) ],
    [ 'deep nesting',        '{"name":' . '[' x 17 . ']' x 17 . '}' ],
    [ 'bottomless nesting',  '{"name":' . '[' x 3000 ],
    [ 'nothing',             '' ])
{
    is_problem(call('POST', '/v1/groups', body => $case->[1], @json), 400, 'invalid_json', "body: $case->[0]");
}
my $deep = '{"name":' . '[' x 15 . ']' x 15 . '}';
is_reply(call('POST', '/v1/groups', body => $deep, @json), 200, 'nesting that is still allowed');
for my $type ('text/plain', 'application/jsonp', 'application/x-www-form-urlencoded', 'application/json2; a=b') {
    is_problem(call('POST', '/v1/groups', body => '{}', headers => [ 'content-type' => $type ]),
        415, 'unsupported_media_type', "content-type $type");
}
for my $type ('application/json', 'Application/JSON; charset=utf-8', 'application/json ;x=y') {
    is_reply(call('POST', '/v1/groups', body => '{}', headers => [ 'content-type' => $type ]), 200, "content-type $type");
}
is(call('POST', '/v1/groups', body => '{"name":"' . 'x' x 5000 . '"}', @json)->{status}, 413, 'a body over max_body_bytes');
is_reply(call('POST', '/v1/groups', body => '{"name":"' . 'x' x 4000 . '"}', @json), 200, 'a body under it');
is_problem(call('DELETE', '/v1/shares/x', body => '{}', @json), 400, 'invalid_parameter', 'a body where none belongs');
my $reply = call('POST', '/v1/groups/g/join');
ok(exists $reply->{json}{body} && !defined $reply->{json}{body}, 'an optional body that is absent is NULL');
my $verbatim = { name => "a\"\\\x{e9}\x{1f600}\t'\$1;--", n => 9007199254740991 };
is_deeply(call('POST', '/v1/groups', json => $verbatim)->{json}{body}, $verbatim, 'a body arrives as it was sent');

# Paths, queries, methods.
is_deeply(
    call('PUT', '/v1/groups/a%2Fb%20%C3%A9/members/+8613800000000', json => {})->{json}{params},
    { group => "a/b \x{e9}", terminal => '+8613800000000' }, 'path parameters are decoded once');
is_deeply(call('GET', '/v1/groups?name=a%26b%3D+%25&limit=5')->{json}{params},
    { name => 'a&b=+%', limit => '5' }, 'query parameters too, and are strings');
is_problem(call('GET', '/v1/groups?foo=1'), 400, 'unknown_member', 'a query parameter that is not known');
is_problem(call('POST', '/v1/groups/g/join?group=h'), 400, 'unknown_member', 'a path parameter given by the query');
is_problem(call('GET', '/v1/groups/mine?if_none_match=x'), 400, 'unknown_member', 'a header given by the query');
is(call('GET', "/v1/groups?$_")->{status}, 400, "query $_") for 'name=a&name=b', 'name=%FF', 'name=%00', 'name=%4', 'name=%zz';
is_problem(call('GET',  '/v1/nothing'), 404, 'not_found',          'no such path');
is_problem(call('GET',  '/v1/groups/'), 404, 'not_found',          'a slash too many');
my $wrong = call('PATCH', '/v1/groups', json => {});
is($wrong->{status}, 405, 'a method that the path does not have');
is(join(',', sort split /, */, $wrong->{headers}{allow}), 'GET,HEAD,OPTIONS,POST', 'says which it has');
my $options = call('OPTIONS', '/v1/groups');
is($options->{status}, 204, 'OPTIONS');
is(join(',', sort split /, */, $options->{headers}{allow}), 'GET,HEAD,OPTIONS,POST', 'says the same');
my ($get, $head) = map { call($_, '/v1/groups/mine') } qw(GET HEAD);
is($head->{status}, 200, 'HEAD of a GET');
is($head->{headers}{'content-length'}, length $get->{body}, 'has the length of the body');
is($head->{headers}{etag}, '"tag"', 'and its ETag');
is(call('DELETE', '/v1/shares/x')->{status}, 204, 'an answer without a body');

# ETag.
for my $condition ('"tag"', 'W/"tag"', '"other", "tag"', '"a,b" , W/"tag"', '*') {
    my $r = call('GET', '/v1/groups/mine', headers => [ 'if-none-match' => $condition ]);
    is("$r->{status} $r->{headers}{etag} " . length $r->{body}, '304 "tag" 0', "If-None-Match: $condition");
}
is(call('GET', '/v1/groups/mine', headers => [ 'if-none-match' => '"other"', 'if-none-match' => '"tag"' ])->{status}, 304, 'If-None-Match in two lines');
for my $condition ('"other"', 'tag', '"tag', '"ta", "g"', "\xff") {
    is(call('GET', '/v1/groups/mine', headers => [ 'if-none-match' => $condition ])->{status},
        200, "If-None-Match that does not: $condition");
}
is_deeply(call('GET', '/v1/groups/mine', headers => [ 'if-none-match' => 'W/"x"' ])->{json}{params},
    { if_none_match => '"x"' }, 'the function gets the tag');

# Pages.
is(call('GET', '/v1/groups?name=next&limit=2&after=x')->{headers}{link},
    '</v1/groups?name=next&limit=2&after=a%20b%2F%C3%BC>; rel="next"', 'Link to the next page');
is(call('GET', '/v1/groups?name=last')->{headers}{link}, undef, 'none on the last');

# Who asks.
is_problem(call('GET', '/v1/shares', token => undef), 401, 'session_invalid', 'no session');
for my $token ('x', 'a.b.c', session_of('cs9'), session_of(''), session_of('cs1') . 'x' x 4096) {
    is_problem(call('GET', '/v1/shares', token => $token), 401, 'session_invalid', 'session ' . substr $token, 0, 20);
}
$reply = call('GET', '/v1/shares',
    headers => [ map { ($_ => '203.0.113.7') } qw(x-forwarded-for forwarded x-real-ip x-peer x-user x-terminal x-session) ]);
is($reply->{json}{peer}, '127.0.0.1', 'the address is the connection\'s, whatever headers say');
is($reply->{json}{session}, $session, 'the session is the bearer\'s');
is(call('POST', '/v1/challenge', json => { terminal => 'a@b.c' })->{json}{session},
    undef, 'a request that needs no session does not pass one on');

# Request ids.
is($reply->{json}{request_id}, $reply->{headers}{'x-request-id'}, 'a request id is made, passed on and returned');
$reply = call('GET', '/v1/shares', headers => [ 'x-request-id' => 'my-id-1' ]);
is("$reply->{json}{request_id} $reply->{headers}{'x-request-id'}", 'my-id-1 my-id-1', 'one that is given is kept');
$reply = call('GET', '/v1/shares', headers => [ 'x-request-id' => 'a b"; drop' ]);
isnt($reply->{json}{request_id}, 'a b"; drop', 'unless it is malformed');

# Secrets are not kept by caches.
is(call('POST', '/v1/challenge', json => {})->{headers}{'cache-control'}, 'no-store', 'challenge');
is(call('POST', "/v1/$_", json => {})->{headers}{'cache-control'}, 'no-store', $_) for qw(connect uploads downloads);

# Errors.
for my $case ([ 'GS012', 404, 'not_found' ], [ 'GS014', 403, 'join_refused' ], [ 'GS023', 503, 'devices_busy' ],
    [ 'GS026', 429, 'too_many_requests' ], [ 'GS022', 507, 'no_room' ])
{
    my ($sqlstate, $status, $code) = @{$case};
    my $r = call('GET', "/v1/groups?name=raise&match=$sqlstate");
    is_problem($r, $status, $code, "SQLSTATE $sqlstate");
    is($r->{json}{detail}, 'the message: its detail', "$sqlstate: message and detail");
    is($r->{json}{hint},   'its hint',                "$sqlstate: hint");
    is($r->{json}{type},   "urn:groupshare:problem:$code", "$sqlstate: type");
    is(defined $r->{headers}{'retry-after'}, $status == 429 || $status > 500, "$sqlstate: Retry-After");
}
for my $case ([ '22P02', 400, 'invalid_parameter' ], [ '40001', 503, 'try_again' ], [ '57014', 503, 'try_again' ],
    [ '53300', 503, 'unavailable' ], [ '42501', 500, 'internal' ], [ 'XX000', 500, 'internal' ])
{
    my ($sqlstate, $status, $code) = @{$case};
    my $r = call('GET', "/v1/groups?name=raise&match=$sqlstate");
    is_problem($r, $status, $code, "SQLSTATE $sqlstate");
    unlike($r->{body}, qr/the message|its detail|its hint/, "$sqlstate: its texts are not for terminals");
    is(defined $r->{headers}{'retry-after'}, $status == 503, "$sqlstate: Retry-After");
}
my $kept = call('GET', '/v1/groups?name=keep&match=GS003');
is_problem($kept, 403, 'enrolment_failed', 'an error in a row');
is("$kept->{json}{detail}|$kept->{json}{hint}", 'the message|its hint', 'has its texts');
is_problem(call('GET', '/v1/groups?name=keep&match=XX000'), 500, 'internal', 'one that is not ours');
like($gateway->log, qr/sqlstate=XX000 error="the message"/, 'they are in the log');
unlike($gateway->log, qr/sqlstate=22P02 error="the message/, 'but not those that quote values');

# The document and the live routes.
my $document = call('GET', '/openapi.json', token => undef)->{json};
like($document->{openapi}, qr/^3\.1\./, 'OpenAPI 3.1');
for my $path (sort keys %{ $document->{paths} }) {
    (my $live = $path) =~ s/\{\w+\}/x/g;
    my %allowed = map { lc $_ => 1 } split /, */, call('OPTIONS', $live)->{headers}{allow} || '';
    delete @allowed{qw(options head)};
    is(join(' ', sort keys %allowed), join(' ', sort keys %{ $document->{paths}{$path} }), "methods of $path");
}

# Nothing of all this made it log a secret.
my $canary = 'c4n4ry';
call('POST', '/v1/connect', json => { terminal => 'a@b.c', challenge => $canary, signature => $canary });
call('POST', '/v1/enroll', json => { terminal => 'a@b.c', code => $canary });
call('GET', '/v1/shares', token => "a.$canary.b");
call('GET', "/v1/shares?ticket=$canary");
call('GET', '/v1/groups?name=raise&match=22P02', token => session_of('cs1', $canary));
ok(wait_for(sub { $gateway->log =~ m{/v1/connect} }, 'the log'), 'requests are logged');
unlike($gateway->log, qr/$canary|\Q$session\E/, 'but no session, signature, code or ticket');

done_testing;
