#!/usr/bin/perl
# SPDX-License-Identifier: PostgreSQL
# What both daemons have in common, on the probe daemon (test/unit/probe_daemon.c): requests and bodies, settings,
# master and workers, drain, and the limits that keep a hostile peer from doing harm.
use strict;
use warnings;
use Test::More;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IO::Socket::UNIX;
use IO::Select;
use POSIX qw(WNOHANG);
use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(sleep time);

my $build = $ENV{GS_BUILD} // 'build';
my $probe = "$build/test/probe-daemon";
-x $probe or BAIL_OUT("$probe is not built: make unit");
my $sanitized = `nm $probe` =~ /__asan_init/;
my $dir = tempdir(CLEANUP => 1);
my %running;    # pid of a master => its log
my $patience = 60;    # s; a broken daemon fails the test instead of hanging it

END
{
	my $code = $?;
	kill 'KILL', $_ for keys %running;
	$? = $code;
}

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or return '';
	local $/;
	my $text = <$in>;
	return $text // '';
}

sub spew
{
	my ($file, $text) = @_;
	open(my $out, '>', $file) or die "$file: $!";
	print $out $text;
	close $out or die "$file: $!";
}

sub wait_for
{
	my ($condition) = @_;
	my $end = time + $patience;
	while (time < $end)
	{
		my $result = $condition->();
		return $result if $result;
		sleep 0.02;
	}
	return 0;
}

my $count = 0;

# start(\%env, "section.name" => value, ...) -> {pid, port, log, ini}
sub start
{
	my ($env, %settings) = @_;
	my $name = 'daemon' . ++$count;
	my $daemon = { log => "$dir/$name.log", ini => "$dir/$name.ini", port_file => "$dir/$name.port" };
	my %all = (
		'listen.port_file' => $daemon->{port_file},
		'tls.certificate' => "$dir/cert.pem",
		'tls.key' => "$dir/key.pem",
		%settings);
	write_ini($daemon->{ini}, %all);
	$daemon->{settings} = \%all;
	$daemon->{pid} = fork // die;
	if ($daemon->{pid} == 0)
	{
		open(STDERR, '>>', $daemon->{log}) or die;
		open(STDOUT, '>&', \*STDERR) or die;
		%ENV = (%ENV, %$env);
		exec($probe, '--config', $daemon->{ini}) or die;
	}
	$running{ $daemon->{pid} } = $daemon->{log};
	my $done = wait_for(sub {
			return 1 if -s $daemon->{port_file};
			return waitpid($daemon->{pid}, WNOHANG) != 0 ? 'ended' : 0;
	});
	if ($done ne '1')
	{
		delete $running{ $daemon->{pid} };
		return undef if $done eq 'ended';
		die 'the daemon did not start: ' . slurp($daemon->{log});
	}
	chomp($daemon->{port} = slurp($daemon->{port_file}));
	return $daemon;
}

sub write_ini
{
	my ($file, %settings) = @_;
	my $text = '';
	for my $key (sort keys %settings)
	{
		my ($section, $name) = split /\./, $key, 2;
		$text .= "[$section]\n$name = $settings{$key}\n";
	}
	spew($file, $text);
}

# Its exit code, or -1 when it had to be killed.
sub stop
{
	my ($daemon, @signals) = @_;
	@signals = ('TERM') unless @signals;
	kill $_, $daemon->{pid} for @signals;
	return ended($daemon);
}

sub ended
{
	my ($daemon) = @_;
	my $code = -1;
	wait_for(sub {
			return 0 if waitpid($daemon->{pid}, WNOHANG) != $daemon->{pid};
			$code = $? >> 8;
			return 1;
	}) or kill 'KILL', $daemon->{pid};
	delete $running{ $daemon->{pid} };
	return $code;
}

