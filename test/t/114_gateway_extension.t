# SPDX-License-Identifier: PostgreSQL
# The gateway and the real control server: what one says to the other arrives, the audit knows the request, and no name,
# however nasty, is bent or does harm.
use utf8;
use GroupShare::Test;

my $cs      = new_control_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my ($ann, $bob) = map { new_terminal("$_\@example.org", @known) } qw(ann bob);

# The audit.
my $group = $ann->post('/v1/groups', { name => 'friends', settings => { join => { rule => 'confirm' } } },
    headers => [ 'x-request-id' => 'create-it' ]);
is_reply($group, 201, 'create');
is($cs->sql(q{SELECT peer || ' ' || actor FROM groupshare.audit WHERE request_id = 'create-it' LIMIT 1}),
    '127.0.0.1/32 ann@example.org', 'the audit has the request id, the address and the terminal');
$group = $group->{json}{group};
my $made = $ann->post('/v1/groups', { name => 'others', settings => { join => { rule => 'anyone' } } });
ok($cs->sql(q{SELECT count(*) > 0 FROM groupshare.audit WHERE request_id = :'id'}, id => $made->{headers}{'x-request-id'}) eq 't',
    'also one that the gateway made');

# ETag of the group info.
my $mine = $ann->get('/v1/groups/mine');
like($mine->{headers}{etag}, qr/^"[^"]+"$/, 'group info has an ETag');
my $same = $ann->get('/v1/groups/mine', headers => [ 'if-none-match' => $mine->{headers}{etag} ]);
is("$same->{status} $same->{body}", '304 ', 'not modified');
is($ann->get('/v1/groups/mine', headers => [ 'if-none-match' => qq("x", W/$mine->{headers}{etag}) ])->{status}, 304, 'in a list');
is_reply($bob->join_group($group), 202, 'a join request');
is($ann->post("/v1/groups/$made->{json}{group}/settings", {})->{status}, 405, 'a method that settings do not have');
my $rename = $ann->put("/v1/groups/$made->{json}{group}/settings", { listing => 'hidden' });
is_reply($rename, 200, 'a change');
is($ann->get('/v1/groups/mine', headers => [ 'if-none-match' => $mine->{headers}{etag} ])->{status}, 200, 'modified');

# Pages, by Link alone.
my ($url, @names) = '/v1/groups/mine?limit=1';
while ($url) {
    my $page = $ann->get($url);
    is_reply($page, 200, "page $url");
    push @names, map { $_->{name} } @{ $page->{json}{groups} };
    ($url) = ($page->{headers}{link} || '') =~ /^<([^>]+)>; rel="next"$/;
}
is(join(',', sort @names), 'friends,others', 'following Link shows each group once');

# Events: the inquiry reached ann, live.
my $first = $ann->get('/v1/events?wait=10');
is_reply($first, 200, 'events');
my ($inquiry) = grep { $_->{kind} eq 'inquiry' } @{ $first->{json}{events} };
ok($inquiry, 'the inquiry is among them');
my $last = $first->{json}{events}[-1]{id};
my $wait = http_begin('GET', $gateway->url . "/v1/events?after=$last&wait=30", token => $ann->{session});
my $open = $ann->get('/v1/inquiries')->{json}{inquiries}[0];
is_reply($bob->post("/v1/inquiries/$open->{id}", { decision => 'cancel' }), 200, 'cancel');
is_reply($bob->join_group($made->{json}{group}), 200, 'bob joins the other group');
my $woken = http_finish($wait);
ok(@{ $woken->{json}{events} || [] } > 0, 'what happens wakes who waits for it') or diag($woken->{body});

# A revoked terminal's next request fails, on the session that it has.
is_reply($bob->get('/v1/shares'), 200, 'bob may');
$cs->sql(q{SELECT groupshare.revoke_terminal('bob@example.org')});
is_problem($bob->get('/v1/shares'), 401, 'session_invalid', 'revoked: his next request');
is_problem($bob->get('/v1/events?wait=1'), 401, 'session_invalid', 'and his events');

# Enumeration: known and unknown look alike.
my ($known, $unknown) = map {
    my $r = http('POST', $gateway->url . '/v1/connect', json => { terminal => $_, challenge => 'x', signature => 'y' });
    delete $r->{json}{request_id};
    json_encode([ $r->{status}, $r->{json} ])
} 'ann@example.org', 'nobody@example.org';
is($known, $unknown, 'a failed connection of a terminal that is known and of one that is not');

