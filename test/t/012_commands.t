# SPDX-License-Identifier: PostgreSQL
# make demo, make up and make down, by their scripts: they do it all, and leave nothing running and nothing behind.
use GroupShare::Test;
use GroupShare::Process;

my %own = (GS_TEST_RUN => undef, GS_SQL_HOST => undef);    # as a user starts them: outside of a test run
my $bin = root() . '/test/bin';

sub nothing_left {
    my ($dir, $what) = @_;
    is(run_ok("$bin/servers", 'list', $dir), '', "$what: nothing is left running");
    is(join(' ', glob "$dir/*"), '', "$what: no file is left");
    return;
}

# The demo, with a file of the user's, whose name is not only letters.
my $tmp  = scratch('demo');
my $file = random_file(3 << 20) . " \xc3\xa9 it's \$x \"q\".mkv";
rename $file =~ s/ .*//sr, $file or die "$file: $!";
my ($status, $out, $err) = run({ command => ["$bin/demo"], env => { %own, TMPDIR => $tmp, FILE => $file } });
is($status, 0, 'the demo ends well') or diag($out, $err);
like($out, qr/everything as it should be/, 'and says so');
nothing_left($tmp, 'demo');

# The same, broken off by Ctrl-C.
my $demo = GroupShare::Process->start(
    name => 'demo', command => ["$bin/demo"], log => scratch('log') . '/log', cwd => root(),
    env => { %own, TMPDIR => $tmp, FILE => $file });
wait_for(sub { $demo->log =~ /^starting gateway/m }, 'the demo to be in the middle');
$demo->signal('INT');
isnt($demo->wait, 0, 'a demo that is broken off fails');
nothing_left($tmp, 'broken off');

# A demo that meets a surprise says so and fails.
($status, $out, $err) = run({ command => ["$bin/demo"], env => { %own, TMPDIR => $tmp, FILE => "$file.absent" } });
isnt($status, 0, 'a demo without its file fails');
nothing_left($tmp, 'failed');

# up, up again, down.
my $run = scratch('up') . '/run';
my %up  = (env => { %own, GS_RUN => $run });
{
    local $^F = 255;    # what is opened now is inherited
    pipe my $held, my $inherited or die "pipe: $!";
    ($status, $out, $err) = run({ command => ["$bin/up"], %up });
    close $inherited or die "close: $!";
    vec(my $readable = '', fileno $held, 1) = 1;
    is(select($readable, undef, undef, 0), 1, 'what has been started holds no descriptor of its caller');
}
is($status, 0, 'up') or diag($out, $err);
my %env = slurp("$run/env") =~ /^(\w+)=(.*)$/mg;
my $state = readlink "$run/state";
is(http('GET', "$env{GROUPSHARE_URL}/readyz", ca => $env{GROUPSHARE_CA})->{status}, 200, 'the gateway is ready');
is(run_ok({ command => [ 'psql', '-XAtc', 'SELECT count(*) FROM groupshare.devices' ], env => \%env }), "3\n",
    'psql, by the env file, sees three devices');
is(run_ok({ command => [ 'psql', '-XAtc', 'SELECT count(*) FROM groupshare.devices', '-h', $env{PGHOST2} ], env => \%env }),
    "3\n", 'on the second control server too');
($status, $out) = run({ command => ["$bin/up"], %up });
is($status, 0, 'up again is fine');
like($out, qr/running already/, 'and says so');
like($out, qr/\Q$env{GROUPSHARE_URL}\E/, 'with the same address');
my ($postmaster) = split ' ', run_ok("$bin/servers", 'list', $state);
kill 'KILL', $postmaster;
($status) = run({ command => ["$bin/down"], %up });
is($status, 0, 'down, after a crash of one part');
ok(!-e $run && !-e $state, 'no file is left');
is(scalar(grep { (readlink("$_/cwd") || '') =~ m{^\Q$state\E} } glob '/proc/[0-9]*'), 0, 'nothing is left running');
($status) = run({ command => ["$bin/down"], %up });
is($status, 0, 'down again is fine');

done_testing;