# curl(daemon, path, args...) -> (status, headers, body)
sub curl
{
	my ($daemon, $path, @args) = @_;
	my $clear = ($daemon->{settings}{'listen.cleartext'} // '') eq 'true';
	my $url = ($clear ? 'http' : 'https') . "://127.0.0.1:$daemon->{port}$path";
	my @how = $clear ? ('--http2-prior-knowledge') : ('--http2', '--cacert', "$dir/cert.pem");
	unlink "$dir/head", "$dir/body";
	system('curl', '-sS', '-g', '-m', $patience, @how, '-D', "$dir/head", '-o', "$dir/body", '--path-as-is', @args, $url);
	my $head = slurp("$dir/head");
	my ($status) = $head =~ m{.*^HTTP/2 (\d+)}ms;
	return ($status // 0, $head, slurp("$dir/body"));
}

# HTTP/2 by hand, on cleartext ---------------------------------------------------------------------------------------

use constant { DATA => 0, HEADERS => 1, PRIORITY => 2, RST => 3, SETTINGS => 4, PING => 6, GOAWAY => 7, WINDOW => 8,
	CONTINUATION => 9, END_STREAM => 1, ACK => 1, END_HEADERS => 4 };

sub frame
{
	my ($type, $flags, $stream, $payload) = @_;
	return substr(pack('N', length $payload), 1) . pack('CCN', $type, $flags, $stream) . $payload;
}

sub literal { my ($text) = @_; return (length $text < 127 ? pack('C', length $text) : pack('CCC', 127, (length($text) - 127) % 128 + 128, int((length($text) - 127) / 128))) . $text; }
sub field { my ($name, $value) = @_; return "\0" . literal($name) . literal($value); }

sub request
{
	my ($method, $path, @fields) = @_;
	my $block = field(':method', $method) . field(':scheme', 'http') . field(':path', $path) . field(':authority', 'x');
	while (my ($name, $value) = splice @fields, 0, 2) { $block .= field($name, $value); }
	return $block;
}

sub h2
{
	my ($daemon) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $daemon->{port}) or die "connect: $!";
	binmode $socket;
	my $self = { socket => $socket, in => '', frames => [], broken => 0 };
	h2_send($self, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(SETTINGS, 0, 0, ''));
	return $self;
}

# Sends as much as the peer takes; false when it has closed.
sub h2_send
{
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	my $end = time + $patience;
	$self->{socket}->blocking(0);
	while (length $bytes && time < $end)
	{
		my $n = syswrite($self->{socket}, $bytes);
		if (defined $n) { substr($bytes, 0, $n) = ''; next; }
		if (!$!{EAGAIN}) { $self->{broken} = 1; return 0; }
		h2_read($self) unless $self->{deaf};
		return 0 if $self->{broken};
		IO::Select->new($self->{socket})->can_write(0.1);
	}
	return length $bytes == 0;
}

sub h2_read
{
	my ($self) = @_;
	my $n = sysread($self->{socket}, $self->{in}, 1 << 18, length $self->{in});
	$self->{broken} = 1 if (defined $n && $n == 0) || (!defined $n && !$!{EAGAIN});
	while (length $self->{in} >= 9)
	{
		my ($high, $low, $type, $flags, $stream) = unpack('CnCCN', $self->{in});
		my $size = $high << 16 | $low;
		last if length $self->{in} < 9 + $size;
		push @{ $self->{frames} },
		  { type => $type, flags => $flags, stream => $stream, payload => substr($self->{in}, 9, $size) };
		$self->{in} = substr($self->{in}, 9 + $size);
	}
}

# Reads until a frame matches (returns it) or the peer closes (undef).
sub h2_until
{
	my ($self, $match) = @_;
	my $end = time + $patience;
	$self->{socket}->blocking(0);
	while (time < $end)
	{
		while (my $f = shift @{ $self->{frames} }) { $self->{seen}{ $f->{type} }++; return $f if $match->($f); }
		return undef if $self->{broken};
		IO::Select->new($self->{socket})->can_read(0.1);
		h2_read($self);
	}
	return { type => -1 };
}

sub h2_goaway_code
{
	my ($self) = @_;
	my $code;
	my $f = h2_until($self, sub { $code = unpack('x4N', $_[0]{payload}) if $_[0]{type} == GOAWAY; 0; });
	return defined $f ? 'still open' : $code // 'closed';
}

sub status_of    # the answer's status: nghttp2 encodes :status by its static table or as a literal with index 8
{
	my ($f) = @_;
	return 'closed' unless defined $f;
	return 'reset' if $f->{type} == RST;
	my %indexed = (0x88 => 200, 0x89 => 204, 0x8c => 400, 0x8d => 404);
	my $first = unpack('C', $f->{payload});
	return $indexed{$first} if $indexed{$first};
	my $size = unpack('xC', $f->{payload});
	return "huffman " . unpack('H*', substr($f->{payload}, 2, $size & 127)) if $size & 128;
	return substr($f->{payload}, 2, $size);
}

sub answer_to { my ($c, $stream) = @_; return status_of(h2_until($c, sub { $_[0]{stream} == $stream && ($_[0]{type} == HEADERS || $_[0]{type} == RST) })); }

sub memory_kb
{
	my ($pid) = @_;
	my ($kb) = slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m;
	return $kb // 0;
}

sub worker_pid { my ($daemon) = @_; return (curl($daemon, '/pid'))[2]; }

system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj /CN=localhost "
	  . "-addext subjectAltName=IP:127.0.0.1 -keyout $dir/key.pem -out $dir/cert.pem 2>$dir/openssl.log") == 0
  or BAIL_OUT('no certificate: ' . slurp("$dir/openssl.log"));

# Command line and settings ------------------------------------------------------------------------------------------

subtest 'settings' => sub {
	my $run = sub { my $text = `$probe @_ 2>&1`; return ($? >> 8, $text); };
	my ($code, $text) = $run->('--version');
	is($code, 0);
	like($text, qr/^probe-daemon \d+\.\d+\.\d+$/);
	is(($run->('--wrong'))[0], 2, 'unknown argument');
	is(($run->('--help'))[0], 0);

	my $tls = "[tls]\ncertificate = $dir/cert.pem\nkey = $dir/key.pem\n";
	my @bad = (
		["[listen]\nport = 1\nprot = 2\n", qr/:3: unknown setting listen\.prot/],
		["[lisen]\nport = 1\n", qr/:2: unknown setting lisen\.port/],
		["[listen]\nport = 70000\n", qr/:2: listen\.port: 70000 is outside 0 \.\. 65535/],
		["[listen]\nport = x1\n", qr/:2: listen\.port: "x1" is not a whole number/],
		["[listen]\ncleartext = maybe\n", qr/:2: listen\.cleartext: "maybe" is neither true nor false/],
		["[listen]\nport = 1\nport = 2\n", qr/:3: listen\.port is already set in line 2/],
		["[listen]\nnonsense\n", qr/:2: neither a \[section\] nor/],
		["[listen]\nhost = " . 'x' x 300 . "\n", qr/:2: line longer than/],
		["[log]\nlevel = loud\n", qr/log\.level/],
		["[listen]\nport = 0\n", qr/tls\.certificate and tls\.key are required/],
		["[tls]\ncertificate = $dir/none\nkey = $dir/key.pem\n", qr/none/]);
	for my $case (@bad)
	{
		spew("$dir/bad.ini", $case->[0]);
		($code, $text) = $run->('--check-config', '--config', "$dir/bad.ini");
		is($code, 1);
		like($text, $case->[1]);
	}
	is(($run->('--check-config', '--config', "$dir/absent.ini"))[0], 1, 'no such file');
	spew("$dir/good.ini", "${tls}[probe]\npassword = canary\n  goes on\n");
	is(($run->('--check-config', '--config', "$dir/good.ini"))[0], 0);
	local $ENV{GROUPSHARE_PROBE_LISTEN_PORT} = '4321';
	($code, $text) = $run->('--dump-config', '--config', "$dir/good.ini");
	like($text, qr/^port = 4321$/m, 'the environment overrides');
	like($text, qr/^password = \*\*\*$/m);
	unlike($text, qr/canary/);
	spew("$dir/dump.ini", $text);
	is(($run->('--check-config', '--config', "$dir/dump.ini"))[0], 0, 'a dump is a valid file');
};

