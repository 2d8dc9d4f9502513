# SPDX-License-Identifier: PostgreSQL
# Drain, decommission and rebalance, while what carries them dies in the middle: the worker, a backend, the postmaster, the device that gives,
# the one that takes. Each job goes on by itself and ends, every share has its copies, no byte is lost. GS_LONG=1: several deaths a job,
# round after round.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;

my $LONG = $ENV{GS_LONG};
my $SIZE = 400_000;
seeded();
my $cs = new_control_server(
    name => 'cs1', conf => {
        'groupshare.maintenance_interval' => 100, 'groupshare.delete_hold' => 0, 'groupshare.device_headroom' => 0,
        'groupshare.ticket_lifetime' => 3 });    # a copy that was moved outlasts the tickets for it
my %device;
my $made = 0;

sub join_device {
    my $name = 'd' . ++$made;
    $device{$name} = add_device(
        servers  => [$cs], name => $name, location => "eu/$name", capacity => 16 << 20,
        settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 0, fetch_rate_bytes => 2 << 20 } });
    return $name;
}
join_device() for 1 .. 3;
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);
$cs->sql('UPDATE groupshare.plan SET copies = 2');
for my $u ($history->notices(16, $SIZE)) {
    is($history->heard($u, put($u, $u->{file})), 'ok', "$u->{name} is stored");
}

sub on { my ($name) = @_; return $cs->sql(q{SELECT count(*) FROM groupshare.copies WHERE device = :'d' AND state = 'stored'}, d => $name) }
sub hurry { return $cs->sql(q{UPDATE groupshare.copy_need SET not_before = now() WHERE not_before > now()}) }
sub whole {
    my ($when) = @_;
    my $lacking = sub {
        hurry();
        return $cs->sql(<<'SQL') == 0;
SELECT count(*) FROM groupshare.share s WHERE s.state = 'stored' AND 2 <> (
    SELECT count(*) FROM groupshare.share_copy c WHERE c.share_id = s.id AND c.state = 'stored' AND NOT c.leaving)
SQL
    };
    return ok(eval { wait_for($lacking, 'it', 90) }, "$when: two copies of each");
}
whole('in the beginning');

sub pid_of { my ($where) = @_; return $cs->sql("SELECT pid FROM pg_stat_activity WHERE $where ORDER BY random() LIMIT 1") }
sub again { my ($daemon) = @_; $daemon->kill9; return $daemon->start }
# What dies. A backend's kill -9 makes the postmaster end all others.
my %death = (
    'the worker' => sub { my $pid = pid_of(q{backend_type LIKE 'groupshare%'}) or return; $cs->sql("SELECT pg_terminate_backend($pid)") },
    'a killed worker' => sub { my $pid = pid_of(q{backend_type LIKE 'groupshare%'}) or return; kill 'KILL', $pid },
    'a backend of a device' => sub { my $pid = pid_of(q{usename LIKE 'd%'}) or return; kill 'KILL', $pid },
    'the postmaster' => sub { $cs->kill9; $cs->start },
    'the device that gives' => sub { my ($gives) = @_; again($device{$gives}) },
    'the device that takes' => sub { my (undef, $takes) = @_; again($device{$takes}) });

# A job, and while it runs, deaths; it ends as if there had been none.
sub job_with_deaths {
    my ($kind, $gives, $takes, @deaths) = @_;
    my $what = "$kind, " . join(', ', @deaths);
    my $before = on($takes);
    my $of = $kind eq 'rebalance' ? 'NULL' : "'$gives'";
    my $dry = $cs->sql("SELECT groupshare.start_job('$kind', $of, true)");
    is($cs->sql("SELECT state FROM groupshare.jobs WHERE id = $dry"), 'done', "$what: a dry run ends") if $kind ne 'rebalance';
    is(on($takes), $before, "$what: and moves nothing");
    my $id = $cs->sql("SELECT groupshare.start_job('$kind', $of, false, 2)");
    my $running = sub { return eval { $cs->sql("SELECT state FROM groupshare.jobs WHERE id = $id") } // 'running' };
    my $amid = 0;
    for my $death (@deaths) {
        wait_for(sub { eval { on($gives) != 0 } && on($takes) > $before || $running->() ne 'running' }, "$what: it to be under way");
        $amid++ if $running->() eq 'running';
        $death{$death}->($gives, $takes);
        wait_for(sub { eval { $cs->sql('SELECT 1') } }, 'the database');
        $before = on($takes);
    }
    cmp_ok($amid, '>=', 1, "$what: amid the job");
    # A rebalance ends by what finds no better place, which is not to be asked again at once.
    ok(eval { wait_for(sub { hurry() if $kind ne 'rebalance'; $running->() ne 'running' }, 'it', 120) }, "$what: it ends")
        or diag($cs->sql('SELECT to_json(j) FROM groupshare.jobs j'), $cs->sql(q{SELECT to_json(c) FROM groupshare.copies c WHERE state <> 'stored'}));
    is($running->(), 'done', "$what: well");
    return whole($what);
}

sub one_of { my (@from) = @_; return $from[ rand @from ] }
my @urn = sort keys %death;
my $jobs = 0;
for my $round (1 .. ($LONG ? 50 : 1)) {
    last if $round > 1 && time_is_up();
    my @some = map { $LONG ? [ map { one_of(@urn) } 1 .. 3 ] : $_ } [ 'the postmaster', 'the worker' ], ['the device that gives'], ['the device that takes'];
    my ($leaves) = sort { on($b) <=> on($a) } keys %device;
    my ($takes)  = sort { on($a) <=> on($b) } grep { $_ ne $leaves } keys %device;
    job_with_deaths('drain', $leaves, $takes, @{ $some[0] });
    is(on($leaves), 0, "$leaves is empty");
    ok(eval { wait_for(sub { !@{ files_under($device{$leaves}, 'objects') } }, 'it') }, 'and so is its disk, when the tickets are over');
    $cs->sql(q{UPDATE groupshare.device SET state = 'active' WHERE name = :'d'}, d => $leaves);
    job_with_deaths('rebalance', $takes, $leaves, @{ $some[1] });
    cmp_ok(on($leaves), '>', 0, "$leaves has its part again");
    my $fresh = join_device();
    my ($goes) = sort { on($b) <=> on($a) } keys %device;
    job_with_deaths('decommission', $goes, $fresh, @{ $some[2] });
    is($cs->sql(q{SELECT state FROM groupshare.devices WHERE name = :'d'}, d => $goes), 'decommissioned', "$goes is shut out");
    (delete $device{$goes})->stop;
    $jobs += 3;
}
tell_soak("$jobs jobs through deaths of what carries them");
is_deeply([ $history->check ], [], 'the history: ' . $history->acknowledged . ' acknowledged, all there and right');
is($cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices'), 0, 'no reservation is left');
is($cs->sql('SELECT count(*) FROM groupshare.copy_need'), 0, 'nothing is left to do');
for my $name (sort keys %device) {
    ok(eval { wait_for(sub { @{ files_under($device{$name}, 'objects') } == 2 * on($name) && !@{ files_under($device{$name}, 'staging') } }, 'it') },
        "$name has on its disk what the catalog says, nothing more")
        or diag(join(' ', @{ files_under($device{$name}) }), $cs->sql(q{SELECT to_json(c) FROM groupshare.copies c WHERE device = :'d'}, d => $name),
        $cs->sql('SELECT to_json(w) FROM groupshare.device_work w WHERE done_at IS NULL'));
}

done_testing;
