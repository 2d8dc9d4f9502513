# SPDX-License-Identifier: PostgreSQL
# Shares with several copies, over real devices: made by themselves, healed after a device is lost, moved by jobs that can
# be tried dry, are paced, and go on after a restart; and no download fails meanwhile.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage;
use Digest::SHA;
use POSIX ();

my $FILES = 8;
my $cs = new_control_server(
    name => 'cs1', conf => {
        'groupshare.maintenance_interval' => 100, 'groupshare.delete_hold' => 0, 'groupshare.device_headroom' => 0, 'groupshare.device_silent_intervals' => 3,
        'groupshare.ticket_lifetime' => 5 });
my %device = map { $_ => new_device($_) } qw(d1 d2 d3);
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_person('ann@example.org', @known);
my $bob     = new_person('bob@example.org', @known);
ok($ann->ask('create', 'ours', '--join', 'anyone'), 'a group') or diag($ann->{said});
ok($bob->ask('join', 'ours'), 'of two') or diag($bob->{said});
my %sha256;

sub new_device {
    my ($name) = @_;
    return add_device(
        servers => [$cs], name => $name, location => "eu/$name", capacity => 16 << 20,
        settings => { storage => { report_interval_ms => 200 } });
}
sub share_one {
    my ($name, $size) = @_;
    my $file = random_file($size);
    ok($ann->ask('put', $file, '--as', $name), "$name is shared") or diag($ann->{said});
    $sha256{$name} = sha256_file($file);
    return;
}

# How many stored shares do not have that many good copies on devices that stay.
sub lacking {
    my ($copies) = @_;
    return $cs->sql(<<'SQL', copies => $copies);
SELECT count(*) FROM groupshare.share s WHERE s.state = 'stored' AND :copies <> (
    SELECT count(*) FROM groupshare.share_copy c WHERE c.share_id = s.id AND c.state = 'stored' AND NOT c.leaving)
SQL
}
sub whole { my ($copies, $when) = @_; wait_for(sub { lacking($copies) == 0 }, "$copies copies of each, $when", 120); pass("$copies copies of each, $when"); return }
sub on { my ($name) = @_; return $cs->sql(q{SELECT count(*) FROM groupshare.copies WHERE device = :'d' AND state = 'stored'}, d => $name) }
sub job { my ($kind, @o) = @_; return $cs->sql("SELECT groupshare.start_job('$kind'" . join('', map {", $_"} @o) . ')') }
sub done {
    my ($id, $what) = @_;
    eval { wait_for(sub { $cs->sql("SELECT state FROM groupshare.jobs WHERE id = $id") ne 'running' }, $what, 60) }
        or diag($cs->sql('SELECT to_json(j) FROM groupshare.jobs j'), $cs->sql(q{SELECT to_json(c) FROM groupshare.copies c}), $cs->sql(q{SELECT to_json(d) FROM groupshare.devices d}));
    return is($cs->sql("SELECT state FROM groupshare.jobs WHERE id = $id"), 'done', $what);
}
sub all_right {
    my ($when) = @_;
    my @bad = grep { ($bob->ask('get', 'ann@example.org', $_, '--force') || {})->{sha256} ne $sha256{$_} } sort keys %sha256;
    return is_deeply(\@bad, [], "all can be had, $when") || diag($bob->{said});
}

# Downloads without a pause, in a process of their own until it is told to end: how many there were, what failed.
sub downloads_begin {
    pipe my $in, my $out or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my ($n, $end, @failed) = (0, 0);
        local $SIG{TERM} = sub { $end = 1 };
        while (!$end) {
            for my $name (sort keys %sha256) {
                my $got = $bob->ask('get', 'ann@example.org', $name, '-o', "$bob->{cwd}/again", '--force');
                push @failed, "$name: $bob->{said}" if !$got || $got->{sha256} ne $sha256{$name};
                $n++;
            }
        }
        print {$out} "$n\n@failed";
        close $out;
        POSIX::_exit(0);
    }
    close $out;
    return [ $pid, $in ];
}
sub downloads_end {
    my ($downloads) = @_;
    my ($pid, $in) = @{$downloads};
    kill 'TERM', $pid;
    my ($n, @failed) = <$in>;
    waitpid $pid, 0;
    return ($n, "@failed");
}

