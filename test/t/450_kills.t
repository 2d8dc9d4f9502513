# SPDX-License-Identifier: PostgreSQL
# Deaths under load. The device is killed at every call that it makes on its disk, during uploads, parts and deletions; the
# database's backends and postmaster are killed while many upload; a stopped device is not chosen and says nothing. The history
# decides. GS_LONG=1: every call several times, 200 cycles for the database.
use GroupShare::Test;
use GroupShare::Faults;
use GroupShare::History;
use GroupShare::Storage;

my $LONG   = $ENV{GS_LONG};
my $SIZE   = 100_000;
my $cs     = new_control_server(name => 'cs1');
my $faults = GroupShare::Faults->new;
my $device = add_device(
    servers  => [$cs], name => 'd1', location => 'eu/a', start => 0,
    settings => { storage => { report_interval_ms => sanitized() ? 1000 : 200, receipt_wait_ms => 1000, scrub_rate_bytes => 0 } });
$device->{env} = $faults->env($device->{root});
$device->start;
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});

sub files_of { my ($upload) = @_; return [ glob "$device->{root}/{staging,journal,quarantine,objects/??}/$upload->{object}*" ] }

sub part {
    my ($u, $from, $size) = @_;
    return http('PATCH', $u->{url}, token => $u->{ticket}, body => substr(slurp($u->{file}), $from, $size),
        headers => [ 'upload-offset' => $from, 'content-type' => 'application/partial-upload' ]);
}

# What is killed, and what a client does to end well afterwards.
my %act = (
    PUT      => [ sub { return put($_[0], $_[0]{file}) }, sub { return put($_[0], $_[0]{file}) } ],
    PATCH    => [
        sub { part($_[0], 0, 40_000); return part($_[0], 40_000, $SIZE) },
        sub {
            my $head = http('HEAD', $_[0]{url}, token => $_[0]{ticket});
            return part($_[0], $head->{headers}{'upload-offset'}, $SIZE);
        } ],
    deletion => [
        sub {
            my ($u) = @_;
            $history->delete($u);
            eval { wait_for(sub { ($faults->state)[1] || !@{ files_of($u) } }, 'the deletion', 10) };
            return;
        },
        undef ]);

sub kill_at_every_call {
    my ($name, $step) = @_;
    my ($act, $again) = @{ $act{$name} };
    my ($kills, $ended, $n, @wrong) = (0, 0, first_number());
    for (; $n < 400; $n += $step) {
        last if time_is_up();
        my ($u) = $history->notices(1, $SIZE);
        if ($name eq 'deletion') {
            push @wrong, "call $n: nothing to delete" if $history->heard($u, put($u, $u->{file})) ne 'ok';
            settled($device);
        }
        $faults->arm(calls => GroupShare::Faults::files(), effect => 'kill', first => $n);
        my $reply = $act->($u);
        $history->heard($u, $reply) if $reply;
        my ($count, $hits, $what) = $faults->disarm;
        $ended = !$hits;
        last if $ended;
        $kills++;
        $device->kill9;
        $device->start;
        if ($again) {
            my $end = $again->($u);
            push @wrong, "call $n, $what: again: $end->{status} $end->{body}" if $history->heard($u, $end) ne 'ok';
        } elsif (!eval { wait_for(sub { !@{ files_of($u) } }, 'the deletion', 20) }) {
            push @wrong, "call $n, $what: still there: @{files_of($u)}";
        }
        settled($device);
        push @wrong, "call $n, $what: staging: @{files_under($device, 'staging')}" if @{ files_under($device, 'staging') };
    }
    is_deeply(\@wrong, [], "killed at $kills points of a $name: old or new, and the next try ends well");
    tell_soak("killed at $kills points of a $name, from " . first_number() . ', ' . @wrong . ' wrong; '
        . ($ended ? "there is no point $n" : "cut short, to be gone on with GS_FROM=$n"));
    cmp_ok($n, '>=', $name eq 'deletion' ? 5 : 20, 'points were found') if $ended;
    return;
}
for my $round (1 .. ($LONG ? 5 : 1)) {
    last if time_is_up();
    kill_at_every_call($_, $LONG ? 1 : $_ eq 'deletion' ? 5 : 14) for grep { in_part("device, $_") } qw(PUT PATCH deletion);
}
is_deeply([ $history->check ], [], 'the history after the kills of the device: ' . $history->acknowledged . ' acknowledged');
is($cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices'), 0, 'nothing stays reserved');

my $cycles = 0;

# The database: a backend killed makes the postmaster restart all; the postmaster killed; each while uploads run.
for my $cycle (1 .. ($LONG ? 200 : 2)) {
    last if ($cycle > 2 && time_is_up()) || !in_part('database');
    $cycles = $cycle;
    my @uploads = $history->notices(80, 5_000);
    my $before  = $history->acknowledged;
    $history->load(3, \@uploads);
    wait_for(sub { $history->load_heard >= 20 }, 'uploads to be acknowledged');
    if ($cycle % 2) {
        my $pid = $cs->sql(q{SELECT pid FROM pg_stat_activity WHERE usename = 'd1' LIMIT 1});
        kill 'KILL', $pid if $pid;
    } else {
        $cs->kill9;
        $cs->start;
    }
    wait_for(sub { eval { $cs->sql('SELECT 1') } }, 'the database');
    $history->load_end;
    $history->fault("cycle $cycle", $before + 20);
    my ($u) = $history->notices(1, 5_000);
    my $ok = eval { wait_for(sub { $history->heard($u, put($u, $u->{file})) eq 'ok' }, 'uploads', 10) };
    ok($ok, "cycle $cycle: uploads are taken again within 10 s");
}
is_deeply([ $history->check ], [], 'the history after the kills of the database: ' . $history->acknowledged . ' acknowledged');

tell_soak("$cycles kills of backend or postmaster, " . $history->acknowledged . ' acknowledged') if $cycles;

# Stopped, not dead: no longer chosen after three intervals, and no answer that nobody gave.
my $second  = add_device(servers => [$cs], name => 'd2', location => 'eu/b', settings => { storage => { report_interval_ms => 200 } });
my ($early) = grep { $_->{device} eq 'd1' } map { $history->notices(1, $SIZE) } 1 .. 20;
my @stopped = ($device->{process}->pid, worker_of($device));
kill 'STOP', @stopped;
ok($early, 'a device is chosen');
is($history->heard($early, put($early, $early->{file}, timeout_s => 2)), 'unknown', 'a stopped device answers nothing');
wait_for(sub { $cs->sql(q{SELECT bool_or(candidate) FROM groupshare.explain_placement('ann@example.org', 1000) WHERE device = 'd1'}) ne 't' },
    'the silence to be noticed');
is(scalar(grep { $_->{device} eq 'd1' } $history->notices(30, 1_000)), 0, 'nor is it chosen');
kill 'CONT', @stopped;
wait_for(sub { $history->heard($early, put($early, $early->{file})) eq 'ok' }, 'it to go on');
pass('it goes on');
is_deeply([ $history->check ], [], 'the history: ' . $history->acknowledged . ' acknowledged, all there and right');
done_testing;
