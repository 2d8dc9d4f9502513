# SPDX-License-Identifier: PostgreSQL
# Neither the client's memory nor the device's grows with a file: at most 16 MiB over that for a small one; of 4 GiB with GS_LONG=1.
# Under the sanitizers, which keep what is freed, nothing is said of memory; the bytes come all the same.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage;
use Time::HiRes qw(sleep);

my $MIB    = 1 << 20;
my $size   = ($ENV{GS_LONG} ? 4096 : 96) * $MIB;
my $GROWTH = 16 * 1024;
my $cs     = new_control_server(name => 'cs1');
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 4 * $size);
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_person('ann@example.org', @known);
my $bob     = new_person('bob@example.org', @known);
$ann->ask('create', 'Ours', '--join', 'anyone');
$bob->type('join', 'Ours');

# The most memory of a command in KiB, as far as it is seen from outside; dies when the command fails.
sub peak {
    my ($who, @command) = @_;
    my $process = GroupShare::Process->start(
        name => 'groupshare', command => \@command, log => scratch('peak') . '/log', cwd => $who->{cwd}, env => $who->env);
    my $peak = 0;
    while ($process->alive) {
        open my $in, '<', '/proc/' . $process->pid . '/status' or next;
        my ($kib) = join('', <$in>) =~ /^VmHWM:\s+(\d+)/m;
        $peak = $kib if $kib && $kib > $peak;
        sleep 0.002;
    }
    die "@command: " . $process->log if $process->wait;
    return $peak;
}

# A sparse file with something at its end.
sub sparse {
    my ($name, $bytes) = @_;
    my $path = "$ann->{cwd}/$name";
    truncate spit($path, ''), $bytes or die "$path: $!";
    open my $out, '+<:raw', $path or die "$path: $!";
    seek $out, $bytes - 5, 0;
    print {$out} 'ended';
    close $out or die "$path: $!";
    return $path;
}

my $client = program('groupshare');
my %file   = map { $_->[0] => sparse(@{$_}) } [ small => 64 * 1024 ], [ large => $size ], [ beside => 5000 ];
$ann->ask('put', 'beside');

# A folder with the file, by another name, and one more.
sub folder {
    my ($which) = @_;
    my $folder = "$ann->{cwd}/folder of $which";
    mkdir $folder or die "$folder: $!";
    link $file{$_}, "$folder/$_ of $which" or die "link: $!" for $which, 'beside';
    return $folder;
}

my @get = ($client, 'get', 'ann@example.org');
my @ways = (
    [ put => sub { my ($which) = @_; return peak($ann, $client, 'put', $which) } ],
    [ 'put of a folder' => sub { my ($which) = @_; return peak($ann, $client, 'put', folder($which)) } ],
    [
        'put of standard input' => sub {
            my ($which) = @_;
            return peak($ann, 'sh', '-c', 'exec "$@" < "$0"', $which, $client, 'put', '-', '--as', "$which stream", '--size', -s $file{$which});
        } ],
    [ 'get in parallel' => sub { my ($which) = @_; return peak($bob, @get, $which, '-o', 'got') } ],
    [ 'get in order' => sub { my ($which) = @_; return peak($bob, @get, $which, '-o', 'got', '--parallel', 1) } ],
    [ 'get of several' => sub { my ($which) = @_; return peak($bob, @get, 'beside', $which, '-o', 'several') } ],
    [ 'get to standard output' => sub { my ($which) = @_; return peak($bob, 'sh', '-c', 'exec "$@" | tail -c 5 > tail', 'sh', @get, $which, '-o', '-') } ]);

# What has come, if it stays: whole; and it makes room for the next.
sub came {
    my ($way, $which) = @_;
    my ($got) = grep { -e } map {"$bob->{cwd}/$_"} 'got', "several/$which", 'tail' or return;
    is(-s $got, $got =~ /tail$/ ? 5 : -s $file{$which}, "$way: $which has come");
    open my $in, '<:raw', $got or die "$got: $!";
    seek $in, -5, 2;
    is(join('', <$in>), 'ended', "$way: to its end");
    return unlink $got;
}

my $early;
for my $each (grep { in_part($_->[0]) || $_->[0] eq 'put' } @ways) {
    my ($way, $do) = @{$each};
    my %peak;
    for my $which (qw(small large)) {
        $peak{$which} = $do->($which);
        $peak{device} = memory_kib($device);
        $early //= $peak{device};
        came($way, $which) if $way =~ /^get/;
    }
    cmp_ok($peak{small}, '>', 1000, "$way: memory was seen");
    my $said = "$way: $peak{small} KiB, with " . $size / $MIB . " MiB $peak{large} KiB; the device after the first file $early, now $peak{device}";
    tell_soak($said);
    next if sanitized();
    cmp_ok($peak{large} - $peak{small}, '<=', $GROWTH, "$way: at most 16 MiB more") or diag($said);
    cmp_ok($peak{device} - $early, '<=', $GROWTH, "$way: nor does the device take more") or diag($said);
}

done_testing;
