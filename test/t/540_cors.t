# SPDX-License-Identifier: PostgreSQL
# Web pages of other origins at a real gateway and a real device: preflights, answers, refusals, event streams; and a page in a
# real browser, which is a whole terminal.
use GroupShare::Test;
use GroupShare::Storage;

my $page    = 'http://page.example';
my $cs      = new_control_server(name => 'cs1');
my $gateway = start_gateway(servers => [$cs], settings => { cors => { origins => "https://other.example\n  $page" } });
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu', settings => { storage => { report_interval_ms => 200 } });
my $anna    = new_terminal('anna@example.org', server => $cs, gateway => $gateway);
my $group   = $anna->create_group('Film club', { join => { rule => 'anyone' } });
my $share   = $anna->share_file('a film', random_file(100_000));
my $object  = $share->{url};

sub fields { my ($reply, @names) = @_; return [ map { $reply->{headers}{$_} } @names ] }

# What the answer tells a page of $origin: the allowed origin, undef when none; always Vary.
sub allowed {
    my ($origin, $method, $url, %o) = @_;
    my $reply = http($method, $url, %o, headers => [ @{ $o{headers} || [] }, defined $origin ? (origin => $origin) : () ]);
    is($reply->{headers}{vary}, 'origin', "$method $url: Vary");
    return $reply->{headers}{'access-control-allow-origin'};
}

sub preflight {
    my ($origin, $method, $url) = @_;
    return http('OPTIONS', $url, headers => [ origin => $origin, 'access-control-request-method' => $method,
            'access-control-request-headers' => 'authorization,content-type' ]);
}

subtest preflights => sub {
    my %paths = (
        $gateway->url . '/v1/groups/mine'                     => ['GET'],
        $gateway->url . "/v1/groups/$group/members/a"         => [qw(PUT DELETE)],
        $gateway->url . '/v1/uploads'                         => ['POST'],
        $object                                               => [qw(GET HEAD PUT PATCH DELETE POST)]);
    for my $url (sort keys %paths) {
        my $origin = index($url, $gateway->url) == 0 ? $page : '*';
        for my $method (@{ $paths{$url} }) {
            my $reply = preflight($page, $method, $url);
            is_reply($reply, 204, "$method $url");
            is_deeply(fields($reply, qw(access-control-allow-origin access-control-max-age vary)), [ $origin, 7200, 'origin' ], 'allowed');
            like($reply->{headers}{'access-control-allow-methods'}, qr/\b$method\b/, 'with the method');
            like($reply->{headers}{'access-control-allow-headers'}, qr/^authorization, .*\bx-request-id$/, 'and the header fields');
            ok(!$reply->{headers}{'access-control-expose-headers'} && !$reply->{headers}{'access-control-allow-credentials'}, 'nothing else');
        }
    }
    for my $origin ('https://evil.example', 'null', "$page:8080", 'https://page.example') {
        my $reply = preflight($origin, 'GET', $gateway->url . '/v1/groups/mine');
        is_reply($reply, 204, "of $origin");
        is_deeply([ grep {/^access-control/} keys %{ $reply->{headers} } ], [], 'is told nothing');
        is($reply->{headers}{vary}, 'origin', 'but that others may be');
    }
    is(preflight('null', 'PATCH', $object)->{headers}{'access-control-allow-origin'}, '*', 'a device believes tickets of any page');
    is_problem(preflight($page, 'GET', $gateway->url . '/v1/nothing'), 404, 'not_found', 'no such path');
    my $reply = http('OPTIONS', $object);
    is_deeply(fields($reply, qw(tus-version tus-extension allow accept-patch access-control-allow-methods)),
        [ '1.0.0', 'checksum,expiration,termination', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT',
            'application/partial-upload, application/offset+octet-stream', undef ], 'what a tus client discovers');
    is_deeply(fields(preflight($page, 'PATCH', $object), qw(tus-version allow)), [ '1.0.0', 'DELETE, GET, HEAD, OPTIONS, PATCH, PUT' ],
        'with a preflight too');
};

