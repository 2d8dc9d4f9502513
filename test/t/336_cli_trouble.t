# SPDX-License-Identifier: PostgreSQL
# What a person at the command line meets when something is amiss: a control server that is away, files that change or are none,
# names that are taken, links that lead nowhere. Nothing is lost silently, and what is said helps.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage qw(notice large_file files_under);
use POSIX qw(mkfifo);

my $MIB     = 1 << 20;
my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 1024 * $MIB,
    settings => { storage => { receipt_wait_ms => 500 } });
my $gateway = start_gateway(servers => [$cs], settings => { gateway => { queue_timeout_ms => 300 } });
my ($ann, $bob) = map { new_person("$_\@example.org", gateway => $gateway, server => $cs) } qw(ann bob);
$ann->ask('create', 'Ours', '--join', 'anyone');
$bob->type('join', 'Ours');
my $owner = { cs => $cs, identifier => 'ann@example.org' };

sub listed { my ($name) = @_; return (grep { $_->{name} eq $name } @{ $ann->ask('ls')->{shares} })[0] }
sub got    { my ($name) = @_; return "$bob->{cwd}/$name" }
sub readdir_of { my ($dir) = @_; opendir my $d, $dir or die "$dir: $!"; return readdir $d }
sub begin {
    my ($who, $env, @command) = @_;
    return GroupShare::Process->start(
        name => 'cli', command => [@command], log => scratch('cli') . '/log', cwd => $who->{cwd}, env => { %{ $who->env }, %{$env} });
}

# A file that changes while it is sent is not shared, and stands in nobody's way: put can be run again.
my $file = large_file(90);
$cs->sql('UPDATE groupshare.plan SET transfer_rate_bytes = 20000000');
for my $change (qw(overwritten shorter)) {
    my $put = begin($ann, {}, program('groupshare'), 'put', $file, '--as', $change);
    wait_for(sub { @{ files_under($device, 'staging') } || !$put->alive }, 'bytes to come');
    if ($change eq 'shorter') {
        truncate $file, 80 * $MIB or die $!;
    } else {
        open my $fh, '+<:raw', $file or die "$file: $!";
        seek $fh, 60 * $MIB, 0;
        print {$fh} 'changed';
        close $fh;
    }
    is($put->wait >> 8, 1, "a file that is $change meanwhile is refused");
    like($put->log, qr/changed while it was being uploaded|became shorter/, 'for that reason');
    ok(!listed($change), 'and its name is free');
    truncate $file, $MIB;
    is($ann->ask('put', $file, '--as', $change)->{state}, 'stored', 'for what it is now') or diag($ann->{said});
    truncate $file, 90 * $MIB;
}
# One that only grows is shared as it was, and put says so.
my $put    = begin($ann, {}, program('groupshare'), 'put', $file, '--as', 'longer');
my $object = wait_for(sub { $cs->sql(q{SELECT object FROM groupshare.share s JOIN groupshare.share_copy c ON c.share_id = s.id WHERE s.name = 'longer'}) }, 'the notice');
wait_for(sub { grep {/\Q$object\E/} @{ files_under($device, 'staging') } }, 'bytes to come');
truncate $file, 91 * $MIB or die $!;
is($put->wait >> 8, 0, 'a file that grows meanwhile is shared');
like($put->log, $_, 'as it was, and that is said') for qr/longer: 90\.0 MiB, stored/, qr/has changed since/;
$cs->sql('UPDATE groupshare.plan SET transfer_rate_bytes = NULL');

# An unfinished upload of another content is not called something that is shared.
notice($owner, 7, name => 'draft', sha256 => '00' x 32);
spit("$ann->{cwd}/draft", 'text');
my $refusal = $ann->refusal('put', 'draft');
is_deeply([ @{$refusal}{qw(exit code)} ], [ 5, 'share_exists' ], 'an unfinished upload by that name');
like($refusal->{hint}, qr/unfinished.*groupshare rm/, 'what to do about it');
is(($ann->type('rm', 'draft'))[0], 0, 'does it');
ok($ann->ask('put', 'draft'), 'put then');
spit("$ann->{cwd}/draft", 'other');
unlike($ann->refusal('put', 'draft')->{hint}, qr/unfinished/, 'one that is stored is no unfinished one');

# Files that say that they are empty and are not.
$refusal = $ann->refusal('put', '/proc/self/status');
is($refusal->{exit}, 1, 'a file of the kernel is not shared as an empty one');
ok(!listed('status'), 'at all');
like($ann->refusal('put', 'draft', '--as', "a\x01b")->{hint}, qr/--as/, 'a name that is refused: what to do');

