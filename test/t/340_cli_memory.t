# SPDX-License-Identifier: PostgreSQL
# The client's memory does not grow with a file: at most 16 MiB over that for a small one; of 4 GiB with GS_LONG=1.
use GroupShare::Test;
use GroupShare::Cli;
use Time::HiRes qw(sleep);

plan skip_all => 'AddressSanitizer keeps memory' if build() =~ /asan/;

my $MIB    = 1 << 20;
my $size   = ($ENV{GS_LONG} ? 4096 : 96) * $MIB;
my $GROWTH = 16 * 1024;
my $cs     = new_control_server(name => 'cs1');
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 3 * $size);
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
my $small  = sparse('small', 64 * 1024);
my $large  = sparse('large', $size);
my %peak;
for my $which (qw(small large)) {
    my @get = ($client, 'get', 'ann@example.org');
    $peak{put}{$which}      = peak($ann, $client, 'put', $which);
    $peak{parallel}{$which} = peak($bob, @get, $which, '-o', 'parallel', '--force');
    $peak{one}{$which}      = peak($bob, @get, $which, '-o', 'one', '--force', '--parallel', 1);
    $peak{stdout}{$which}   = peak($bob, 'sh', '-c', 'exec "$@" > /dev/null', 'sh', @get, $which, '-o', '-');
    $peak{stream}{$which}   = peak($ann, 'sh', '-c', 'exec "$@" < "$0"', $which, $client, 'put', '-', '--as', "$which stream", '--size', -s "$ann->{cwd}/$which");
}
for my $way (sort keys %peak) {
    my ($before, $after) = @{ $peak{$way} }{qw(small large)};
    cmp_ok($before, '>', 1000, "$way: memory was seen");
    cmp_ok($after - $before, '<=', $GROWTH, "$way: at most 16 MiB more for " . $size / $MIB . ' MiB') or diag("$before -> $after KiB");
    diag("$way: $before -> $after KiB") if $ENV{GS_LONG};
}
is(-s "$bob->{cwd}/parallel", $size, 'and all has come');

done_testing;
