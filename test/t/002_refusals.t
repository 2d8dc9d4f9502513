# SPDX-License-Identifier: PostgreSQL
# Every API call with input that it must refuse: a whole problem+json with the right status and code, and nothing done.
use utf8;
use GroupShare::Test;

my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu', capacity => 1 << 30);
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_terminal('ann@example.org', @known);
my $bob     = new_terminal('bob@example.org', @known);
my $nobody  = '00000000-0000-4000-8000-000000000000';
my $group   = $ann->create_group('ours', { join => { rule => 'confirm' } });
my $row     = sub { $cs->sql("SELECT count(*) FROM groupshare.$_[0]") };

# Enrolment and connection.
my $new = new_terminal('new@example.org', @known, enroll => 0);
is_problem($new->enroll(code => 'AAAA-BBBB'), 403, 'enrolment_failed', 'enroll: a wrong code');
is_problem($new->enroll(terminal => 'nobody@example.org'), 403, 'enrolment_failed', 'enroll: an unknown terminal');
is_problem($new->enroll(more => 1), 400, 'unknown_member', 'enroll: an unknown member');
is_problem($new->enroll(public_key => 'AAAA'), 400, 'invalid_parameter', 'enroll: a key of three bytes');
is_reply($new->enroll, 201, 'enroll: the right code');
my $thief = new_terminal('thief@example.org', @known, enroll => 0);
is_problem($thief->enroll(terminal => 'new@example.org', code => $new->{code}),
    403, 'enrolment_failed', 'enroll: a code is good once');

my $known   = $new->post('/v1/challenge', { terminal => 'new@example.org' },    token => undef);
my $unknown = $new->post('/v1/challenge', { terminal => 'nobody@example.org' }, token => undef);
is_reply($unknown, 200, 'challenge: also for an unknown terminal');
is(join(' ', sort keys %{ $unknown->{json} }), join(' ', sort keys %{ $known->{json} }), 'challenge: of the same form');
is_problem($new->connect(terminal => 'nobody@example.org'), 401, 'connection_failed', 'connect: as an unknown terminal');
is_problem($new->connect(terminal => 'ann@example.org'), 401, 'connection_failed', 'connect: as another terminal');
is_problem($new->connect(signature => $new->sign('something else')), 401, 'connection_failed', 'connect: a wrong signature');
my $challenge = $new->challenge;
is_reply($new->connect(challenge => $challenge), 200, 'connect');
is_problem($new->connect(challenge => $challenge), 401, 'connection_failed', 'connect: a challenge is good once');
is_problem($new->connect(challenge => "x$challenge"), 401, 'connection_failed', 'connect: a forged challenge');
$cs->sql(q{ALTER DATABASE gs SET groupshare.challenge_lifetime = 1});
$gateway->restart;
$challenge = $new->challenge;
select undef, undef, undef, 2.1;
is_problem($new->connect(challenge => $challenge), 401, 'connection_failed', 'connect: an expired challenge');
$cs->sql(q{ALTER DATABASE gs RESET groupshare.challenge_lifetime});

# Sessions: every call that needs one, without one.
my @needs = (
    [ GET    => '/v1/groups/mine' ], [ GET => '/v1/groups?name=a&match=part' ], [ POST => '/v1/groups', { name => 'x' } ],
    [ PUT    => "/v1/groups/$group/settings", {} ], [ POST => "/v1/groups/$group/join", {} ],
    [ DELETE => "/v1/groups/$group/members/ann%40example.org" ],
    [ PUT    => "/v1/groups/$group/members/ann%40example.org", { role => 'member' } ], [ GET => '/v1/inquiries' ],
    [ POST   => "/v1/inquiries/$nobody", { decision => 'allow' } ], [ POST => '/v1/uploads', { name => 'x', size => 1 } ],
    [ GET    => '/v1/shares' ], [ DELETE => "/v1/shares/$nobody" ], [ POST => '/v1/downloads', { share => $nobody } ],
    [ GET    => '/v1/events' ]);
