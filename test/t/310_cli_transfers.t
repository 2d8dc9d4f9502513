# SPDX-License-Identifier: PostgreSQL
# put and get of the command line client, through breaks, full and absent devices, damaged bytes and awkward files.
use GroupShare::Test;
use GroupShare::Cli;
use Fcntl qw(LOCK_EX);

my $MIB = 1 << 20;
my $cs  = new_control_server(name => 'cs1');
my %device;
$device{$_} = add_device(servers => [$cs], name => $_, location => "eu/$_", capacity => 256 * $MIB) for qw(near far);
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_person('ann@example.org', @known);
my $bob     = new_person('bob@example.org', @known);
my $eve     = new_person('eve@example.org', @known);
$cs->sql(q{UPDATE groupshare.terminal SET location = 'eu/near'});
my $ours = $ann->ask('create', 'Ours', '--join', 'anyone')->{group};
$bob->type('join', 'Ours');
my $size   = 20 * $MIB;
my $film   = random_file($size);
my $sha256 = sha256_file($film);

sub device_of { my ($name) = @_; return (grep { $_->{name} eq $name } @{ $ann->ask('ls')->{shares} })[0] }
sub files { my ($who) = @_; opendir my $dir, $who->{cwd} or die; return join ' ', sort grep { !/^\.\.?$/ } readdir $dir }

# The straight way.
my $put = $ann->ask('put', $film, '--as', 'film.mkv') or diag($ann->{said});
is_deeply([ @{$put}{qw(name size sha256 device state)} ], [ 'film.mkv', $size, $sha256, 'near', 'stored' ], 'put');
ok(!$put->{already}, 'newly');
ok($ann->ask('put', $film, '--as', 'film.mkv')->{already}, 'again: it is there already');
is($ann->refusal('put', random_file(100), '--as', 'film.mkv')->{code}, 'share_exists', 'something else by this name');
my $get = $bob->ask('get', 'ann@example.org', 'film.mkv') or diag($bob->{said});
is_deeply([ @{$get}{qw(path size sha256)} ], [ 'film.mkv', $size, $sha256 ], 'get');
is(sha256_file("$bob->{cwd}/film.mkv"), $sha256, 'the same bytes');
is(files($bob), 'film.mkv', 'and nothing beside it');
ok($bob->ask('get', 'ann@example.org', 'film.mkv')->{already}, 'again: it is here already');
is($bob->ask('get', '--share', $put->{share}, '-o', 'by-id')->{sha256}, $sha256, 'by id, to another name');
mkdir "$bob->{cwd}/dir";
is($bob->ask('get', 'ann@example.org', 'film.mkv', '-o', 'dir')->{path}, 'dir/film.mkv', 'into a directory');

# What is in the way stays, unless it is to go.
spit("$bob->{cwd}/film.mkv", 'mine');
is($bob->refusal('get', 'ann@example.org', 'film.mkv')->{exit}, 5, 'another file by this name');
is(slurp("$bob->{cwd}/film.mkv"), 'mine', 'is kept');
ok($bob->ask('get', 'ann@example.org', 'film.mkv', '--force'), 'but with --force');
is(sha256_file("$bob->{cwd}/film.mkv"), $sha256, 'it is replaced');

# Who may not, and what there is not.
is_deeply([ @{ $eve->refusal('get', 'ann@example.org', 'film.mkv') }{qw(exit code)} ], [ 4, 'not_found' ], 'a stranger');
is_deeply([ @{ $bob->refusal('get', 'ann@example.org', 'nothing') }{qw(exit code)} ], [ 4, 'not_found' ], 'no such share');
is($eve->refusal('put', $film)->{code}, 'not_a_member', 'in no group there is nobody to share with');

# Awkward files.
spit("$ann->{cwd}/empty", '');
is($ann->ask('put', 'empty')->{size}, 0, 'an empty file');
is($bob->ask('get', 'ann@example.org', 'empty')->{size}, 0, 'arrives');
my $name = "-\x{c3}\x{bc} .mkv";
spit("$ann->{cwd}/$name", 'x');
ok($ann->ask('put', '--', $name), 'a name that begins with a dash');
is($bob->ask('get', 'ann@example.org', '--', $name)->{path}, "_\x{fc} .mkv", 'gets a safe one');
is($ann->refusal('put', $_)->{exit}, 1, "no regular file: $_") for '/dev/null', 'absent';
spit("$ann->{cwd}/latin\xfc", 'x');
is($ann->refusal('put', "latin\xfc")->{exit}, 2, 'a name that is not UTF-8');
is($ann->refusal('put', $film, '--as', 'a/b')->{exit}, 2, 'a name with a slash');
my ($status, $out, $err) = $ann->type('put', 'absent', $film, '--as', 'x');
is($status, 2, 'one name for two files');
spit("$ann->{cwd}/one", '1');
is(($ann->type('put', 'absent', 'one'))[0], 1, 'a file that can not be read');
is(device_of('one')->{state}, 'stored', 'does not keep the next from being shared');

