# SPDX-License-Identifier: PostgreSQL
# put goes on where the device stands: after a break, in another process, with a new ticket, on another device; and streams.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage qw(notice large_file);
use Digest::SHA qw(sha256_hex);

my $MIB = 1 << 20;
my $cs  = new_control_server(name => 'cs1');
my %device;
$device{$_} = add_device(servers => [$cs], name => $_, location => "eu/$_", capacity => 1024 * $MIB) for qw(near far);
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_person('ann@example.org', gateway => $gateway, server => $cs);
$cs->sql(q{UPDATE groupshare.terminal SET location = 'eu/near'});
$ann->ask('create', 'Ours', '--join', 'anyone');
my $owner = { cs => $cs, identifier => 'ann@example.org' };
my $file  = large_file(60);
my $sha   = sha256_file($file);
my $bytes = slurp($file);

sub patch {
    my ($upload, $offset, $content) = @_;
    my $answer = http('PATCH', $upload->{url}, token => $upload->{ticket}, body => $content,
        headers => [ 'upload-offset' => $offset, 'upload-complete' => '?0', 'content-type' => 'application/partial-upload' ]);
    is($answer->{status}, 204, 'a part from elsewhere') or diag($answer->{body});
    return;
}

# Bytes that uploads have brought by PATCH since the mark.
sub brought_since {
    my ($device, $mark) = @_;
    my $sum = 0;
    $sum += $_ for substr($device->log, $mark) =~ /method=PATCH .*?received=(\d+)/g;
    return $sum;
}

sub listed { my ($name) = @_; return (grep { $_->{name} eq $name } @{ $ann->ask('ls')->{shares} })[0] }

# A put that is fed by the test: $feed->(bytes) writes, $feed->() ends the input.
sub streaming {
    my (@arguments) = @_;
    my $fifo = scratch('fifo') . '/in';
    run_ok('mkfifo', $fifo);
    my $process = GroupShare::Process->start(
        name => 'put', command => [ 'sh', '-c', 'exec "$@" < "$0"', $fifo, program('groupshare'), '--json', 'put', '-', @arguments ],
        log => scratch('put') . '/log', cwd => $ann->{cwd}, env => $ann->env);
    open my $in, '>:raw', $fifo or die "$fifo: $!";
    $in->autoflush;
    return ($process, sub {
        return close $in if !@_;
        local $SIG{PIPE} = 'IGNORE';
        return print {$in} $_[0];
    });
}

# What an earlier put has brought is not sent again.
my $upload = notice($owner, 60 * $MIB, name => 'film', sha256 => $sha);
patch($upload, 0, substr $bytes, 0, 30 * $MIB);
my $mark = length $device{near}->log;
my $put = $ann->ask('put', $file, '--as', 'film') or diag($ann->{said});
is_deeply([ @{$put}{qw(share sha256 state)} ], [ $upload->{share}, $sha, 'stored' ], 'put goes on');
is(brought_since($device{near}, $mark), 30 * $MIB, 'with the rest');
ok($ann->ask('put', $file, '--as', 'film')->{already}, 'again: it is there');

# All of it is there, and only the end is missing.
$upload = notice($owner, 60 * $MIB, name => 'end', sha256 => $sha);
patch($upload, 0, $bytes);
$mark = length $device{near}->log;
is($ann->ask('put', $file, '--as', 'end')->{state}, 'stored', 'put of what is there already');
is(brought_since($device{near}, $mark), 0, 'sends nothing');

# What was there was wrong: found out, dropped, sent again.
$upload = notice($owner, 60 * $MIB, name => 'wrong', sha256 => $sha);
patch($upload, 0, 'x' x (5 * $MIB));
is($ann->ask('put', $file, '--as', 'wrong')->{sha256}, $sha, 'wrong bytes of an earlier put') or diag($ann->{said});
is(listed('wrong')->{sha256}, $sha, 'do not stay');

