# SPDX-License-Identifier: PostgreSQL
# The main job over real processes, as a terminal that knows nothing but the HTTP API sees it, and as a DBA sees it.
use GroupShare::Test;

# Only the nearest device with room is a candidate, so that the choice can be told in advance.
my $cs      = new_control_server(name => 'cs1');
my %place   = (berlin => 'eu/de/berlin', paris => 'eu/fr/paris', tokyo => 'as/jp/tokyo');
my %device  = map { $_ => add_device(servers => [$cs], name => $_, location => $place{$_}) } sort keys %place;
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $size    = 5 * (1 << 20) + 17;
my $file    = random_file($size);
my $sha256  = sha256_file($file);

# Connect (C1-C5).
$cs->sql(q{INSERT INTO groupshare.plan (name, sharing) VALUES ('nothing', false)});
my $poor = new_terminal('poor@example.org', @known, plan => 'nothing', connect => 0);
is_problem($poor->connect, 401, 'connection_failed', 'no permission by the plan: no connection');

my $ann = new_terminal('ann@example.org', @known, connect => 0);
my $hi  = $ann->connect;
is_reply($hi, 200, 'ann connects');
is($hi->{json}{server}, 'cs1', 'to her control server');
is($hi->{json}{terminal}, 'ann@example.org', 'as herself');
ok(!$hi->{json}{in_group} && !@{ $hi->{json}{groups} }, 'and is told that she is in no group');
my $bob = new_terminal('+4915112345678', @known);
my $eve = new_terminal('eve@example.org', @known);
$cs->sql(q{UPDATE groupshare.terminal SET location = 'eu/fr/lyon' WHERE identifier = 'ann@example.org'});

# Groups (G1-G4): created in two steps with the confirm rule.
my $setting_notice = $ann->post('/v1/groups', { name => 'Film Night' });
is_reply($setting_notice, 201, 'ann creates a group');
is($setting_notice->{json}{state}, 'new', 'it waits for its settings');
my $group = $setting_notice->{json}{group};
is_problem($bob->join_group($group), 404, 'not_found', 'a group without settings is not there for others');
my $settings =
    $ann->put("/v1/groups/$group/settings", { administrators => ['ann@example.org'], join => { rule => 'confirm' } });
is_reply($settings, 200, 'the settings establish it');
is($settings->{json}{state}, 'live', 'it is live');
is($settings->{json}{members}[0]{terminal}, 'ann@example.org', 'ann is in it');

my $search = $bob->get('/v1/groups?name=film&match=part');
is_reply($search, 200, 'bob searches');
is_deeply($search->{json}{groups}, [ { id => $group, name => 'Film Night', join => 'confirm' } ], 'and finds it');

my $join = $bob->join_group($group);
is_reply($join, 202, 'bob asks to join');
is($join->{json}{state}, 'pending', 'an inquiry is put');
is($bob->join_group($group)->{json}{inquiry}, $join->{json}{inquiry}, 'asking again is the same inquiry');
is_deeply($bob->get('/v1/groups/mine')->{json}{groups}, [], 'he is not a member yet');
my $inquiries = $ann->get('/v1/inquiries');
is_reply($inquiries, 200, 'ann looks at the inquiries');
is($inquiries->{json}{inquiries}[0]{terminal}, '+4915112345678', "bob's is there");
is_problem($eve->post("/v1/inquiries/$join->{json}{inquiry}", { decision => 'allow' }),
    404, 'not_found', 'a stranger does not decide, nor learn that there is one');
is_problem($bob->post("/v1/inquiries/$join->{json}{inquiry}", { decision => 'allow' }),
    403, 'forbidden', 'nor does bob');
my $decision = $ann->post("/v1/inquiries/$join->{json}{inquiry}", { decision => 'allow' });
is_reply($decision, 200, 'ann allows it');
is($decision->{json}{state}, 'allowed', 'it is decided');
is_problem($ann->post("/v1/inquiries/$join->{json}{inquiry}", { decision => 'refuse' }),
    409, 'inquiry_decided', 'the first decision stands');
is($bob->get('/v1/groups/mine')->{json}{groups}[0]{id}, $group, 'bob is a member');

