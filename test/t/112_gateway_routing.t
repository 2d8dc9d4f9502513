# SPDX-License-Identifier: PostgreSQL
# P1, P2: which of several control servers a request is led to, by the session or by the service list, and that the list
# is remembered no longer than it is true.
use GroupShare::Test;
use GroupShare::StubControl;

my @cs      = map { new_stub_server(name => $_) } qw(cs1 cs2 cs3);
my $gateway = start_gateway(servers => \@cs);
my $url     = $gateway->url;

sub route { my ($identifier, $server) = @_;
    $_->sql(q{DELETE FROM stub.route WHERE identifier = :'id'}, id => $identifier) for @cs;
    return if !$server;
    $_->sql(q{INSERT INTO stub.route VALUES (:'id', :'server')}, id => $identifier, server => $server) for @cs;
    return;
}
sub where { my ($identifier) = @_; return http('POST', "$url/v1/challenge", json => { terminal => $identifier })->{json}{server} }
sub asked { my $n = 0; $n += $_->calls for @cs; return $n }

# All are connected, so that asking is not left to whoever is first.
wait_for(sub { http('GET', "$url/v1/shares", token => session_of($_))->{status} == 200 }, $_) for qw(cs1 cs2 cs3);

is(http('GET', "$url/v1/shares", token => session_of($_))->{json}{server}, $_, "a session of $_ leads there") for qw(cs1 cs2 cs3);

route("t$_\@example.org", "cs$_") for 1 .. 3;
is(where("t$_\@example.org"), "cs$_", "the list leads a terminal to cs$_") for 1 .. 3;
is(where('T2@EXAMPLE.org'), 'cs2', 'in whatever case it writes itself');
my $asked = asked();
is(where("t$_\@example.org"), "cs$_", 'again') for 1 .. 3;
is(asked(), $asked, 'is remembered, not asked again');

# A list that lags behind: only the terminal's own server knows it.
for my $i (1 .. 12) {
    my $own = $cs[ $i % 3 ];
    $own->sql(q{INSERT INTO stub.route VALUES (:'id', :'server')}, id => "own$i\@example.org", server => $own->{name});
    is(where("own$i\@example.org"), $own->{name}, "own$i, known to $own->{name} alone");
}

# A terminal that nobody knows.
my %unknown = map { $_ => where("unknown$_\@example.org") } 1 .. 20;
ok(!(grep { !/^cs[123]$/ } values %unknown), 'an unknown terminal is answered');
cmp_ok(keys %{ { reverse %unknown } }, '>', 1, 'not always by the same server');
$asked = asked();
is_deeply({ map { $_ => where("unknown$_\@example.org") } 1 .. 20 }, \%unknown, 'but each always by the same');
is(asked(), $asked, 'and that it is unknown is remembered too');
like(http('POST', "$url/v1/challenge", json => $_)->{status}, qr/^200$/, 'one that names no terminal: any server says so')
    for {}, { terminal => 7 }, { terminal => 'x' x 300 };
route('stray@example.org', 'cs9');
like(where('stray@example.org'), qr/^cs[123]$/, 'a server that is not in the settings: as if unknown');
like($gateway->log, qr/not in the settings.*server=cs9/, 'and the log says so');

# The list changes.
route('t1@example.org', 'cs3');
is(where('t1@example.org'), 'cs1', 'nobody told the gateway yet');
$cs[1]->sql('NOTIFY groupshare_service_list');
ok(wait_for(sub { where('t1@example.org') eq 'cs3' }, 'the change'), 'one server tells of a change: the gateway asks anew');
route('unknown1@example.org', 'cs2');
$cs[0]->sql('NOTIFY groupshare_service_list');
ok(wait_for(sub { where('unknown1@example.org') eq 'cs2' }, 'the change'), 'also for one that was unknown');

# A server that was away may have told of a change meanwhile.
where('t1@example.org');
$asked = asked();
where('t1@example.org');
is(asked(), $asked, 'remembered');
$cs[0]->restart;
wait_for(sub { http('GET', "$url/v1/shares", token => session_of('cs1'))->{status} == 200 }, 'cs1');
$asked = asked();
where('t1@example.org');
cmp_ok(asked(), '>', $asked, 'a server is back: all is asked anew');

# One server is away.
$cs[0]->stop;
is(where('t2@example.org'), 'cs2', 'the others are asked and answer');
$cs[1]->sql('NOTIFY groupshare_service_list');
is(where("t$_\@example.org"), $_ == 2 ? 'cs2' : 'cs3', 'also what is not remembered') for 1 .. 3;
is_problem(http('GET', "$url/v1/shares", token => session_of('cs1')), 503, 'unavailable', 'its own terminals are told');
is(http('GET', "$url/readyz")->{status}, 200, 'the gateway is ready with what there is');

# HUP: a server leaves, another comes.
my $config = "$gateway->{dir}/config.ini";
(my $text = slurp($config)) =~ s/\[control\.cs1\]\n(?:[^\[].*\n)*//;
spit($config, $text);
$gateway->{process}->signal('HUP');
wait_for(sub { http('GET', "$url/v1/shares", token => session_of('cs1'))->{status} == 401 }, 'cs1 to leave');
is(where('t3@example.org'), 'cs3', 'the others are still there');
my $cs4 = new_stub_server(name => 'cs4');
spit($config, $text . "[control.cs4]\nconninfo = host=" . $cs4->host . " dbname=stub user=gateway\n");
$gateway->{process}->signal('HUP');
ok(wait_for(sub { http('GET', "$url/v1/shares", token => session_of('cs4'))->{status} == 200 }, 'cs4'), 'a new one is connected');

# HUP: a limit becomes less than what a request has sent already.
my $received = sub { http('GET', "$url/metrics")->{body} =~ /^groupshare_http_received_bytes_total\{[^}]*\} (\d+)/m; return $1 };
my $fifo = scratch('fifo') . '/body';
POSIX::mkfifo($fifo, 0600) or die "$fifo: $!";
my $before  = $received->();
my $reloads = () = $gateway->log =~ /settings reloaded/g;
my $long    = http_begin('POST', "$url/v1/groups", token => session_of('cs4'), file => $fifo);
open my $body, '>', $fifo or die "$fifo: $!";
$body->autoflush(1);
local $SIG{PIPE} = 'IGNORE';
print $body 'x' x 100_000;
wait_for(sub { $received->() - $before > 90_000 }, 'the first part of a body');
spit($config, $text . "[control.cs4]\nconninfo = host=" . $cs4->host . " dbname=stub user=gateway\n[gateway]\nmax_body_bytes = 1024\n");
$gateway->{process}->signal('HUP');
wait_for(sub { $reloads < (() = $gateway->log =~ /settings reloaded/g) }, 'the smaller limit');
print $body 'x' x 100_000;
close $body;
is_problem(http_finish($long), 413, 'too_large', 'a body that a new limit forbids');
is_reply(http('GET', "$url/v1/shares", token => session_of('cs4')), 200, 'and nothing else happens');
spit($config, "[gateway]\nnonsense = 1\n");
$gateway->{process}->signal('HUP');
wait_for(sub { $gateway->log =~ /not reloaded/ }, 'the complaint');
is_reply(http('GET', "$url/v1/shares", token => session_of('cs4')), 200, 'settings that are wrong change nothing');

done_testing;
