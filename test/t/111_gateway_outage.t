# SPDX-License-Identifier: PostgreSQL
# The gateway and a control server that is down, comes back, is slow, or is another one: bounded waiting, 503 with
# Retry-After, nothing sent twice, and no restart of the gateway.
use GroupShare::Test;
use GroupShare::StubControl;
use Time::HiRes qw(time);

my $terminal = '0b1c2d3e-4f50-4172-8a3b-4c5d6e7f8091';
my $session  = session_of('cs1', $terminal);
my $cs       = new_stub_server(name => 'cs1');

sub gateway_with {
    my ($name, %settings) = @_;
    return start_gateway(name => $name, servers => [$cs], settings => { gateway => \%settings }, started_unready => 1);
}
sub call { my ($gateway, $query) = @_; return http('GET', $gateway->url . "/v1/groups?name=$query", token => $session) }
sub begin { my ($gateway, $query) = @_; return http_begin('GET', $gateway->url . "/v1/groups?name=$query", token => $session) }
sub ready { my ($gateway) = @_; return wait_for(sub { http('GET', $gateway->url . '/readyz')->{status} == 200 }, 'readyz') }

sub metric {
    my ($gateway, $name) = @_;
    return http('GET', $gateway->url . '/metrics')->{body} =~ /^groupshare_gateway_$name(?:\{[^}]*\})? ([0-9.]+)/m ? $1 : undef;
}

# Down when the gateway starts.
$cs->stop;
my $gateway = gateway_with('early', queue_timeout_ms => 300);
is(http('GET', $gateway->url . '/healthz')->{status}, 200, 'the gateway starts without its control server');
is(http('GET', $gateway->url . '/readyz')->{status},  503, 'and is not ready');
my $reply = call($gateway, 'x');
is_problem($reply, 503, 'unavailable', 'a request meanwhile');
ok($reply->{headers}{'retry-after'}, 'says when to ask again');
$cs->start;
ready($gateway);
is_reply(call($gateway, 'x'), 200, 'it connects by itself');

# In flight when the server dies: told, and not carried out again.
my $waiting = begin($gateway, 'gate');
wait_for(sub { $cs->running == 1 }, 'the request to run');
$cs->kill9;
is_problem(http_finish($waiting), 503, 'unavailable', 'a request that the database died on');
$cs->start;
$cs->open_gate;
ready($gateway);
is($cs->running, 0, 'is not repeated behind the back of who asked');
$cs->shut_gate;

# A backend is killed: the others do not notice.
$waiting = begin($gateway, 'gate');
wait_for(sub { $cs->running == 1 }, 'the first to run');
my $backend   = $cs->sql(q{SELECT pid FROM pg_stat_activity WHERE usename = 'gateway' AND state = 'active'});
my $bystander = begin($gateway, 'gate');
wait_for(sub { $cs->running == 2 }, 'the second to run beside it');
$cs->sql("SELECT pg_terminate_backend($backend)");
is_problem(http_finish($waiting), 503, 'unavailable', 'its request is answered');
$cs->open_gate;
is_reply(http_finish($bystander), 200, 'the other is not disturbed');
$cs->shut_gate;
$gateway->stop;

# Restarted under load: errors are 503, and it is over by itself.
$gateway = gateway_with('load', queue_timeout_ms => 300);
ready($gateway);
my $log  = scratch('load') . '/codes';
my $load = GroupShare::Process->start(
    name    => 'load',
    log     => $log,
    cwd     => '/',
    command => [
        qw(stdbuf -oL curl --silent --http2 --parallel --parallel-max 8 --output /dev/null --write-out %{http_code}\n),
        '--cacert', tls_dir() . '/ca.pem', '--header', "authorization: Bearer $session",
        $gateway->url . '/v1/groups?name=count&limit=[1-1000000]' ]);
# Curl's own words on standard error stand between the codes.
my $codes = sub { my %n; $n{$_}++ for (-e $log ? slurp($log) : '') =~ /^([0-9]{3})$/mg; return \%n };
wait_for(sub { ($codes->()->{200} || 0) > 200 }, 'the load to run');
$cs->stop;
wait_for(sub { $codes->()->{503} }, 'the outage to be noticed');
$cs->start;
my $before = time;
my $good   = $codes->()->{200};
wait_for(sub { $codes->()->{200} > $good + 200 }, 'the load to run again');
cmp_ok(time - $before, '<', 10, 'back within 10 s of the database') or diag($gateway->log);
$load->stop;
my %seen = %{ $codes->() };
delete @seen{qw(200 503 000)};
is_deeply(\%seen, {}, 'nothing but 200 and 503 meanwhile');
unlike($gateway->log, qr/worker died/, 'by the same worker');
$gateway->stop;