# The client is killed on its way, and then the device.
my @command = (program('groupshare'), '--json', 'put', $file, '--as', 'killed');
for my $victim (qw(client device)) {
    my $process = GroupShare::Process->start(
        name => 'put', command => \@command, log => scratch('put') . '/log', cwd => $ann->{cwd}, env => $ann->env);
    $mark = length $device{near}->log;
    wait_for(sub { substr($device{near}->log, $mark) =~ /method=(?:HEAD|PATCH) / || !$process->alive }, 'the upload');
    if ($victim eq 'client') {
        $process->signal('KILL');
        $process->wait;
        next;
    }
    $process->signal('STOP');
    $device{near}->kill9;
    $process->signal('CONT');
    $device{near}->start;
    is($process->wait, 0, 'put goes on over a crash of the device') or diag($process->log);
}
is(listed('killed')->{sha256}, $sha, 'the same bytes');

# A device that was avoided after its crash is tried last until its next report.
wait_for(sub { $cs->sql(q{SELECT count(*) FROM groupshare.device_ledger WHERE epoch IS NOT NULL AND refused_at IS NULL}) eq keys %device }, 'the devices to report');

# A stream goes by pieces. Between two of them the device crashes; then its key is replaced, so that the ticket is none any more.
my ($process, $feed) = streaming('--as', 'stream', '--size', 60 * $MIB);
$mark = length $device{near}->log;
$feed->(substr $bytes, 0, 12 * $MIB);
wait_for(sub { brought_since($device{near}, $mark) >= 8 * $MIB }, 'the first pieces');
$device{near}->kill9;
$device{near}->start;
$feed->(substr $bytes, 12 * $MIB, 12 * $MIB);
$mark = length $device{near}->log;
wait_for(sub { brought_since($device{near}, $mark) >= 4 * $MIB }, 'pieces after the crash');
$upload = notice($owner, 1, name => 'old ticket');
$cs->sql(q{SELECT groupshare.rotate_device_key('near', true)});
wait_for(sub { http('HEAD', $upload->{url}, token => $upload->{ticket})->{status} == 401 }, 'the old key to be refused');
$feed->(substr $bytes, 24 * $MIB);
$feed->();
is($process->wait, 0, 'a stream of known size') or diag($process->log);
is(listed('stream')->{sha256}, $sha, 'the same bytes, over a crash of the device and with a new ticket');
like($device{near}->log, qr/method=PATCH .*status=401/, 'which was needed');

# A stream is none of the earlier one's business, nor of what is stored by its name.
$upload = notice($owner, 9 * $MIB, name => 'anew');
patch($upload, 0, 'x' x $MIB);
($process, $feed) = streaming('--as', 'anew', '--size', 9 * $MIB);
$feed->(substr $bytes, 0, 9 * $MIB);
$feed->();
is($process->wait, 0, 'a stream after one that broke off') or diag($process->log);
is(listed('anew')->{sha256}, sha256_hex(substr $bytes, 0, 9 * $MIB), 'has only its own bytes');
($process, $feed) = streaming('--as', 'film', '--size', 60 * $MIB);
$feed->();
is($process->wait >> 8, 5, 'a stream by the name of something stored');
ok(listed('film'), 'does it no harm');

# Not as many bytes as was said: not shared, and the name is free.
for my $case ([ 'too few', 9 * $MIB - 1 ], [ 'too many', 9 * $MIB + 1 ], [ 'none', 0 ]) {
    my ($what, $size) = @{$case};
    ($process, $feed) = streaming('--as', 'size', '--size', 9 * $MIB);
    $feed->(substr $bytes, 0, $size);
    $feed->();
    is($process->wait >> 8, 1, "$what bytes");
    ok(!listed('size'), 'are not shared');
}
spit("$ann->{cwd}/size", 'small');
is($ann->ask('put', 'size')->{size}, 5, 'the name is free');
($process, $feed) = streaming('--as', 'zero', '--size', 0);
$feed->();
is($process->wait, 0, 'a stream of nothing') or diag($process->log);

# The device that holds a part is away for good: another one gets all of it.
$upload = notice($owner, 60 * $MIB, name => 'moved', sha256 => $sha);
patch($upload, 0, substr $bytes, 0, 10 * $MIB);
$device{near}->stop;
$put = $ann->ask('put', $file, '--as', 'moved') or diag($ann->{said});
is_deeply([ @{$put}{qw(device sha256)} ], [ 'far', $sha ], 'another device gets all of it');

done_testing;