# A thousand strings, as a group's name, a search, a path and an identifier, over one connection.
sub strings {
    my @base = (
        q('), q(''), q("), q(\\), q(\\'), q(';--), q('; DROP TABLE groupshare.sharing_group; --), q($$), q($1), q(%s%n), q(%00),
        q(${x}), q(`id`), q($(id)), q(../../etc/passwd), q(..), q(.), q(/), q(//), q(a/b), q(null), q(NULL), q(true), q([]), q({}), q({"a":1}),
        q(<script>), q(&amp;), q(%), q(_), q(a%b_c), q(*), q(?), q(#), q(CON), q(a:b), q(a;b), q(a,b), q(--), q(/*), q(*/), q(E'\\x'),
        q(pg_catalog), q(0), q(-1), q(1e309), q(NaN), ' ', '  a  ', "a\tb", "a\nb", "a\rb", "a\r\nX-Evil: 1", "\x{7f}", "\x{1}", "\x{0}",
        "a\x{0}b", "\x{e9}", "e\x{301}", "\x{1f600}", "\x{202e}abc", "\x{200b}", "\x{feff}a", "\x{fffd}", "\x{ffff}", "\x{10ffff}", "\x{3042}",
        "\x{5d0}", "\x{1e9e}", "\x{130}", "\x{fb01}", "\x{212b}", "\x{2028}", "\x{85}", "\x{ad}");
    my @all = @base;
    push @all, map { ("x$_", "${_}x", $_ x 3, "$_'$_") } @base;
    push @all, map { 'a' x $_ } 1, 254 .. 257, 1000, 5000;
    push @all, map { "\x{e9}" x $_ } 127, 128, 255;
    srand 7;
    while (@all < 1000) {
        push @all, join '', map { chr((int rand 0x60) + (rand() < 0.5 ? 0x20 : 0x80 * int rand 40)) } 1 .. 1 + int rand 20;
    }
    return @all;
}

# curl takes many requests from one file and keeps the connection.
sub many {
    my ($make, @all) = @_;
    my $dir    = scratch('many');
    my $config = '';
    for my $i (0 .. $#all) {
        my ($method, $path, $body) = $make->($all[$i], $i);
        $config .= "next\n" if $i;
        $config .= join '', map {"$_\n"} 'silent', 'http2', 'cacert = "' . tls_dir() . '/ca.pem"', "request = $method",
            "output = \"$dir/$i\"", 'write-out = "%{http_code}\n"', "header = \"authorization: Bearer $ann->{session}\"",
            'path-as-is', 'globoff', 'url = "' . $gateway->url . "$path\"";
        next if !defined $body;
        spit("$dir/$i.in", json_encode($body));
        $config .= "header = \"content-type: application/json\"\ndata-binary = \"\@$dir/$i.in\"\n";
    }
    spit("$dir/config", $config);
    my ($status, $out) = run({ command => [ 'curl', '-K', "$dir/config" ] });
    my @status = split /\n/, $out;
    return map { { status => $status[$_], json => eval { json_decode(slurp("$dir/$_")) } } } 0 .. $#all;
}

my @strings = strings();
is(scalar @strings, 1000, 'a thousand strings');
my $tables = q{SELECT count(*) FROM pg_class WHERE relnamespace = 'groupshare'::regnamespace};
my $before = $cs->sql($tables);
my $open_to_all = { join => { rule => 'anyone' } };
my @replies = many(sub { ('POST', '/v1/groups', { name => $_[0], settings => $open_to_all }) }, @strings);
my (@bad, %kept);
for my $i (0 .. $#strings) {
    my $r = $replies[$i];
    if ($r->{status} == 201) { $kept{ $r->{json}{group} } = $strings[$i] }
    elsif ($r->{status} !~ /^4/ || !$r->{json}{code}) { push @bad, "$r->{status} " . json_encode($strings[$i]) }
}
is_deeply(\@bad, [], 'as a group\'s name: kept, or a problem 4xx');
cmp_ok(scalar keys %kept, '>', 500, 'most are kept');
my $hex = $cs->sql(q{SELECT string_agg(id || ' ' || encode(convert_to(name, 'UTF8'), 'hex'), E'\n') FROM groupshare.sharing_group});
my %stored = map { split / / } split /\n/, $hex;
my @bent = grep { my $n = $kept{$_}; utf8::encode($n); ($stored{$_} // '-') ne unpack 'H*', $n } keys %kept;
is_deeply([ map { json_encode($kept{$_}) } @bent ], [], 'and what is kept is kept to the byte');

for my $case (
    [ 'a search',             sub { ('GET', '/v1/groups?match=part&name=' . uri_escape($_[0])) },      qr/^(?:200|4..)$/ ],
    [ 'a group in a path',    sub { ('POST', '/v1/groups/' . uri_escape($_[0]) . '/join') },           qr/^4..$/ ],
    [ 'a member in a path',   sub { ('PUT', "/v1/groups/$group/members/" . uri_escape($_[0]), { role => 'member' }) }, qr/^4..$/ ],
    [ 'a cursor',             sub { ('GET', '/v1/shares?after=' . uri_escape($_[0])) },                qr/^(?:200|4..)$/ ],
    [ 'an event cursor',      sub { ('GET', '/v1/events?wait=0&after=' . uri_escape($_[0])) },         qr/^(?:200|4..)$/ ],
    [ 'an identifier',        sub { ('POST', '/v1/challenge', { terminal => $_[0] }) },                qr/^(?:200|4..)$/ ],
    [ 'a challenge',          sub { ('POST', '/v1/connect', { terminal => 'ann@example.org', challenge => $_[0], signature => $_[0] }) }, qr/^4..$/ ],
    [ 'a code',               sub { ('POST', '/v1/enroll', { terminal => 'ann@example.org', code => $_[0], public_key => $_[0] }) }, qr/^4..$/ ],
    [ 'a share\'s owner',     sub { ('POST', '/v1/downloads', { owner => $_[0], name => $_[0] }) },    qr/^4..$/ ],
    [ 'a member\'s name',     sub { ('POST', '/v1/groups', { name => 'x', $_[0] => 1 }) },             qr/^4..$/ ])
{
    my ($what, $make, $good) = @{$case};
    my @r = many($make, @strings);
    my @wrong = map { "$r[$_]{status} " . json_encode($strings[$_]) } grep { $r[$_]{status} !~ $good } 0 .. $#r;
    is(scalar @wrong, 0, "as $what: an answer that fits") or diag(join "\n", @wrong[ 0 .. ($#wrong < 9 ? $#wrong : 9) ]);
}
is($cs->sql($tables), $before, 'and the tables are all there');
unlike($gateway->log, qr/worker died|status=5\d\d/, 'no 5xx in the whole run');

done_testing;
