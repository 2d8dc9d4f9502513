# SPDX-License-Identifier: PostgreSQL
# The power goes while many upload: the device's file system is shut down without what its log has not written yet, and mounted
# anew. Whatever was acknowledged is there, with its bytes; on ext4 and on XFS. And the test of the test: with the syncs of
# directories taken out, the same check finds losses.
use GroupShare::Test;
use GroupShare::Faults;
use GroupShare::History;
use GroupShare::Storage;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);

my $LONG = $ENV{GS_LONG};
seeded();
plan skip_all => 'only root mounts file systems: run make check as root'
    if !$ENV{GS_DISKS} || !-S $ENV{GS_DISKS};
my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $ENV{GS_DISKS}) or BAIL_OUT("$ENV{GS_DISKS}: $!");
$socket->autoflush(1);

sub ask {
    my ($line) = @_;
    print {$socket} "$line\n";
    chomp(my $answer = <$socket> // 'no answer');
    return $answer;
}

my $cs  = new_control_server(name => 'cs1', fsync => 0);
my $ann = new_owner($cs, 'ann@example.org');

# One device of its own on a disk of its own, its power cut `rounds` times; what is wrong in the end.
sub cut_power {
    my ($type, $name, $rounds, $skipped) = @_;
    my ($disk) = ask("new $type") =~ /^ok (.*)/ or return;
    my $faults = GroupShare::Faults->new;
    my $device = add_device(
        servers  => [$cs], name => $name, location => 'eu', start => 0,
        settings => { storage => { report_interval_ms => 300, receipt_wait_ms => 3000, scrub_rate_bytes => 0 } });
    $device->{root} = $device->{config}{storage}{root} = "$disk/objects";
    mkdir $device->{root}, 0700 or die "$device->{root}: $!\n";
    $device->{env} = $faults->env($device->{root});
    $device->start;
    my $history = GroupShare::History->new($ann);
    my ($cuts, @wrong) = (0);
    for my $round (1 .. $rounds) {
        last if $round > 1 && !$skipped && time_is_up();
        $cuts = $round;
        my @uploads = $history->notices(400, 20_000);
        $faults->arm(calls => 'sync_dir', effect => 'skip', last => 0) if $skipped;
        $history->load($skipped ? 1 : 4, \@uploads);    # the sync of another's file would save what was left out
        my $least = 60 + int rand 60;
        wait_for(sub { $history->load_heard >= $least }, 'uploads to be acknowledged');
        is(ask("cut $disk"), 'ok', "$type, round $round: the power goes") if !$skipped;
        ask("cut $disk") if $skipped;
        $device->kill9;
        $faults->disarm;
        my $before = $history->acknowledged;
        $history->load_end(1);
        $history->fault("$type, round $round", $before + 50);
        is(ask("back $disk"), 'ok', "$type, round $round: and comes back");
        $device->start;
        # What it said last may be that it is read-only.
        wait_for(sub { $cs->sql(q{SELECT bool_or(candidate) FROM groupshare.explain_placement('ann@example.org', 20000) WHERE device = :'d'}, d => $name) eq 't' },
            'the control server to hear of it');
        @wrong = $history->check(1) if $skipped;
        last if @wrong;
    }
    @wrong = $history->check if !$skipped;
    my $left = files_under($device, 'staging');
    push @wrong, "staging: @{$left}" if @{$left};
    tell_soak("$type" . ($skipped ? ', syncs of directories taken out' : '') . ': '
        . "$cuts cuts, " . $history->acknowledged . ' acknowledged, ' . @wrong . ' lost');
    $device->stop;
    $cs->sql(q{SELECT groupshare.drain_device(:'name')}, name => $name);
    return (\@wrong, $history->acknowledged);
}

for my $type (grep { in_part($_) } qw(ext4 xfs)) {
SKIP: {
        my ($wrong, $acknowledged) = cut_power($type, "d$type", $LONG ? 20 : 1);
        skip("this machine mounts no $type", 1) if !$wrong;
        is_deeply($wrong, [], "$type: $acknowledged acknowledged objects are there");
        ($wrong, $acknowledged) = cut_power($type, "n$type", 8, 1);
        cmp_ok(scalar @{$wrong}, '>', 0, "$type without syncs of directories: " . @{$wrong} . " of $acknowledged are lost, and it is noticed");
    }
}
done_testing;
