# SPDX-License-Identifier: PostgreSQL
# Damaged objects: never served to the end, found by reads and by the scrub, put aside, told; and no good one suspected.
use GroupShare::Test;
use Digest::SHA qw(sha256_hex);
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a',
    settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 0, scrub_interval_ms => 0 } });
my $ann = new_owner($cs, 'ann@example.org');
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});

my %upload;
sub content { my ($name) = @_; return join '', map { pack 'N', $_ * (7919 + ord $name) % 4294967296 } 1 .. 150_000 }
sub store {
    my ($name) = @_;
    $upload{$name} = notice($ann, 600_000, name => $name);
    is_reply(put($upload{$name}, spit(scratch('f') . '/f', content($name))), 201, "$name is stored");
    return;
}
sub path {
    my ($name) = @_;
    return stored_path($device, $upload{$name}{object});
}
sub flip {
    my ($path, $at) = @_;
    open my $file, '+<:raw', $path or die "$path: $!\n";
    seek $file, $at, 0;
    read $file, my $byte, 1;
    seek $file, $at, 0;
    print {$file} chr(ord($byte) ^ 1);
    close $file or die "$path: $!\n";
    return;
}
sub damaged { return [ split /\n/, $cs->sql('SELECT share FROM groupshare.damaged ORDER BY 1') ] }
sub quarantined { return -e "$device->{root}/quarantine/$upload{$_[0]}{object}.json" }
store($_) for 'a' .. 'l', 'y', 'z';
settled($device);

# Read to its end by a client.
flip(path('a'), 10);
my $designation = designation($ann, $upload{a});
my $before      = get($designation, headers => [ range => 'bytes=100-199' ]);
is($before->{status}, 206, 'a range elsewhere is not what is checked');
my $reply = get($designation);
isnt($reply->{curl}, 0, 'a flipped bit: the download does not end well');
cmp_ok(length $reply->{body}, '<', 600_000, 'and is not complete');
wait_for(sub { "@{damaged()}" eq 'a' }, 'the control server to hear');
is_problem(get($designation), 404, 'not_found', 'then it is not there');
ok(quarantined('a') && !-e path('a'), 'but in quarantine');
is(-s "$device->{root}/quarantine/$upload{a}{object}", 600_000, 'with its bytes');
$designation = designation($ann, $upload{b});
truncate path('b'), 599_999;
is_problem(get($designation), 500, 'internal', 'a truncated one');
wait_for(sub { "@{damaged()}" eq 'a b' }, 'the control server to hear');
ok(quarantined('b'), 'is in quarantine');

# Read as a whole before, so that it has a tag: that is looked at each time, and what it finds is told with its digest.
$designation = designation($ann, $upload{l});
ok(get($designation)->{body} eq content('l'), "read whole, time $_") for 1 .. 3;
flip(path('l'), 599_999);
$reply = get($designation);
isnt($reply->{curl}, 0, 'a bit flipped behind a tag: the download does not end well');
cmp_ok(length $reply->{body}, '<', 600_000, 'and is not complete');
wait_for(sub { "@{damaged()}" eq 'a b l' }, 'the control server to hear');
ok(quarantined('l') && !-e path('l'), 'it is in quarantine');
my $found = content('l');
substr $found, -1, 1, chr(ord(substr $found, -1) ^ 1);
is($cs->sql(q{SELECT state || ' ' || found_sha256 FROM groupshare.damaged WHERE share = 'l'}), 'quarantined ' . sha256_hex($found), 'and its digest is known');

# Small ones that were sent from memory a moment ago: bytes, length and sidecar are looked at each time.
for my $name ('m' .. 'p') {
    $upload{$name} = notice($ann, 5000, name => $name);
    is_reply(put($upload{$name}, spit(scratch('f') . '/f', $name x 5000)), 201, "$name is stored");
}
settled($device);
my %small = map { $_ => designation($ann, $upload{$_}) } 'm' .. 'p';
for my $name ('m' .. 'p') {
    ok(get($small{$name})->{body} eq $name x 5000, "$name is well, time $_") for 1, 2;
}
flip(path('m'), 4999);
isnt(get($small{m})->{curl}, 0, 'a small one with a flipped bit does not end well');
truncate path('n'), 4999;
is_problem(get($small{n}), 500, 'internal', 'a truncated one');
unlink path('o');
is_problem(get($small{o}), 404, 'not_found', 'one that is gone');
flip(path('p') . '.json', 0);
is_problem(get($small{p}), 500, 'internal', 'one whose sidecar is damaged');
wait_for(sub { "@{damaged()}" eq 'a b l m n' }, 'the control server to hear');
ok(quarantined($_), "$_ is in quarantine") for 'm', 'n';

# The scrub, over what is planted while the daemon is away: flipped at the ends, truncated, longer, gone, exchanged; sidecars, too.
$device->stop;
flip(path('c'), 0);
flip(path('d'), 599_999);
truncate path('e'), 0;
unlink path('f');
rename path('g'),     path('g') . '.x';
rename path('h'),     path('g');
rename path('g') . '.x', path('h');
flip(path('i') . '.json', 0);
truncate path('j') . '.json', 0;
spit(path('k') . '.json', ' ' x 5000);
$device->{config}{storage}{scrub_rate_bytes} = 1 << 40;
spit("$device->{dir}/config.ini", GroupShare::System::ini($device->{config}));
$device->start;
wait_for(sub { @{ damaged() } == 16 }, 'the scrub to find them');
is_deeply(damaged(), [ 'a' .. 'p' ], 'all that is damaged, and nothing else');
wait_for(sub { -e "$device->{root}/scrub" }, 'its place to be kept');
ok(quarantined($_), "$_ is in quarantine") for 'c' .. 'k';
ok(get(designation($ann, $upload{$_}))->{body} eq content($_), "$_ is well") for 'y', 'z';

# Told again after a start, removed by order.
$device->kill9;
$device->start;
$cs->sql(q{SELECT groupshare.delete_share('ann@example.org', :'share')}, share => $upload{$_}{share}) for 'a' .. 'p';
wait_for(sub { !@{ files_under($device, 'quarantine') } }, 'quarantine to become empty');
is(@{ files_under($device, 'objects') }, 4, 'what is well stays');

# Deletions and uploads while it scrubs without a pause: nothing is suspected.
for my $round (1 .. 3) {
    store("n$round$_") for 1 .. 3;
    $cs->sql(q{SELECT groupshare.delete_share('ann@example.org', :'share')}, share => $upload{"n$round$_"}{share}) for 1 .. 3;
}
wait_for(sub { @{ files_under($device, 'objects') } == 4 }, 'the deletions');
is_deeply(damaged(), [], 'no false alarm');
is_deeply(files_under($device, 'quarantine'), [], 'nothing in quarantine');

done_testing;