for my $need (@needs) {
    my ($method, $path, $json) = @{$need};
    my @body = defined $json ? (json => $json) : ();
    is_problem($ann->request($method, $path, @body, token => undef), 401, 'session_invalid', "$method $path: no session");
    is_problem($ann->request($method, $path, @body, token => "$ann->{session}x"),
        401, 'session_invalid', "$method $path: a forged session");
}
$cs->sql(q{SELECT groupshare.revoke_terminal('new@example.org')});
is_problem($new->get('/v1/groups/mine'), 401, 'session_invalid', "a revoked terminal's very next request fails");
is_problem($new->connect, 401, 'connection_failed', 'and it does not connect again');

# What no route takes.
is_problem($ann->get('/v1/nothing'), 404, 'not_found', 'an unknown path');
my $method = $ann->delete('/v1/groups/mine');
is_problem($method, 405, 'method_not_allowed', 'an unknown method');
like($method->{headers}{allow} || '', qr/GET/, 'the allowed ones are named');
is_problem($ann->request('POST', '/v1/groups', body => '{"name":', headers => [ 'content-type' => 'application/json' ]),
    400, 'invalid_json', 'JSON that ends too early');
is_problem($ann->request('POST', '/v1/groups', body => '["name"]', headers => [ 'content-type' => 'application/json' ]),
    400, 'invalid_json', 'JSON that is no object');
is_problem($ann->post('/v1/groups', { name => 'x' x 2_000_000 }), 413, 'too_large', 'a body of two megabytes');

# Names.
my %bad = (
    'of 256 bytes' => 'n' x 256, 'empty' => '', 'with a line break' => "a\nb",
    'not normalized' => "e\x{301}");
for my $what (sort keys %bad) {
    is_problem($ann->post('/v1/groups', { name => $bad{$what} }), 400, 'invalid_parameter', "create: a name $what");
    is_problem($ann->post('/v1/uploads', { name => $bad{$what}, size => 1 }),
        400, 'invalid_parameter', "upload: a name $what");
}
is_problem($ann->post('/v1/groups', { name => "a\0b" }), 400, 'invalid_json', 'create: a name with NUL');
is_problem($ann->post('/v1/uploads', { name => "a\0b", size => 1 }), 400, 'invalid_json', 'upload: a name with NUL');
is_problem($ann->post('/v1/uploads', { name => $_, size => 1 }), 400, 'invalid_parameter', "upload: the name $_")
    for '..', '.', 'a/b', '../etc/passwd';
is_reply($ann->post('/v1/uploads', { name => "weird '; DROP TABLE x; -- \"\$1 \x{1F600}", size => 1 }),
    201, 'upload: a name is only a name');

# Groups.
is_problem($ann->post('/v1/groups', { name => 'x', colour => 'red' }), 400, 'unknown_member', 'create: an unknown member');
is_problem($ann->post('/v1/groups', { name => 'x', ('a' x $_) . "\x{20ac}" x 5000 => 1 }),
    400, 'unknown_member', 'create: a member with a name of 15 kB') for 0 .. 2;
is_problem($ann->post('/v1/groups', { name => 7 }), 400, 'invalid_parameter', 'create: a name that is a number');
is_problem($ann->post('/v1/groups', { name => 'x', settings => { join => { rule => 'whoever' } } }),
    400, 'invalid_parameter', 'create: an unknown rule');
is_problem($bob->put("/v1/groups/$group/settings", { join => { rule => 'anyone' } }),
    404, 'not_found', 'settings: not in the group, which looks like no group');