subtest answers => sub {
    my @mine = ('GET', $gateway->url . '/v1/groups/mine');
    is(allowed($page,                  @mine, token => $anna->{session}), $page, 'a page that is allowed');
    is(allowed('https://other.example', @mine, token => $anna->{session}), 'https://other.example', 'the other one');
    is(allowed('https://evil.example', @mine, token => $anna->{session}), undef, 'one that is not');
    is(allowed(undef,                  @mine, token => $anna->{session}), undef, 'no page');
    is(allowed($page, @mine), $page, '401 can be read');
    is(allowed($page, 'GET',  $gateway->url . '/v1/nothing'), $page, '404 too');
    is(allowed($page, 'PUT',  $gateway->url . '/v1/groups', body => '{}'), $page, 'so can 405');
    is(allowed($page, 'GET',  $gateway->url . '/v1/groups?a=%'), $page, '400 of a query');
    is(allowed($page, 'POST', $gateway->url . '/v1/groups', token => $anna->{session}, body => 'x' x 300_000), $page, 'and 413');
    is(allowed($page, 'GET',  $gateway->url . '/openapi.json'), $page, 'the document');
    my $reply = http('GET', $gateway->url . '/v1/events', token => $anna->{session}, timeout_s => 1, headers => [ origin => $page, accept => 'text/event-stream' ]);
    is_deeply(fields($reply, qw(content-type access-control-allow-origin)), [ 'text/event-stream', $page ], 'events as they come');
    my $d = $anna->post('/v1/downloads', { share => $share->{share} })->{json};
    is(allowed('https://any.example', 'GET', $object, token => $d->{ticket}), '*', 'bytes of a device');
    is(allowed('https://any.example', 'GET', $object), '*', "a device's refusal");
    is(allowed(undef, 'GET', $object, token => $d->{ticket}), undef, 'bytes for no page');
    $reply = http('GET', $object, token => $d->{ticket}, headers => [ origin => $page, range => 'bytes=0-9' ]);
    my %exposed = map { $_ => 1 } split /, /, $reply->{headers}{'access-control-expose-headers'};
    my @always  = (qw(vary date content-length content-type cache-control content-security-policy x-content-type-options),
        'access-control-allow-origin', 'access-control-expose-headers');
    delete @exposed{qw(allow)};
    is_deeply([ grep { my $n = $_; !$exposed{$n} && !grep { $_ eq $n } @always } sort keys %{ $reply->{headers} } ], [],
        'a page may read all that a download has');
};

subtest 'what is no API' => sub {
    for my $url (map { ($gateway->url . $_, $device->url . $_) } qw(/healthz /readyz /metrics)) {
        my $reply = http('GET', $url, headers => [ origin => $page ]);
        is_deeply([ $reply->{status}, grep {/^access-control|vary/} keys %{ $reply->{headers} } ], [200], $url);
        is_deeply([ grep {/^access-control/} keys %{ preflight($page, 'GET', $url)->{headers} } ], [], 'nor preflight');
    }
};

subtest 'a page in Chromium' => sub {
    my $modules = build() . '/foreign/node_modules';
    plan skip_all => 'node is not installed' if !has('node');
    plan skip_all => 'chromium is not installed' if !has('chromium');
    my $query = join '&', 'gateway=' . $gateway->url, 'device=' . $device->url, "session=$anna->{session}";
    my ($status, $out, $err) = run({
        command => [ 'node', root() . '/test/foreign/browser.mjs', $modules, scratch('profile'), $query ] });
    my $said = eval { json_decode($out) } || {};
    diag($out, $err) if $status || $said->{error};
    my $tus = delete $said->{tus};
    is_deeply($said, {
        groups => [ 200, json_true() ], unchanged => 304, part => [ 204, 100000, '?0' ], head => [ 200, 100000, 'max-size=300000, max-age=N' ],
        wrong  => [ 409, 'mismatching_upload_offset', 100000 ], last => [201], whole => [ 200, json_true(), json_true() ],
        range  => [ 206, 'bytes 10-19/300000', 10 ], link => 200, events => [ 200, 'text/event-stream', json_true() ], deleted => 204,
        refused => [ 401, 401, 404 ], hidden => [ 'TypeError', 'TypeError' ] }, 'is a whole terminal');
    is($tus, -d "$modules/tus-js-client" ? 'stored' : 'not there', 'with tus-js-client');
};

sub has { my ($name) = @_; return grep { -x "$_/$name" } split /:/, $ENV{PATH} }
sub json_true { return json_decode('[true]')->[0] }

subtest settings => sub {
    my $config = "$gateway->{dir}/config.ini";
    my $set    = sub {
        my ($origins) = @_;
        (my $text = slurp($config)) =~ s/^origins = .*\n(?:  .*\n)*/origins = $origins\n/m;
        spit($config, $text, 0600);
        return run({ command => [ program('groupshare-gateway'), '--config', $config, '--check-config' ] });
    };
    for my $wrong ("$page/", 'null', "* $page", 'page.example') {
        my ($status, undef, $err) = $set->($wrong);
        ok($status != 0 && $err =~ /cors\.origins/, "$wrong is found wrong") or diag($err);
    }
    is(($set->('https://third.example'))[0], 0, 'another origin');
    $gateway->{process}->signal('HUP');
    my @mine = ('GET', $gateway->url . '/v1/groups/mine');
    wait_for(sub { http(@mine, headers => [ origin => 'https://third.example' ])->{headers}{'access-control-allow-origin'} }, 'HUP to take it');
    is(allowed($page, @mine), undef, 'the former is allowed no more');
    $set->('');
    $gateway->{process}->signal('HUP');
    wait_for(sub { !http(@mine)->{headers}{vary} }, 'none to be allowed');
    pass('without origins nothing is said');
};

done_testing;