# For one group only.
my $other = $ann->ask('create', 'Other', '--join', 'anyone')->{group};
ok($ann->ask('put', $film, '--as', 'others', '--group', 'Other'), 'put for one group');
is($bob->refusal('get', 'ann@example.org', 'others')->{exit}, 4, 'the other group has nothing of it');

# More than a page of shares.
spit("$ann->{cwd}/p$_", $_) for 1 .. 45;
is(scalar(() = $ann->ask('put', map {"p$_"} 1 .. 45)), 45, 'many files at once');
my ($member) = grep { $_->{terminal} eq 'ann@example.org' } @{ $bob->ask('groups', 'Ours')->{members} };
is(scalar(grep { $_->{name} =~ /^p\d+$/ } @{ $member->{shares} }), 45, 'all are shown, over several pages');
is(scalar(grep { $_->{name} =~ /^p\d+$/ } @{ $ann->ask('ls')->{shares} }), 45, 'and by ls');

# A part file that another get has just begun.
my $begun = "$bob->{cwd}/twice." . substr($sha256, 0, 16) . '.part';
spit($begun, '', 0600);
open my $held, '+<', $begun or die $!;
flock $held, LOCK_EX or die $!;
is($bob->refusal('get', 'ann@example.org', 'film.mkv', '-o', 'twice')->{exit}, 5, 'what another get is writing is left to it');
ok(-e $begun, 'also when nothing is in it yet');
close $held;
ok($bob->ask('get', 'ann@example.org', 'film.mkv', '-o', 'twice'), 'and gone on with when that has ended') or diag($bob->{said});

# A part of an earlier get is continued: the device sends only the rest.
my $part = "$bob->{cwd}/again." . substr($sha256, 0, 16) . '.part';
spit($part, substr(slurp($film), 0, $size - 1000), 0600);
is($bob->ask('get', 'ann@example.org', 'film.mkv', '-o', 'again')->{sha256}, $sha256, 'a part is continued');
ok(!-e $part, 'and becomes the file');
like($device{near}->log, qr/method=GET \S*.*status=206.*bytes=1000\b/, 'with a request for the rest');
my $wrong = slurp($film);
substr($wrong, 5, 1) ^= "\x01";
spit($part, substr($wrong, 0, $size - 1000), 0600);
is($bob->refusal('get', 'ann@example.org', 'film.mkv', '-o', 'again2')->{exit}, 0, 'a damaged part of another name is not touched');
rename $part, "$bob->{cwd}/again3." . substr($sha256, 0, 16) . '.part';
ok($bob->ask('get', 'ann@example.org', 'film.mkv', '-o', 'again3'), 'a damaged part is found out, and all fetched anew') or diag($bob->{said});
is(sha256_file("$bob->{cwd}/again3"), $sha256, 'right then');

# The device dies in the middle of a get: it goes on where it was once the device is back.
my $big     = random_file(150 * $MIB);
my $big_sha = sha256_file($big);
ok($ann->ask('put', $big, '--as', 'big'), 'a larger file');
my $getting = GroupShare::Process->start(
    name => 'get', command => [ program('groupshare'), qw(get ann@example.org big --parallel 1) ], log => scratch('get') . '/log',
    cwd  => $bob->{cwd}, env => $bob->env);
my $big_part = "$bob->{cwd}/big." . substr($big_sha, 0, 16) . '.part';
wait_for(sub { -s $big_part || -e "$bob->{cwd}/big" }, 'the first bytes');
$getting->signal('STOP');
cmp_ok(-s $big_part, '<', 150 * $MIB, 'in the middle of a get');
$device{near}->kill9;
$getting->signal('CONT');
$device{near}->start;
is($getting->wait, 0, 'a get goes on over a crash of the device') or diag($getting->log);
is(sha256_file("$bob->{cwd}/big"), $big_sha, 'the same bytes');