is_problem($ann->put("/v1/groups/$nobody/settings", { join => { rule => 'anyone' } }), 404, 'not_found', 'settings: no group');
is_problem($ann->put('/v1/groups/7/settings', {}), 400, 'invalid_parameter', 'settings: no id');
is_problem($ann->get('/v1/groups?name=a&match=like'), 400, 'invalid_parameter', 'search: an unknown match');
is_problem($ann->get('/v1/groups?name=a&match=part&limit=0'), 400, 'invalid_parameter', 'search: no rows wanted');
is_problem($ann->get('/v1/groups?name=a&match=part&sort=up'), 400, 'unknown_member', 'search: an unknown parameter');
is_problem($bob->join_group($nobody), 404, 'not_found', 'join: no group');
is_problem($bob->post("/v1/groups/$group/join", { please => 1 }), 400, 'unknown_member', 'join: an unknown member');
is_problem($ann->post("/v1/inquiries/$nobody", { decision => 'allow' }), 404, 'not_found', 'decide: no inquiry');
my $inquiry = $bob->join_group($group)->{json}{inquiry};
is_problem($ann->post("/v1/inquiries/$inquiry", { decision => 'perhaps' }), 400, 'invalid_parameter', 'decide: neither');
is_reply($ann->post("/v1/inquiries/$inquiry", { decision => 'allow' }), 200, 'decide: bob is a member');
is_problem($bob->put("/v1/groups/$group/settings", { join => { rule => 'anyone' } }),
    403, 'forbidden', 'settings: not an administrator');
is_problem($bob->delete("/v1/groups/$group/members/ann%40example.org"), 403, 'forbidden', 'remove: not an administrator');
is_problem($ann->delete("/v1/groups/$group/members/nobody%40example.org"), 404, 'not_found', 'remove: no member');
is_problem($ann->post("/v1/groups/$nobody/join", {}), 404, 'not_found', 'join: a hidden or absent group');

# Uploads and downloads.
is_problem($ann->post('/v1/uploads', { name => 'x', size => -1 }), 400, 'invalid_parameter', 'upload: a negative size');
is_problem($ann->post('/v1/uploads', { name => 'x', size => 1.5 }), 400, 'invalid_parameter', 'upload: half a byte');
is_problem($ann->post('/v1/uploads', { name => 'x', size => '1' }), 400, 'invalid_parameter', 'upload: a size in quotes');
is_problem($ann->post('/v1/uploads', { name => 'x', size => 1, sha256 => 'abc' }),
    400, 'invalid_parameter', 'upload: half a digest');
is_problem($ann->post('/v1/uploads', { name => 'x', size => 1, groups => [$nobody] }),
    404, 'not_found', 'upload: for a group that is not there');
my $carl = new_terminal('carl@example.org', @known);
is_problem($carl->post('/v1/uploads', { name => 'x', size => 1, groups => [$group] }),
    403, 'not_a_member', 'upload: in no group at all');
$carl->create_group('his', { join => { rule => 'anyone' } });
is_problem($carl->post('/v1/uploads', { name => 'x', size => 1, groups => [$group] }),
    404, 'not_found', 'upload: for a group that he is not in, which looks like no group');
is_problem($ann->post('/v1/uploads', { name => 'huge', size => 1 << 40 }), 507, 'no_room', 'upload: bigger than any device');
$cs->sql(q{UPDATE groupshare.plan SET quota_bytes = 1000, max_object_bytes = 900 WHERE name = 'standard'});
is_problem($ann->post('/v1/uploads', { name => 'big', size => 901 }), 413, 'too_large', 'upload: more than the plan allows');
is_reply($ann->post('/v1/uploads', { name => 'fits', size => 900 }), 201, 'upload: as much as the plan allows');
is_problem($bob->post('/v1/downloads', { owner => 'ann@example.org', name => 'fits' }),
    404, 'not_found', 'download: a pending share looks like none to others');
is_problem($ann->post('/v1/downloads', { owner => 'ann@example.org', name => 'fits' }),
    409, 'share_pending', 'download: its owner is told that it is pending');
is_problem($ann->post('/v1/uploads', { name => 'over', size => 101 }), 413, 'quota_exceeded', 'upload: over quota');
is_problem($bob->post('/v1/downloads', { owner => 'ann@example.org' }), 400, 'invalid_parameter', 'download: no name');
is_problem($bob->post('/v1/downloads', { share => $nobody }), 404, 'not_found', 'download: nothing');
is_problem($bob->delete("/v1/shares/$nobody"), 404, 'not_found', 'delete: nothing');

is($row->('sharing_group'), 2, 'no refused call made a group');
is($row->(q{reservation WHERE state = 'live'}), 2, 'nor reserved anything');
done_testing;