# The queue.
$gateway = gateway_with('queue', pool_size => 1, pipeline_depth => 2, queue_limit => 3, queue_timeout_ms => 60000);
ready($gateway);
my @all = map { begin($gateway, "gate&match=$_") } 1 .. 9;
wait_for(sub { metric($gateway, 'pool_refused_total') == 4 }, 'four to be refused');
is(metric($gateway, 'pool_queued'), 3, 'three wait');
is($cs->running, 1, 'one connection works on two');
$cs->open_gate;
@all = map { http_finish($_) } @all;
my @refused = grep { $_->{status} == 503 } @all;
is(scalar(grep { $_->{status} == 200 } @all), 5, 'what was taken is answered');
is(scalar @refused, 4, 'the rest is refused');
is_problem($refused[0], 503, 'unavailable', 'a refused one');
ok($refused[0]{headers}{'retry-after'}, 'with Retry-After');
$cs->shut_gate;

# Cancelled in the queue: never sent.
my $holds = begin($gateway, 'gate');
my $holds2 = begin($gateway, 'gate');
wait_for(sub { $cs->running == 1 }, 'the gate');
my $calls = $cs->calls;
my $gone  = begin($gateway, 'count');
wait_for(sub { metric($gateway, 'pool_queued') == 1 }, 'it to wait');
$gone->{process}->stop('KILL');
wait_for(sub { metric($gateway, 'pool_queued') == 0 }, 'it to be forgotten');
$cs->open_gate;
http_finish($_) for $holds, $holds2;
is(call($gateway, 'x')->{json}{calls}, $calls, 'a request whose client left the queue is not sent');
$cs->shut_gate;
$gateway->stop;

# The time in the queue, and in the database.
$gateway = gateway_with('late', pool_size => 1, pipeline_depth => 1, queue_timeout_ms => 200, statement_timeout_ms => 1500);
ready($gateway);
my ($slow, $late) = map { begin($gateway, "gate&match=$_") } 1, 2;
my @late = sort { $a->{json}{code} cmp $b->{json}{code} } map { http_finish($_) } $slow, $late;
is_problem($late[0], 503, 'try_again',   'a request that takes too long in the database');
is_problem($late[1], 503, 'unavailable', 'a request that waits too long for it');
$gateway->stop;

# Another server than the settings say; another version.
for my $case ([ 'cs1', calls_itself => 'cs9' ], [ 'cs1', version => '99.0.0' ]) {
    my ($name, @how) = @{$case};
    my $other = new_stub_server(name => $name, @how);
    my $wrong = start_gateway(name => 'wrong', servers => [$other], started_unready => 1,
        settings => { gateway => { queue_timeout_ms => 200 } });
    wait_for(sub { $wrong->log =~ /control server not connected.*(?:the settings say|does not go with)/ }, 'the refusal');
    is(http('GET', $wrong->url . '/readyz')->{status}, 503, "@how: not ready");
    is_problem(call($wrong, 'x'), 503, 'unavailable', "@how: is sent nothing");
    $wrong->stop;
    $other->stop;
}

# Settings that can't work are named before anything starts.
for my $case (
    [ qr/no control server/,     "[gateway]\npool_size = 1\n" ],
    [ qr/conninfo/,              "[control.cs1]\nconninfo = host='x\n" ],
    [ qr/conninfo/,              "[control.cs1]\ndsn = x\n" ],
    [ qr/pool_size/,             "[gateway]\npool_size = 0\n[control.cs1]\nconninfo = host=x\n" ],
    [ qr/reconnect_min_ms/,      "[gateway]\nreconnect_min_ms = 9999\n[control.cs1]\nconninfo = host=x\n" ])
{
    my $file = spit(scratch('settings') . '/s.ini', "[listen]\ncleartext = true\n$case->[1]");
    my ($status, $out, $err) = run({ command => [ program('groupshare-gateway'), '--config', $file, '--check-config' ] });
    ok($status != 0 && "$out$err" =~ $case->[0], "--check-config: $case->[0]") or diag("$status $out $err");
}
my $file = spit(scratch('settings') . '/s.ini', "[listen]\ncleartext = true\n[control.cs1]\nconninfo = host=/x password=s3cret user='a b'\n");
my ($status, $out, $err) = run({ command => [ program('groupshare-gateway'), '--config', $file, '--dump-config' ] });
like($out, qr/^\[control\.cs1\]\nconninfo =.* password=\*\*\*/m, '--dump-config shows the control servers');
like($out, qr/user='a b'/, 'with their options');
unlike("$out$err", qr/s3cret/, 'but not the password');

done_testing;