# Upload (U1-U6).
my $notice = $ann->post('/v1/uploads', { name => 'film.mkv', size => $size, sha256 => $sha256 });
is_reply($notice, 201, 'upload notice');
my $upload = $notice->{json};
is($upload->{device}, 'paris', 'the nearest device is chosen');
is($cs->sql(q{SELECT reserved_bytes FROM groupshare.devices WHERE name = 'paris'}), $size, 'its bytes are reserved');
my $again = $ann->post('/v1/uploads', { name => 'film.mkv', size => $size, sha256 => $sha256 });
is("$again->{status} $again->{json}{share} $again->{json}{device}", "201 $upload->{share} paris", 'the notice again: the same');
is_problem($bob->post('/v1/downloads', { owner => 'ann@example.org', name => 'film.mkv' }),
    404, 'not_found', 'nobody sees a share before its bytes are stored');
my $put = $ann->put_file($upload, $file);
is_reply($put, 201, 'the bytes are stored');
is($put->{json}{sha256}, $sha256, 'and digested');
is($cs->sql(q{SELECT reserved_bytes FROM groupshare.devices WHERE name = 'paris'}), 0, 'the reservation is settled');
is_reply($ann->put_file($upload, $file), 201, 'the same bytes again are fine');
my $shares = $ann->get('/v1/shares')->{json}{shares};
is_deeply([ map {"$_->{name} $_->{state} @{ $_->{devices} }"} @{$shares} ], ['film.mkv stored paris'], 'her share list');
is($ann->post('/v1/uploads', { name => 'film.mkv', size => $size, sha256 => $sha256 })->{status},
    200, 'the notice of what is stored');

# Download (D1-D3), with the owner gone.
$ann->{session} = undef;
my $info = $bob->get('/v1/groups/mine')->{json}{groups}[0]{members};
my ($seen) = grep { $_->{terminal} eq 'ann@example.org' } @{$info};
is($seen->{shares}[0]{name}, 'film.mkv', "bob sees ann's share");
my $designation = $bob->post('/v1/downloads', { owner => 'ann@example.org', name => 'film.mkv' });
is_reply($designation, 200, 'download notice');
my $copy = scratch('copy') . '/film.mkv';
my $got  = $bob->get_file($designation->{json}, $copy);
is_reply($got, 200, 'the bytes come');
is(sha256_file($copy), $sha256, 'every one of them');
is($got->{headers}{etag}, qq{"$sha256"}, 'with a strong ETag');
my $part = $bob->get_file($designation->{json}, $copy, headers => [ range => 'bytes=1000-1999' ]);
is_reply($part, 206, 'a range');
is(slurp($copy), substr(slurp($file), 1000, 1000), 'is those bytes');
is_problem($eve->post('/v1/downloads', { owner => 'ann@example.org', name => 'film.mkv' }),
    404, 'not_found', 'a stranger does not get it');
is_problem($eve->post('/v1/downloads', { share => $upload->{share} }), 404, 'not_found', 'also not by its id');
is_problem($bob->put_file($designation->{json}, $file), 403, 'ticket_scope', 'a download ticket does not upload');

# A second group, joined by list.
my $listed = $bob->create_group('Listed', { join => { rule => 'listed', listed => ['eve@example.org'] } });
is_reply($eve->join_group($listed), 200, 'eve is on the list');
is_problem($poor->join_group($listed), 401, 'session_invalid', 'who is not connected is not heard');
$ann->connect;
is_problem($ann->join_group($listed), 403, 'join_refused', 'ann is not');
is_problem($eve->post('/v1/downloads', { share => $upload->{share} }),
    404, 'not_found', "a member of another group of bob's still does not see ann's share");

# Leave: what was visible through the membership is gone at once.
is_reply($bob->delete("/v1/groups/$group/members/%2B4915112345678"), 200, 'bob leaves');
is_problem($bob->post('/v1/downloads', { share => $upload->{share} }), 404, 'not_found', 'and sees nothing any more');

# Delete.
is_reply($ann->delete("/v1/shares/$upload->{share}"), 204, 'ann deletes her share');
is_deeply($ann->get('/v1/shares')->{json}{shares}, [], 'it is gone from her list');

# What a DBA sees.
is($cs->sql(q{SELECT string_agg(name, ' ' ORDER BY name) FROM groupshare.devices}), 'berlin paris tokyo', 'devices');
my $explained = $cs->sql(q{SELECT * FROM groupshare.explain_placement('ann@example.org', 1000)});
like($explained, qr/paris/, 'the placement is explained');
is($cs->sql(q{SELECT device FROM groupshare.placements}), 'paris', 'the decision was kept');
is($_->stop, 0, "$_->{name} ends in order") for $gateway, values %device;

done_testing;