# Getting: links that lead nowhere, names that are one as files, a disk that is full.
spit("$ann->{cwd}/$_", $_) for qw(.profile _profile);
ok($ann->ask('put', '.profile', '_profile'), 'two names');
symlink '/nonexistent/x', got('link') or die $!;
my $before = () = $device->log =~ /method=GET /g;
is($bob->refusal('get', 'ann@example.org', 'draft', '-o', 'link')->{exit}, 5, 'a link that leads nowhere is in the way');
is(scalar(() = $device->log =~ /method=GET /g), $before, 'which is said before anything is fetched');
ok($bob->ask('get', 'ann@example.org', 'draft', '-o', 'link', '-f'), 'with --force it is replaced');
ok(!-l got('link') && slurp(got('link')) eq 'text', 'by the file');
is(($bob->type('get', 'ann@example.org', '.profile', '_profile', '-o', 'both', '--force'))[0], 5, 'names that are one here');
is(slurp(got('both/_profile')), '.profile', '--force does not replace what has just been fetched');
my $one = $bob->ask('get', 'ann@example.org', 'draft', '-o', 'both/');
is($one->{path}, 'both/draft', 'no second slash');
$device->stop;
is($bob->refusal('get', 'ann@example.org', 'shorter')->{exit}, 7, 'the device is away');
is(join(' ', grep {/part/} readdir_of($bob->{cwd})), '', 'a part file with nothing in it does not stay');
$device->start;

# With --json every failure is JSON, also of how the command was written, and of folders.
is($ann->refusal('put', 'draft', '--size', 'x')->{exit_code}, 2, 'a wrong option, with --json');
mkdir "$ann->{cwd}/shut" or die $!;
chmod 0, "$ann->{cwd}/shut";
is_deeply([ @{ $ann->refusal('put', 'shut') }{qw(exit_code subject)} ], [ 1, 'shut' ], 'a folder that can not be read')
    if $> != 0;
chmod 0700, "$ann->{cwd}/shut";

# The control server is away: something is said after a few seconds, and the end comes nevertheless.
$cs->stop;
my ($status, $out, $err) = $ann->type('ls');
is($status, 7, 'the control server is away');
like($err, qr/^groupshare: waiting for the control server \([3-5] s\)$/m, 'after a few seconds something is said');
($status, $out, $err) = $ann->type('-q', 'ls');
unlike($err, qr/waiting/, 'not with --quiet');
is($ann->refusal('ls')->{exit}, 7, 'nor with --json');
$cs->start;
wait_for(sub { http('GET', $gateway->url . '/readyz')->{status} == 200 }, 'the gateway to be back');
wait_for(sub { http('GET', $device->url . '/readyz')->{status} == 200 && $cs->sql('SELECT online FROM groupshare.devices') eq 't' },
    'the device to be back');

# It goes away in the middle of a long upload, whose ticket is due to be renewed: while the device takes bytes, they go on.
SKIP: {
    my ($library) = grep {-e} map {"$_/faketime/libfaketimeMT.so.1"} glob('/usr/lib/*-linux-gnu'), '/usr/lib';
    skip 'libfaketime and the runtime of the sanitizers wait for each other', 5 if sanitized();
    skip 'libfaketime (Debian: faketime) is not installed', 5 if !$library;
    local $SIG{PIPE} = 'IGNORE';
    my $clock = spit(scratch('clock') . '/offset', "+0\n");
    my $fifo  = scratch('fifo') . '/in';
    mkfifo($fifo, 0600) or die $!;
    my $bytes = slurp(large_file(24));
    my $put   = begin($ann, { LD_PRELOAD => $library, FAKETIME_TIMESTAMP_FILE => $clock, FAKETIME_NO_CACHE => 1 },
        'sh', '-c', 'exec "$@" < "$0"', $fifo, program('groupshare'), '--json', 'put', '-', '--as', 'long', '--size', length $bytes);
    open my $in, '>:raw', $fifo or die "$fifo: $!";
    $in->autoflush;
    print {$in} substr $bytes, 0, 12 * $MIB;
    wait_for(sub { () = $device->log =~ /method=PATCH .*status=204/g }, 'the first pieces');
    $cs->stop;
    spit($clock, "+61\n");
    print {$in} substr $bytes, 12 * $MIB;
    close $in;
    is($put->wait, 0, 'an upload goes on while the control server is away') or diag($put->log);
    like($put->log, qr/"state":"receipt_pending"/, 'and is durable in the end');
    $cs->start;
    wait_for(sub { (listed('long') || {})->{state} eq 'stored' }, 'it to be settled');
    my $long = $bob->ask('get', 'ann@example.org', 'long');
    is($long->{size}, length $bytes, 'fetched');
    ok(slurp(got('long')) eq $bytes, 'the same bytes');
}

done_testing;