# The device is away: what was fetched is kept, the message says so.
$device{near}->stop;
my $away = $bob->refusal('get', 'ann@example.org', 'big', '-o', 'later');
is($away->{exit}, 7, 'the device is away');
isnt($away->{hint}, '', 'and what to do is said');
# put asks for another one.
my $elsewhere = $ann->ask('put', $film, '--as', 'elsewhere') or diag($ann->{said});
is($elsewhere->{device}, 'far', 'an upload goes to another device');
is($bob->ask('get', 'ann@example.org', 'elsewhere', '-o', 'elsewhere')->{sha256}, $sha256, 'and can be fetched');
$device{near}->start;
is($bob->ask('get', 'ann@example.org', 'big', '-o', 'later')->{sha256}, $big_sha, 'back: fetched');

# No device has room, and the quota.
truncate spit("$ann->{cwd}/huge", ''), 400 * $MIB;
is_deeply([ @{ $ann->refusal('put', 'huge') }{qw(exit code)} ], [ 6, 'no_room' ], 'no device has room');
$cs->sql(q{INSERT INTO groupshare.plan (name, quota_bytes) VALUES ('small', 1000);
    UPDATE groupshare.terminal SET plan = 'small' WHERE identifier = 'bob@example.org'});
is_deeply([ @{ $bob->refusal('put', $film, '--as', 'over') }{qw(exit code)} ], [ 6, 'quota_exceeded' ], 'over quota');

# Damaged on the device: never good.
my $object = $cs->sql(
    q{SELECT object FROM groupshare.share_copy WHERE share_id = :'id' AND state = 'stored'}, id => $elsewhere->{share});
chomp(my ($path) = split /\n/, run_ok('find', $device{far}{root}, '-name', "$object*", '-type', 'f'));
ok($path, 'the object on the device');
chmod 0600, $path;
open my $fh, '+<:raw', $path or die "$path: $!";
seek $fh, 1000, 0;
print {$fh} 'damaged';
close $fh;
my $damaged = $bob->refusal('get', 'ann@example.org', 'elsewhere', '-o', 'damaged');
ok($damaged->{exit}, 'a damaged copy is refused');
ok(!-e "$bob->{cwd}/damaged", 'and no file has the name');

# rm: by name and by id; not another's.
is($bob->refusal('rm', $put->{share})->{exit}, 4, "another's share");
is($ann->ask('show', 'film.mkv', '--all')->{groups}, 'all', 'show in all groups');
is($bob->refusal('show', $put->{share}, '--all')->{exit}, 4, "another's share is not shown");
is($ann->refusal('show', 'film.mkv')->{exit}, 2, 'where?');
is($ann->refusal('rm', 'nothing')->{exit}, 4, 'a share that there is not');
is(($ann->type('rm', 'film.mkv', $elsewhere->{share}))[0], 0, 'rm by name and id');
ok(!device_of($_), "$_ is gone") for qw(film.mkv elsewhere);
is($bob->refusal('get', 'ann@example.org', 'film.mkv', '-o', 'gone')->{exit}, 4, 'for others too');

# Memory does not depend on the size: less address space than the file has bytes is enough.
SKIP: {
    skip 'AddressSanitizer needs all address space', 2 if sanitized();
    for my $command ([ 'get', 'ann@example.org', 'big', '-o', 'small-memory', $bob ], [ 'put', $big, '--as', 'small-memory', $ann ]) {
        my $who = pop @{$command};
        ($status, $out, $err) = run({
            command => [ 'sh', '-c', 'ulimit -v 120000; exec "$@"', 'sh', program('groupshare'), '--quiet', @{$command} ],
            cwd => $who->{cwd}, env => $who->env });
        is($status, 0, "$command->[0] of 150 MiB in 120 MB of address space") or diag($err);
    }
}

# The program of the manual, by the shared library. A report from the middle of the last upload counts what had not come yet twice.
wait_for(sub { $cs->sql(q{SELECT count(*) FROM groupshare.nearest_devices('ann@example.org', :'size')}, size => $size) }, 'room again');
($status, $out, $err) = run({ command => [ program('groupshare-example'), $film ], cwd => $ann->{cwd}, env => $ann->env });
is($status, 0, "the manual's example") or diag($err);
like($out, qr/^big$/m, 'lists the shares');

done_testing;