# Copies by plan, also of what is there already.
share_one("early $_", 300_000) for 1 .. 2;
$cs->sql(q{UPDATE groupshare.plan SET copies = 2 WHERE name = 'standard'});
share_one("film $_", 700_000 + $_) for 1 .. $FILES;
done(job('copies'), 'shares are held against their plan');
whole(2, 'by plan');
is($cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices'), 0, 'no reservation is left');
my $mine = new_terminal('eve@example.org', @known);
$mine->join_group($cs->sql(q{SELECT id FROM groupshare.groups WHERE group_name = 'ours'}));
sub designated { return $mine->post('/v1/downloads', { owner => 'ann@example.org', name => $_[0] })->{json} }
my $answer = designated('film 1');
is(@{ $answer->{alternates} }, 1, 'a designation names the other');
my @bytes = map { http('GET', $_->{url}, token => $_->{ticket}) } $answer, @{ $answer->{alternates} };
is_deeply([ map { Digest::SHA::sha256_hex($_->{body}) } @bytes ], [ ($sha256{'film 1'}) x 2 ], 'both have the same bytes');
$cs->sql(q{UPDATE groupshare.plan SET copies = 3 WHERE name = 'standard'});
done(job('copies'), 'three are wanted');
whole(3, 'after another plan');
is(@{ designated('film 1')->{alternates} }, 2, 'a designation names two others');
$cs->sql(q{UPDATE groupshare.plan SET copies = 2 WHERE name = 'standard'});
done(job('copies'), 'two are enough');
whole(2, 'the third is given up');

# A device dies under downloads.
my $victim = designated('film 1')->{device};
my $downloads = downloads_begin();
sleep 1;
$device{$victim}->kill9;
wait_for(sub { $cs->sql(<<'SQL', d => $victim) eq 't' }, 'the device to be silent');
SELECT l.reported_at < now() - interval '2 seconds' FROM groupshare.device_ledger l JOIN groupshare.device d ON d.id = l.device_id
WHERE d.name = :'d'
SQL
sleep 1;
my ($n, $failed) = downloads_end($downloads);
is($failed, '', "$n downloads, none failed, while $victim died");
cmp_ok($n, '>=', 10, 'there were enough of them');
my $lost = on($victim);
cmp_ok($lost, '>', 0, 'it had copies');
done($cs->sql(q{SELECT groupshare.lose_device(:'d')}, d => $victim), 'it is lost');
whole(2, 'without it');
all_right('without it');
delete $device{$victim};

# Drained, while downloads run: first dry, then paced, over a restart of the control server.
$device{d4} = new_device('d4');
my ($leaver) = sort { on($b) <=> on($a) } grep { $_ ne 'd4' } keys %device;
my $before = on($leaver);
my $dry = job('drain', "'$leaver'", 'true');
is($cs->sql("SELECT state || ' ' || copies FROM groupshare.jobs WHERE id = $dry"), "done $before", 'a dry run says how much');
is($cs->sql(q{SELECT state FROM groupshare.devices WHERE name = :'d'}, d => $leaver), 'active', 'and does nothing');
$downloads = downloads_begin();
my $drain = job('drain', "'$leaver'", 'false', 1);
my $most = 0;
wait_for(sub {
        my $leaving = $cs->sql("SELECT leaving FROM groupshare.jobs WHERE id = $drain");
        $most = $leaving if $leaving > $most;
        return on($leaver) < $before;
    }, 'the first copy to leave');
($n, $failed) = downloads_end($downloads);
is($failed, '', "$n downloads, none failed, during a drain");
$cs->restart;
cmp_ok(on($leaver), '>', 0, 'the control server is restarted amid the drain');
done($drain, 'which ends');
is(on($leaver), 0, 'with nothing left there');
cmp_ok($most, '<=', 1, 'one copy at a time');
whole(2, 'after the drain');
wait_for(sub { !grep { !/\.json$/ } @{ files_under($device{$leaver}, 'objects') } }, 'the bytes to be deleted there', 120);
pass('its bytes are deleted');
all_right('after the drain');
done(job('decommission', "'$leaver'"), 'decommissioned');
(delete $device{$leaver})->stop;

# Balanced: the new one gets its part.
$device{d5} = new_device('d5');
done(job('rebalance'), 'rebalanced');
cmp_ok(on('d5'), '>', 0, 'the new device has a part');
whole(2, 'after rebalancing');
all_right('in the end');
wait_for(sub { $cs->sql('SELECT count(*) FROM groupshare.copy_need') == 0 }, 'the worker to find nothing left to do', 30);
pass('nothing is left to do');

done_testing;
