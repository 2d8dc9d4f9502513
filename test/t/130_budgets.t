# SPDX-License-Identifier: PostgreSQL
# Trying out who is a terminal: a sweep over numbers gets no further than its budget, and the answers that it gets are alike
# for those who are terminals and those who are not, in form and in cost. Budgets of addresses, of sessions and in all.
use GroupShare::Test;
use GroupShare::Authz;
use Time::HiRes qw(time);

my $cs      = new_control_server(name => 'cs1');
my $open    = start_gateway(servers => [$cs], name => 'open');
my $limits  = { entry_per_address_per_min => 60, search_per_session_per_min => 5, requests_per_session_per_min => 20 };
my $limited = start_gateway(servers => [$cs], name => 'limited', settings => { gateway => $limits });
$cs->sql(q{SELECT count(groupshare.add_terminal('+49170000' || n)) FROM generate_series(1000, 1998, 2) n});
$cs->sql(q{SELECT count(groupshare.add_terminal(x || '@x.org')) FROM unnest(ARRAY['ann', 'bob', 'cid']) x});

sub ask { my ($gateway, $path, $body) = @_; return { method => 'POST', url => $gateway->url . $path, body => json_encode($body) } }
sub form { my ($reply) = @_; return "$reply->{status}, $reply->{header_bytes} and " . length($reply->{body}) . ' bytes' }
sub forms { my %seen; $seen{ form($_) }++ for @_; return [ sort keys %seen ] }

# The sweep.
my $begun = time;
my @sweep = http_batch(map { ask($limited, '/v1/challenge', { terminal => "+49170000$_" }) } 1000 .. 1999);
my $most  = 60 + (time - $begun) + 1;
my @let   = grep { $_->{status} == 200 } @sweep;
cmp_ok(scalar @let, '>=', 60,    'a sweep gets its budget');
cmp_ok(scalar @let, '<=', $most, 'and no more');
is(@let + grep({ $_->{status} == 429 } @sweep), 1000, 'the rest is refused');
# On a slow machine some budget has come back until the call is made; it is spent by the next one.
my $refused;
for (1 .. 10) {
    $refused = http('POST', $limited->url . '/v1/connect', json => { terminal => 'ann@x.org' });
    last if $refused->{status} == 429;
}
is_problem($refused, 429, 'too_many_requests', 'another call without a session has the same budget');
like($refused->{headers}{'retry-after'}, qr/^[1-9]\d*$/, 'it says when to ask again');
is_problem(http('POST', $open->url . '/v1/connect', json => {}), 400, 'invalid_parameter', 'another gateway has its own');
like(http('GET', $limited->url . '/metrics')->{body}, qr/^groupshare_gateway_over_budget_total\S* [1-9]/m, 'counted in /metrics');

# Hit and miss: the same form.
my @numbers    = map {"+49170000$_"} 1000 .. 1099;
my @challenges = http_batch(map { ask($open, '/v1/challenge', { terminal => $_ }) } @numbers);
is(scalar @{ forms(@challenges) }, 1, 'challenges: one form') or diag(explain(forms(@challenges)));
my @connects = http_batch(map {
    ask($open, '/v1/connect',
        { terminal => $numbers[$_], challenge => json_decode($challenges[$_]{body})->{challenge}, signature => 'A' x 86 })
} 0 .. $#numbers);
is(scalar @{ forms(@connects) }, 1, 'connects: one form') or diag(explain(forms(@connects)));
like($connects[$_]{body}, qr/"connection_failed"/, 'refused') for 0, 1;
my @enrols = http_batch(map { ask($open, '/v1/enroll', { terminal => $_, code => 'AAAA-BBBB', public_key => 'A' x 43 }) } @numbers);
is(scalar @{ forms(@enrols) }, 1, 'enrolments: one form') or diag(explain(forms(@enrols)));

# And the same cost: reads of tables, and time, of calls in turns in one session of the database.
my $cost = <<'SQL';
CREATE TEMP TABLE spent (hit bool, scans bigint, ms float8);
CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)) FROM pg_stat_xact_user_tables WHERE schemaname = 'groupshare' $$;
CREATE FUNCTION pg_temp.try(who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c text := groupshare.challenge(who);
    scans bigint := pg_temp.scans();
    at timestamptz := clock_timestamp();
BEGIN
    BEGIN
        PERFORM groupshare.api_connect(NULL, '192.0.2.1', 'r', '{}', jsonb_build_object('terminal', who, 'challenge', c, 'signature', repeat('A', 86)));
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO spent VALUES (right(who, 1)::int % 2 = 0, pg_temp.scans() - scans, extract(epoch FROM clock_timestamp() - at) * 1000);
    END;
END $$;
BEGIN;
SELECT count(pg_temp.try('+49170000' || n)) FROM generate_series(1000, 1399) n;
SELECT coalesce(string_agg(DISTINCT scans::text, ',') FILTER (WHERE hit), 'none') || ' ' || coalesce(string_agg(DISTINCT scans::text, ',') FILTER (WHERE NOT hit), 'none') FROM spent;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE hit) / percentile_cont(0.5) WITHIN GROUP (ORDER BY ms) FILTER (WHERE NOT hit) FROM spent;
COMMIT;
SQL
my ($count, $scans, $ratio, @ratios);
for (1 .. 3) {
    ($count, $scans, $ratio) = split /\n/, $cs->sql($cost);
    push @ratios, $ratio;
    last if $ratio > 0.7 && $ratio < 1.4;
}
my ($hit, $miss) = split / /, $scans;
is($hit, $miss, 'a connect reads as many tables for a terminal as for none');
ok($ratio > 0.7 && $ratio < 1.4, "and takes as long (the medians' ratios: @ratios)");