# Requests -----------------------------------------------------------------------------------------------------------

my $tls = start({}, 'process.workers' => 2, 'probe.password' => 'canary');

subtest 'requests' => sub {
	my ($status, $head, $body) = curl($tls, '/healthz');
	is($status, 200);
	is($body, '{"status":"ok"}');
	like($head, qr/^x-request-id: [0-9a-f]{16}-\w+\r$/m);
	like($head, qr/^date: \w{3}, /m);
	is((curl($tls, '/readyz'))[0], 200);
	($status, $head, $body) = curl($tls, '/healthz', '-H', 'x-request-id: my.Id-1_');
	like($head, qr/^x-request-id: my\.Id-1_\r$/m, 'a well formed id is taken');
	($status, $head, $body) = curl($tls, '/healthz', '-H', 'x-request-id: a b');
	unlike($head, qr/a b/, 'another is not');

	($status, $head, $body) = curl($tls, '/healthz', '-I');
	is("$status $body", "200 $head", 'HEAD: no body, so curl keeps the head twice');
	like($head, qr/^content-length: 15\r$/m);
	is((curl($tls, '/source?size=1000000', '-I'))[0], 200, 'HEAD of a source');

	($status, $head, $body) = curl($tls, '/healthz', '-X', 'OPTIONS');
	is("$status $body", '204 ');
	like($head, qr/^allow: GET, HEAD, OPTIONS\r$/m);
	($status, $head, $body) = curl($tls, '/echo', '-X', 'DELETE');
	is($status, 405);
	like($head, qr/^allow: POST, OPTIONS\r$/m);
	like($head, qr{^content-type: application/problem\+json\r$}m);
	($status, $head, $body) = curl($tls, '/nothing');
	is($status, 404);
	like($body, qr/"type":"urn:groupshare:problem:not_found","title":"Not Found","status":404,"code":"not_found"/);

	($status, $head, $body) = curl($tls, '/echo', '--data-binary', "a\0b");
	is($body, 'a', 'curl cuts there');
	($status, $head, $body) = curl($tls, '/echo/a%2Fb%20%C3%A4?name=%2B86+1', '-H', 'authorization: bearer t.o.k');
	is($status, 200);
	like($head, qr/^x-item: a\/b \xc3\xa4\r$/m, 'path parameter');
	like($head, qr/^x-name: \+86\+1\r$/m, 'query parameter, plus stays plus');
	like($head, qr/^x-bearer: t\.o\.k\r$/m);
	is((curl($tls, '/echo/a%0d%0ab'))[0], 0, 'no line break gets into an answer');
	like((curl($tls, '/echo', '-d', 'x', '-H', 'expect: 100-continue'))[1], qr/^HTTP\/2 100 .*^HTTP\/2 200 /ms, 'expect');
	like((curl($tls, '/echo/fixed'))[2], qr/^\d+$/, 'a literal segment goes before a parameter');
	for my $path ('/echo/%', '/echo/%4', '/echo/%zz', '/echo/%00', '/echo/%c3', '/echo/%ed%a0%80', '/echo/%c0%af',
		"/echo/\xff", '/pid?a=1&a=2', '/pid?=1', '/pid?a=%', '/pid?a&&b', '/pid?a=%00', '/pid?' . join('&', map "a$_", 1 .. 33))
	{
		is((curl($tls, $path))[0], 400, "refused: " . ($path =~ s/[^ -~]/?/gr));
	}
	is((curl($tls, '/pid?' . join('&', map "a$_", 1 .. 32)))[0], 200);
	is((curl($tls, '/pid?' . 'a' x 4091))[0], 200, 'a target of 4096 bytes');
	is((curl($tls, '/pid?' . 'a' x 4092))[0], 414, 'of 4097');
	is((curl($tls, '/pid', '-H', 'x: ' . 'a' x 15000))[0], 200, 'a large header');
	is((curl($tls, '/pid', '-H', 'x: ' . 'a' x 16384))[0], 431, 'too large');
	is((curl($tls, '/pid', map { ('-H', "x$_: a") } 1 .. 50))[0], 200);
	is((curl($tls, '/pid', map { ('-H', "x$_: a") } 1 .. 70))[0], 431, 'too many');
};