# Sessions.
my %session = map { $_ => session_for($cs, "$_\@x.org") } qw(ann bob cid);
sub search { my ($who, $session) = @_; return { method => 'GET', url => $limited->url . '/v1/groups?name=x&match=exact', token => $session || $session{$who} } }
sub statuses { my %n; $n{ $_->{status} }++ for @_; return join ' ', map {"$_: $n{$_}"} sort keys %n }
is(statuses(http_batch(map { search('ann') } 1 .. 8)), '200: 5 429: 3', 'searches with one session');
is(statuses(http_batch(search('bob'))), '200: 1', 'another session has its own');
my $made_up = join '.', (split /\./, $session{bob})[ 0, 1 ], 'A' x 43;
is(statuses(http_batch(map { search('', $made_up) } 1 .. 8)), '401: 5 429: 3', 'a made-up session names bob');
is(statuses(http_batch(search('bob'))), '200: 1', "and spends nothing of his");
like(statuses(http_batch(map { { %{ search('ann') }, url => $limited->url . '/v1/shares' } } 1 .. 20)), qr/^200: 1[2-5] 429: [5-8]$/,
    'all requests with a session count');

# Many made-up sessions: they spend their address's budget, and no more is asked of the control server; who is at work goes on.
my $flooded = start_gateway(servers => [$cs], name => 'flooded', settings => { gateway => { unknown_session_per_address_per_min => 30 } });
sub shares { my ($session) = @_; return { method => 'GET', url => $flooded->url . '/v1/shares', token => $session } }
sub made_up { my ($n) = @_; return join '.', (split /\./, $session{bob})[ 0, 1 ], sprintf '%043d', $n }
is(statuses(http_batch(shares($session{cid}))), '200: 1', 'cid is at work');
my ($start, @flood) = (time, http_batch(map { shares(made_up($_)) } 1 .. 300));
my $asked = grep { $_->{status} == 401 } @flood;
cmp_ok($asked, '>=', 28, 'made-up sessions have a budget');
cmp_ok($asked, '<=', 31 + (time - $start) / 2, 'and no more, however many they are');
is($asked + grep({ $_->{status} == 429 } @flood), 300, 'the rest is refused');
is(statuses(http_batch(map { shares($session{cid}) } 1 .. 100)), '200: 100', 'cid goes on');
is((http_batch((map { shares(made_up($_)) } 301 .. 360), shares($session{bob})))[-1]{status}, 429, 'one who comes anew meanwhile waits');
is(statuses(http_batch(map { shares($_) } ('a.b.c') x 40)), '401: 40', 'what is no session at all costs nothing');
$cs->sql(q{SELECT groupshare.revoke_terminal('cid@x.org')});
is(statuses(http_batch(shares($session{cid}))), '401: 1', 'a session that is revoked');
like(statuses(http_batch(map { shares($session{cid}) } 1 .. 40)), qr/429: [34]\d$/, 'is known no more');

# HUP changes budgets.
$limited->{config}{gateway}{$_} = 0 for qw(requests_per_session_per_min search_per_session_per_min);
spit("$limited->{dir}/config.ini", GroupShare::System::ini($limited->{config}), 0600);
$limited->{process}->signal('HUP');
wait_for(sub { (http_batch(search('ann')))[0]{status} == 200 }, 'the new settings');
is(statuses(http_batch(map { search('ann') } 1 .. 40)), '200: 40', '0 is no limit');

# In all.
my $total = start_gateway(servers => [$cs], name => 'total', settings => { gateway => { entry_per_min => 10, search_per_min => 3 } });
is(statuses(http_batch(map { ask($total, '/v1/challenge', { terminal => 'ann@x.org' }) } 1 .. 12)), '200: 10 429: 2', 'entry in all');
is(statuses(http_batch(map { { %{ search('bob') }, url => $total->url . '/v1/groups?name=x' } } 1 .. 5)), '200: 3 429: 2', 'searches in all');

done_testing;