subtest 'bodies' => sub {
	my $size = 100 * 1024 * 1024;
	my ($status, $head, $body) = curl($tls, "/source?size=$size");
	is(length $body, $size);
	my $sum = sha256_hex($body);
	spew("$dir/up", $body);
	is($sum, sha256_hex(pack('C*', map { ($_ * 31 >> 3) & 255 } 0 .. 2047) x ($size / 2048)), 'what was to come');
	is((curl($tls, '/sink', '--data-binary', "\@$dir/up"))[2], "$size $sum", 'the same up');
	is((curl($tls, '/sink', '-X', 'POST', '-T', "$dir/up", '-H', 'content-length:'))[2], "$size $sum", 'without a length');
	is((curl($tls, '/sink', '--data-binary', ''))[2], '0 ' . sha256_hex(''), 'nothing');
	is((curl($tls, '/source?size=0'))[0], 200);
	is(length((curl($tls, '/source?size=3000000&unknown=1'))[2]), 3000000, 'length not known before');
	is((curl($tls, '/source?size=2000000&fail=1000000', '-o', '/dev/null', '-w', '%{exitcode}'))[0], 200);
	isnt(length((curl($tls, '/source?size=2000000&fail=1000000'))[2]), 2000000, 'a failing source is no complete answer');

	spew("$dir/64k", 'x' x 65536);
	spew("$dir/64k1", 'x' x 65537);
	is(length((curl($tls, '/echo', '--data-binary', "\@$dir/64k"))[2]), 65536, 'collected up to the limit');
	is((curl($tls, '/echo', '--data-binary', "\@$dir/64k1"))[0], 413, 'announced past it');
	is((curl($tls, '/echo', '-X', 'POST', '-T', "$dir/64k1", '-H', 'content-length:'))[0], 413, 'found past it');
	for my $path ('/echo', '/refuse', '/nothing')
	{
		isnt((curl($tls, $path, '--data-binary', "\@$dir/up"))[0], 0, "$path: answered before the end of 100 MiB");
	}
};

subtest 'many streams on few connections' => sub {
	plan skip_all => 'no h2load' if system('which h2load >/dev/null 2>&1') != 0;
	my $out = `h2load -n 20000 -c 4 -m 50 https://127.0.0.1:$tls->{port}/echo/x 2>&1`;
	like($out, qr/20000 succeeded, 0 failed, 0 errored/);
	$out = `h2load -n 2000 -c 4 -m 50 -d $dir/64k https://127.0.0.1:$tls->{port}/echo 2>&1`;
	like($out, qr/2000 succeeded, 0 failed, 0 errored/);
	like($out, qr/status codes: 2000 2xx/);
	$out = `h2load -n 100 -c 2 -m 20 'https://127.0.0.1:$tls->{port}/source?size=5000000' 2>&1`;
	like($out, qr/100 succeeded, 0 failed, 0 errored/);
};

subtest 'TLS' => sub {
	my $client = sub { return scalar `echo | openssl s_client -connect 127.0.0.1:$tls->{port} @_ 2>&1`; };
	like($client->('-alpn', 'h2'), qr/ALPN protocol: h2/);
	like($client->('-alpn', 'http/1.1'), qr/no application protocol/, 'another protocol is refused');
	my $out = $client->('-ign_eof');
	like($out, qr/No ALPN negotiated/, 'none at all: the connection ends');
	unlike($client->('-tls1_1', '-alpn', 'h2'), qr/ALPN protocol: h2/, 'TLS 1.1');
	like($client->('-tls1_2', '-alpn', 'h2'), qr/Cipher\s+: ECDHE-ECDSA-AES128-GCM/);
	like($client->('-alpn', 'h2'), qr/Cipher is TLS_AES_128_GCM_SHA256/, 'the faster cipher, though the client would begin with another');
	is((curl({ %$tls, settings => { 'listen.cleartext' => 'true' } }, '/healthz'))[0], 0, 'HTTP/2 without TLS: only where a setting allows it');
	is((curl($tls, '/healthz'))[0], 200);
};

subtest 'metrics and log' => sub {
	my $body = (curl($tls, '/metrics'))[2];
	like($body, qr/^groupshare_http_requests_total\{class="2xx"\} [1-9]/m);
	like($body, qr/^groupshare_http_request_duration_seconds_bucket\{le="\+Inf"\} [1-9]/m);
	like($body, qr/^groupshare_tls_certificate_expiry_seconds\{\} \d{10}$/m, 'the end of a certificate is not summed up');
	like($body, qr/^groupshare_workers\{\} 2$/m, 'both workers are in it');
	# Whichever worker answers, its answer counts every request before it, and at least itself later.
	my $taken = sub { return (curl($tls, '/metrics'))[2] =~ /^groupshare_http_connections_total\{\} (\d+)$/m ? $1 : die };
	my ($first, %pids) = ($taken->());
	for my $more (1 .. 12)
	{
		$pids{ (curl($tls, '/pid'))[2] }++;
		is($taken->(), $first + 2 * $more, "connections of both workers are counted ($more)");
	}
	is(scalar(keys %pids), 2, 'there were some of both');
	is(scalar(() = $body =~ /^# TYPE groupshare_http_requests_total /mg), 1, 'one TYPE a name');
	curl($tls, '/pid?ticket=canary', '-H', 'authorization: Bearer canary');
	my $log = slurp($tls->{log});
	like($log, qr/msg=request method=GET path=\/pid status=200 complete=yes bytes=\d+ received=0 duration_ms=\d+ peer=127\.0\.0\.1$/m);
	my %logged = map { $_ => 1 } $log =~ /^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=info prog=\S+ pid=(\d+) req=\S+ msg=request method=GET path=\/pid /mg;
	is(join(' ', sort keys %logged), join(' ', sort map { s/\s//gr } keys %pids), 'each worker logs its own number');
	unlike($log, qr/canary/, 'no secret in the log');
	unlike($log, qr/broken length|open handles/);
};

# Master and workers -------------------------------------------------------------------------------------------------

subtest 'reload' => sub {
	my $certificate = sub { my ($print) = `echo | openssl s_client -connect 127.0.0.1:$tls->{port} -alpn h2 2>/dev/null | openssl x509 -noout -serial`; return $print; };
	my $before = $certificate->();
	spew($tls->{ini}, "[listen]\nprot = 1\n");
	kill 'HUP', $tls->{pid};
	ok(wait_for(sub { slurp($tls->{log}) =~ /not reloaded, the old ones stay.*:2: unknown setting listen\.prot/ }), 'bad settings: the reason');
	is((curl($tls, '/healthz'))[0], 200, 'and the old ones stay');
	is($certificate->(), $before);
	system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3 -subj /CN=localhost "
		  . "-addext subjectAltName=IP:127.0.0.1 -keyout $dir/key.pem -out $dir/cert.pem 2>/dev/null");
	write_ini($tls->{ini}, %{ $tls->{settings} });
	kill 'HUP', $tls->{pid};
	ok(wait_for(sub { 2 <= (() = slurp($tls->{log}) =~ /msg="settings reloaded"/g) }), 'good settings, in both workers');
	isnt($certificate->(), $before, 'a new certificate');
	is((curl($tls, '/healthz'))[0], 200);
};

subtest 'a dead worker' => sub {
	my $pid = worker_pid($tls);
	kill 'KILL', $pid;
	ok(wait_for(sub { slurp($tls->{log}) =~ /msg="worker died" worker=$pid how="signal 9/ }), 'is reported');
	is((curl($tls, '/healthz'))[0], 200) for 1 .. 8;
	my %seen;
	ok(wait_for(sub { $seen{ worker_pid($tls) } = 1; keys %seen == 2 }), 'and replaced');
	ok(!$seen{$pid});
};

subtest 'port in use' => sub {
	is(start({}, 'listen.port' => $tls->{port}), undef, 'a second daemon does not start');
	like(slurp("$dir/daemon$count.log"), qr/cannot listen on 127\.0\.0\.1 port \d+: Address already in use/);
};

subtest 'workers do not start' => sub {
	is(start({}, 'probe.fail' => 'true', 'process.workers' => 2), undef, 'neither does the daemon');
	like(slurp("$dir/daemon$count.log"), qr/worker did not start/);
};

subtest 'drain' => sub {
	my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/notify") or die;
	my $heard = '';
	my $hear = sub { my $text; $notify->blocking(0); while (defined recv($notify, $text, 4096, 0)) { $heard .= "$text\n"; } return $heard; };
	my $daemon = start({ NOTIFY_SOCKET => "$dir/notify", WATCHDOG_USEC => 400000 });
	ok(wait_for(sub { $hear->() =~ /^READY=1$/m }), 'the service manager hears READY');
	ok(wait_for(sub { $hear->() =~ /^WATCHDOG=1$/m }), 'and WATCHDOG');
	kill 'HUP', $daemon->{pid};
	ok(wait_for(sub { $hear->() =~ /^RELOADING=1\nMONOTONIC_USEC=\d+\nREADY=1$/m }), 'and RELOADING');
	my $size = 200 * 1024 * 1024;
	my @loads = map {
		my $pid = fork // die;
		exec('curl', '-sS', '--http2', '--cacert', "$dir/cert.pem", '--limit-rate', '150M', '-o', "$dir/load$_", "https://127.0.0.1:$daemon->{port}/source?size=$size") if $pid == 0;
		$pid
	} 1 .. 2;
	ok(wait_for(sub { (-s "$dir/load1" // 0) > 0 && (-s "$dir/load2" // 0) > 0 }), 'two downloads run');
	kill 'TERM', $daemon->{pid};
	ok(wait_for(sub { $hear->() =~ /^STOPPING=1$/m }), 'and STOPPING');
	for my $pid (@loads) { waitpid($pid, 0); is($?, 0, 'a running download ends well'); }
	is(-s "$dir/load$_", $size) for 1 .. 2;
	is(ended($daemon), 0, 'exit code');
	ok(!-e $daemon->{port_file}, 'no port file is left');
	unlink "$dir/load1", "$dir/load2";

	$daemon = start({}, 'process.drain_timeout_ms' => 300);
	my $hang = fork // die;
	exec('curl', '-s', '--http2', '--cacert', "$dir/cert.pem", '-m', $patience, "https://127.0.0.1:$daemon->{port}/hang") if $hang == 0;
	ok(wait_for(sub { (curl($daemon, '/counts'))[2] eq '1 0' }), 'a request that hangs');
	is(stop($daemon), 0);
	like(slurp($daemon->{log}), qr/drain timeout/, 'is ended by the deadline');
	waitpid($hang, 0);

	$daemon = start({}, 'process.drain_timeout_ms' => 600000);
	$hang = fork // die;
	exec('curl', '-s', '--http2', '--cacert', "$dir/cert.pem", '-m', $patience, "https://127.0.0.1:$daemon->{port}/hang") if $hang == 0;
	ok(wait_for(sub { (curl($daemon, '/counts'))[2] eq '1 0' }));
	kill 'TERM', $daemon->{pid};
	ok(wait_for(sub { slurp($daemon->{log}) =~ /msg=draining/ }));
	is(stop($daemon), 0, 'TERM again: at once');
	waitpid($hang, 0);

	# Whoever is in the backlog believes to be connected; a turn of the loop takes 64 of them.
	$daemon = start({}, 'listen.cleartext' => 'true', 'limits.max_connections_per_address' => 1000);
	my $worker = worker_pid($daemon);
	my $c = h2($daemon);
	h2_send($c, ask($c, 1, request(GET => '/healthz')));
	is(answer_to($c, 1), 200);
	kill 'STOP', $worker;
	my @waiting = map { h2($daemon) } 1 .. 150;
	h2_send($_, ask($_, 1, request(GET => "/pid"))) for @waiting;
	kill 'TERM', $daemon->{pid};
	ok(wait_for(sub { slurp($daemon->{log}) =~ /msg=ending/ }));
	kill 'CONT', $worker;
	my $notice = h2_until($c, sub { $_[0]{type} == GOAWAY });
	is($notice && unpack('N', $notice->{payload}), 0x7fffffff, 'a drain is first announced: what is on its way is still taken');
	my $last = h2_until($c, sub { $_[0]{type} == GOAWAY });
	is($last && unpack('N', $last->{payload}), 1, 'then the last request is named');
	is(scalar(grep { answer_to($_, 1) eq '200' } @waiting), 150, 'who waited to be accepted is answered');
	is(ended($daemon), 0);
};

subtest 'a service manager that does not read' => sub {
	my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/deaf") or die;
	my $daemon = start({ NOTIFY_SOCKET => "$dir/deaf", WATCHDOG_USEC => 400000 });
	my $filler = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => "$dir/deaf") or die;
	$filler->blocking(0);
	1 while defined send($filler, 'full', 0);
	ok($!{EAGAIN}, 'its queue is full');
	is((curl($daemon, '/healthz'))[0], 200);
	is(stop($daemon), 0, 'is not waited for at the end');
	like(slurp($daemon->{log}), qr/service manager was not told/, 'and it is said');
};

subtest 'the master is killed' => sub {
	my $daemon = start({}, 'process.workers' => 2);
	kill 'KILL', $daemon->{pid};
	ended($daemon);
	ok(wait_for(sub { 2 <= (() = slurp($daemon->{log}) =~ /msg="worker ended"/g) }), "its workers end") or diag(slurp($daemon->{log}));
};

is(stop($tls), 0, 'end');

# Hostile peers ------------------------------------------------------------------------------------------------------

my $clear = start({}, 'listen.cleartext' => 'true', 'log.level' => 'warn', 'limits.max_connections_per_address' => 20);
my $pid = worker_pid($clear);

sub ask { my ($c, $stream, $block, $flags) = @_; return frame(HEADERS, END_HEADERS | ($flags // END_STREAM), $stream, $block); }

subtest 'cleartext' => sub {
	is((curl($clear, '/healthz'))[0], 200);
	my $c = h2($clear);
	h2_send($c, ask($c, 1, request(GET => '/healthz')));
	is(answer_to($c, 1), 200);
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $clear->{port});
	print $socket "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	$c = { socket => $socket, in => '', frames => [] };
	isnt(h2_goaway_code($c), 'still open', 'HTTP/1.1 is turned away');
};

subtest 'malformed requests' => sub {
	my @cases = (
		['connection header', 'reset', request(GET => '/pid', connection => 'close')],
		['transfer-encoding', 'reset', request(POST => '/echo', 'transfer-encoding' => 'chunked')],
		['upper case name', 'reset', request(GET => '/pid', 'X-A' => 'b')],
		['CR in a value', 400, request(GET => '/pid', 'x-a' => "b\rc")],
		['LF in a value', 400, request(GET => '/pid', 'x-a' => "b\nc")],
		['NUL in a value', 400, request(GET => '/pid', 'x-a' => "b\0c")],
		['no path', 'reset', field(':method', 'GET') . field(':scheme', 'http') . field(':authority', 'x')],
		['two paths', 'reset', request(GET => '/pid') . field(':path', '/x')],
		['pseudo field late', 'reset', field('a', 'b') . request(GET => '/pid')],
		['relative path', 'reset', request(GET => 'pid')],
		['content-length no number', 'reset', request(POST => '/echo', 'content-length' => '1x')],
		['two content-lengths', 'reset', request(POST => '/echo', 'content-length' => '1', 'content-length' => '2')],
		['content-length without body', 'reset', request(POST => '/sink', 'content-length' => '5')]);
	for my $case (@cases)
	{
		my $c = h2($clear);
		h2_send($c, ask($c, 1, $case->[2]));
		is(answer_to($c, 1), $case->[1], $case->[0]);
	}
	my $c = h2($clear);
	h2_send($c, ask($c, 1, request(POST => '/sink', 'content-length' => '2'), 0) . frame(DATA, END_STREAM, 1, 'abc'));
	is(answer_to($c, 1), 'reset', 'more body than announced');
	h2_send($c, ask($c, 3, request(GET => '/pid')));
	is(answer_to($c, 3), 200, 'the connection lives on');
};

# The daemon must close `c`; begun requests must all have been closed, and it still serves.
sub closed_by_limits
{
	my ($c, $what) = @_;
	isnt(h2_goaway_code($c), 'still open', "$what: closed");
	is((curl($clear, '/healthz'))[0], 200, "$what: others are served");
	ok(wait_for(sub { my ($b, $e) = split / /, (curl($clear, '/counts'))[2]; $b == $e }), "$what: all requests closed");
}

subtest 'resets' => sub {
	my ($before) = split / /, (curl($clear, '/counts'))[2];
	my $c = h2($clear);
	my $sent = 0;
	for my $i (0 .. 199)
	{
		my $bytes = join '', map { my $s = 2 * ($i * 100 + $_) + 1; ask($c, $s, request(GET => '/hang')) . frame(RST, 0, $s, pack('N', 8)) } 0 .. 99;
		last unless h2_send($c, $bytes);
	}
	closed_by_limits($c, 'rapid reset');
	my ($after) = split / /, (curl($clear, '/counts'))[2];
	cmp_ok($after - $before, '<=', 150, 'few requests were begun');

	my %errors = (
		'window update of 0' => sub { ask($c, $_[0], request(POST => '/hang'), 0) . frame(WINDOW, 0, $_[0], pack('N', 0)) },
		'window overflow' => sub { ask($c, $_[0], request(GET => '/hang')) . frame(WINDOW, 0, $_[0], pack('N', 0x7fffffff)) },
		'no path' => sub { ask($c, $_[0], field(':method', 'GET') . field(':scheme', 'http')) },
		'connection field' => sub { ask($c, $_[0], request(GET => '/hang', connection => 'x')) },
		'body past its length' => sub { ask($c, $_[0], request(POST => '/sink', 'content-length' => 1), 0) . frame(DATA, 0, $_[0], 'abc') },
		'data after the end' => sub { ask($c, $_[0], request(GET => '/hang')) . frame(DATA, 0, $_[0], 'abc') });
	for my $what (sort keys %errors)
	{
		$c = h2($clear);
		$c->{seen} = {};
		for my $i (0 .. 49) { last unless h2_send($c, join '', map { $errors{$what}->(2 * ($i * 100 + $_) + 1) } 0 .. 99); }
		closed_by_limits($c, $what);
		cmp_ok($c->{seen}{ +RST } // 0, '<=', 300, "$what: few resets were sent");
	}
};

subtest 'floods' => sub {
	my %floods = (
		ping => frame(PING, 0, 0, '12345678'),
		settings => frame(SETTINGS, 0, 0, ''),
		'settings with values' => frame(SETTINGS, 0, 0, pack('nN', 4, 65535) x 20),
		priority => frame(PRIORITY, 0, 1, pack('NC', 3, 1)),
		'window update' => frame(WINDOW, 0, 0, pack('N', 1)),
		'empty data' => frame(DATA, 0, 1, ''),
		'tiny data' => frame(DATA, 0, 1, 'x'),
		'padding' => frame(DATA, 8, 1, "\x20" . "\0" x 32),
		'unknown frames' => frame(0xfa, 0, 0, ''),
		'large unknown frames' => frame(0xfa, 0, 0, 'x' x 1000),
		'empty continuations' => frame(CONTINUATION, 0, 3, ''));
	for my $what (sort keys %floods)
	{
		for my $deaf (0, 1)
		{
			my $c = h2($clear);
			$c->{deaf} = $deaf;
			my $name = $what . ($deaf ? ', not reading' : '');
			h2_send($c, ask($c, 1, request(POST => '/sink'), 0));
			h2_send($c, frame(HEADERS, 0, 3, request(POST => '/sink'))) if $what =~ /continuation/;
			my $some = $floods{$what} x 1000;
			for (1 .. 200) { last unless h2_send($c, $some); }
			$c->{deaf} = 0;
			closed_by_limits($c, $name);
		}
	}
	my $c = h2($clear);
	my $block = request(GET => '/pid');
	h2_send($c, ask($c, 1, "\x40" . literal('x') . literal('y' x 4000) . $block . "\xbe" x 10000));
	like(answer_to($c, 1), qr/^(reset|closed|431|huffman.*)$/, 'HPACK bomb');
	$c = h2($clear);
	h2_send($c, ask($c, 1, $block . "\x40" . literal('x') . literal('y' x 4000) . "\xbe" x 10000));
	isnt(answer_to($c, 1), 200, 'HPACK bomb');
	is((curl($clear, '/healthz'))[0], 200);
	cmp_ok(memory_kb($pid), '<', $sanitized ? 1 << 20 : 64 * 1024, 'memory stayed bounded');
	is(worker_pid($clear), $pid, 'still the same worker');
};

subtest 'an honest client is no flood' => sub {
	my $c = h2($clear);
	h2_send($c, ask($c, 1, request(GET => '/source?size=20000000')));
	my $got = 0;
	my $f = h2_until($c, sub {
			my ($frame) = @_;
			return 1 if $frame->{type} == GOAWAY || $frame->{type} == RST;
			return 0 unless $frame->{type} == DATA;
			my $size = length $frame->{payload};
			$got += $size;
			h2_send($c, frame(WINDOW, 0, 0, pack('N', $size)) . frame(WINDOW, 0, 1, pack('N', $size))) if $size;
			return $frame->{flags} & END_STREAM;
	});
	is($got, 20000000, 'two window updates for each frame of body');
	h2_send($c, frame(SETTINGS, ACK, 0, '') . ask($c, 3, request(POST => '/sink'), 0));
	h2_send($c, frame(DATA, 0, 3, 'x' x 512) x 100) for 1 .. 60;
	h2_send($c, frame(DATA, END_STREAM, 3, ''));
	is(answer_to($c, 3), 200, '3 MB in frames of 512 bytes');
};

subtest 'bodies of requests that were answered early' => sub {
	my $c = h2($clear);
	h2_until($c, sub { $_[0]{type} == SETTINGS });
	h2_send($c, frame(SETTINGS, ACK, 0, ''));
	for my $i (0 .. 39)    # 20 MB through a connection window of 16 MiB, none of them for a handler
	{
		h2_send($c, ask($c, 2 * $i + 1, request(POST => '/refuse'), 0) . frame(DATA, 0, 2 * $i + 1, 'x' x 10000) x 50);
		h2_until($c, sub { $_[0]{stream} == 2 * $i + 1 && $_[0]{flags} & END_STREAM }) or last;
	}
	h2_send($c, ask($c, 101, request(GET => '/pid')));
	is(answer_to($c, 101), 200, 'do not use up the connection window');
	$c = h2($clear);
	h2_send($c, ask($c, 1, request(POST => '/refuse'), 0));
	my $reset = h2_until($c, sub { $_[0]{type} == RST });
	is(unpack('N', $reset->{payload}), 0, 'and are ended by RST_STREAM without error');
};

subtest 'connections per address' => sub {
	my @open = map { h2($clear) } 1 .. 30;
	my $refused = 0;
	for my $c (@open)
	{
		h2_send($c, ask($c, 1, request(GET => '/healthz')));
		$refused++ if answer_to($c, 1) ne '200';
	}
	cmp_ok($refused, '>=', 10, 'some are refused');
	cmp_ok($refused, '<', 30, 'not all');
	close $_->{socket} for @open;
	ok(wait_for(sub { (curl($clear, '/healthz'))[0] == 200 }), 'they make room');
};

is(stop($clear), 0, 'end');

subtest 'timeouts' => sub {
	my $daemon = start({}, 'listen.cleartext' => 'true', 'log.level' => 'debug', map { ("limits.${_}_timeout_ms" => 300) } qw(header idle send_stall));
	my $c = h2($daemon);
	is(h2_goaway_code($c), 0, 'an idle connection: GOAWAY without error');
	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $daemon->{port});
	isnt(h2_goaway_code({ socket => $socket, in => '', frames => [] }), 'still open', 'no preface');
	$c = h2($daemon);
	h2_send($c, frame(HEADERS, END_STREAM, 1, request(GET => '/hang')));
	is(h2_goaway_code($c), 11, 'half a header block');
	$c = h2($daemon);
	h2_send($c, ask($c, 1, request(GET => '/pid')) . frame(HEADERS, END_STREAM, 3, request(GET => '/hang')));
	is(answer_to($c, 1), 200, 'an answer behind which half a header block waits');
	is(h2_goaway_code($c), 11, 'does not end its time');
	$c = h2($daemon);
	h2_send($c, ask($c, 1, request(POST => '/sink'), 0));
	is(answer_to($c, 1), 'reset', 'a body that does not come');
	$c = h2($daemon);
	h2_send($c, frame(SETTINGS, 0, 0, pack('nN', 4, 0)) . ask($c, 1, request(GET => '/source?size=100000')));
	is(answer_to($c, 1), 200);
	is(answer_to($c, 1), 'reset', 'a window that does not open');
	$c = h2($daemon);
	$c->{deaf} = 1;
	h2_send($c, frame(SETTINGS, 0, 0, pack('nN', 4, 0x7fffffff)) . frame(WINDOW, 0, 0, pack('N', 0x7fff0000 - 65535)) . ask($c, 1, request(GET => '/source?size=1000000000')));
	ok(wait_for(sub { slurp($daemon->{log}) =~ /send stalled/ }), 'an answer that is not read');
	is((curl($daemon, '/counts'))[2], '3 3', 'all requests closed');
	is(stop($daemon), 0);

	$daemon = start({}, 'listen.cleartext' => 'true', 'log.level' => 'debug', 'limits.min_body_rate_bytes' => 2000);
	my ($up, $down, $fast) = map { h2($daemon) } 1 .. 3;
	h2_send($up, ask($up, 1, request(POST => '/sink'), 0));
	h2_send($down, frame(SETTINGS, 0, 0, pack('nN', 4, 1)) . ask($down, 1, request(GET => '/source?size=100000')));
	h2_send($fast, frame(SETTINGS, ACK, 0, '') . ask($fast, 1, request(POST => '/sink'), 0));
	my $end = time + $patience;
	# A little progress all the time, so nothing stalls. One round in ten seconds is fast enough, a hundred are not for the slow.
	while (time < $end && !($up->{broken} && $down->{broken}))
	{
		h2_send($up, frame(DATA, 0, 1, 'x')) unless $up->{broken};
		h2_send($down, frame(WINDOW, 0, 1, pack('N', 1))) unless $down->{broken};
		h2_send($fast, frame(DATA, 0, 1, 'x' x 16384) x 2);
		for my $c ($up, $down, $fast) { $c->{socket}->blocking(0); h2_read($c); }
		sleep 0.1;
	}
	is(h2_goaway_code($up), 11, 'a slow upload');
	is(h2_goaway_code($down), 11, 'a slow download');
	h2_send($fast, frame(DATA, END_STREAM, 1, ''));
	is(answer_to($fast, 1), 200, 'not the one that is fast enough');
	is(stop($daemon), 0);

	$daemon = start({}, 'log.level' => 'debug', 'limits.handshake_timeout_ms' => 300);
	$socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $daemon->{port});
	print $socket "\x16\x03\x01";
	isnt(h2_goaway_code({ socket => $socket, in => '', frames => [] }), 'still open', 'half a handshake');
	is(stop($daemon), 0);
};

for my $log (glob "$dir/*.log")
{
	unlike(slurp($log), qr/Sanitizer|runtime error|Assertion|open handles/, "$log is clean") or diag(slurp($log));
}

done_testing();
