# SPDX-License-Identifier: PostgreSQL
# The storage daemon is killed at each named step (storaged/fault.h): of an upload, of one in parts, of a removal, of the scrub and
# quarantine, of an inventory, of its own start. After the next start there is the old or the new, never something torn; what had been
# acknowledged is there; the client's next try ends well; no reservation stays. GS_LONG=1: 20 times each.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;

my $LONG = $ENV{GS_LONG};
seeded();
my $cs     = new_control_server(name => 'cs1');
my $armed  = scratch('armed') . '/step';
my $device = add_device(
    servers  => [$cs], name => 'd1', location => 'eu/a', program => program('faults/groupshare-storaged'),
    env      => { GROUPSHARE_STORAGED_EXIT_AT => "\@$armed" },
    settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 0, scrub_interval_ms => 1000 } });
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});
my ($standing) = $history->notices(1, 700_000);
$history->heard($standing, put($standing, $standing->{file}));
my (@wrong, %killed);

sub wrong { push @wrong, join ' ', @_; return }
sub soon { my ($sub) = @_; return eval { wait_for($sub, 'it', 20) } }
sub files_of { my ($u) = @_; return [ glob "$device->{root}/{staging,journal,quarantine,objects/??}/$u->{object}*" ] }
sub path_of { my ($u) = @_; return stored_path($device, $u->{object}) }
sub fresh_upload { my ($u) = $history->notices(1, 1 + int rand 900_000); return $u }
# What it believes is used of its room, and what is.
sub believed { return http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_used_bytes(?:\{[^}]*\})? (\S+)/m ? $1 : 0 }
sub used { my $sum = 0; $sum += -s "$device->{root}/$_" for grep { !/\.json$/ } @{ files_under($device) }; return $sum }
sub arm { my ($step) = @_; spit("$armed.new", $step); return rename "$armed.new", $armed }

# The worker was ended there, now all of the daemon is; it starts again.
sub killed_at {
    my ($step) = @_;
    soon(sub { !-e $armed }) ? $killed{$step}++ : wrong("$step: was not reached");
    unlink $armed;
    $device->kill9;
    $device->start;
    return;
}

sub stored {
    my ($step, $u, $reply) = @_;
    wrong("$step: $reply->{status} $reply->{body}") if $history->heard($u, $reply) ne 'ok';
    wrong("$step: not whole") if get(designation($ann, $u))->{body} ne slurp($u->{file});
    wrong("$step: stays in the journal") if !soon(sub { !@{ files_under($device, 'journal') } });
    wrong("$step: left: @{files_of($u)}") if join(' ', @{ files_of($u) }) ne path_of($u) . ' ' . path_of($u) . '.json';
    return;
}

# Of a PUT; what is kept from which step on.
sub kill_put {
    my ($step, $kept) = @_;
    my $u = fresh_upload();
    arm($step);
    my $reply = put($u, $u->{file});
    # The answer does not wait for the last step.
    wrong("$step: answered $reply->{status}") if $history->heard($u, $reply) eq 'ok' && $step ne 'after_ack';
    killed_at($step);
    if ($kept) {
        wrong("$step: not stored without the client") if !soon(sub { share_state($u) eq 'stored' });
    } else {
        wrong("$step: " . share_state($u) . ", left: @{files_of($u)}") if share_state($u) ne 'pending' || @{ files_of($u) };
    }
    return stored($step, $u, put($u, $u->{file}));
}

sub part {
    my ($u, $from, $to) = @_;
    return http('PATCH', $u->{url}, token => $u->{ticket}, body => substr(slurp($u->{file}), $from, $to - $from),
        headers => [ 'upload-offset' => $from, 'content-type' => 'application/partial-upload' ]);
}

# Of an upload in two parts, in the first or the second, or in the second one after a start.
sub kill_part {
    my ($step, $where) = @_;
    my $u    = fresh_upload();
    my $half = int($u->{size} / 2);
    my $least = 0;
    arm($step) if $where eq 'first';
    my $reply = part($u, 0, $half);
    if ($where ne 'first') {
        wrong("$step: the first part: $reply->{status}") if $reply->{status} != 204;
        $least = $half;
        if ($where eq 'after a start') { $device->kill9; $device->start }
        arm($step);
        $reply = part($u, $half, $u->{size});
    }
    wrong("$step: answered $reply->{status}") if $reply->{status};
    killed_at($step);
    my $head = soon(sub { my $r = http('HEAD', $u->{url}, token => $u->{ticket}); $r->{status} == 409 ? undef : $r });
    my $at   = $head->{headers}{'upload-offset'};
    wrong("$step: at $at, was $least") if $head->{status} != 200 || $at < $least || $at > $u->{size};
    return stored($step, $u, part($u, $at, $u->{size}));
}

# Of a removal: stored, or in quarantine.
sub kill_removal {
    my ($step) = @_;
    my $u = fresh_upload();
    stored($step, $u, put($u, $u->{file}));
    spoil($step, $u) if $step eq 'quarantine_emptied';
    arm($step);
    $history->delete($u);
    killed_at($step);
    wrong("$step: still there: @{files_of($u)}") if !soon(sub { !@{ files_of($u) } });
    wrong("$step: " . believed() . ' bytes are used, it believes, of ' . used()) if !soon(sub { believed() == used() });
    wrong("$step: the order stays") if !soon(sub { $cs->sql('SELECT count(*) FROM groupshare.device_work WHERE done_at IS NULL') == 0 });
    return;
}

sub flip {
    my ($path) = @_;
    open my $file, '+<:raw', $path or die "$path: $!\n";
    read $file, my $byte, 1;
    seek $file, 0, 0;
    print {$file} chr(ord($byte) ^ 1);
    return close $file;
}
sub found { my ($u) = @_; return $cs->sql(q{SELECT count(*) FROM groupshare.damaged WHERE object = :'o'}, o => $u->{object}) }
sub spoil {
    my ($step, $u) = @_;
    $history->spoiled($u);
    flip(path_of($u));
    wrong("$step: the damage is not found") if !soon(sub { found($u) == 1 });
    return;
}

# Of the scrub, and of what it finds.
sub kill_scrub {
    my ($step) = @_;
    my $u = fresh_upload();
    stored($step, $u, put($u, $u->{file}));
    $history->spoiled($u);
    flip(path_of($u));
    arm($step);
    killed_at($step);
    wrong("$step: the damage is not found") if !soon(sub { found($u) == 1 && -e "$device->{root}/quarantine/$u->{object}.json" });
    wrong("$step: it is served") if -e path_of($u);
    wrong("$step: others are suspected: @{files_under($device, 'quarantine')}") if @{ files_under($device, 'quarantine') } > 2;
    $history->delete($u);
    wrong("$step: quarantine stays") if !soon(sub { !@{ files_under($device, 'quarantine') } });
    return;
}

sub kill_inventory {
    my ($step) = @_;
    my $before = $cs->sql('SELECT count(*) FROM groupshare.inventory_report');
    arm($step);
    $cs->sql(q{SELECT groupshare.request_inventory('d1')});
    killed_at($step);
    wrong("$step: it does not end") if !soon(sub { $cs->sql('SELECT state FROM groupshare.inventories') eq 'done' });
    wrong("$step: it finds what is not so") if $cs->sql('SELECT count(*) FROM groupshare.inventory_report') != $before;
    return;
}

# Of the start after another death: in the journal's replay, or amid what is left over in staging.
sub kill_start {
    my ($step, $first, $kept) = @_;
    my $u = fresh_upload();
    arm($first);
    # Else it would start another worker, which puts right what the next daemon is to find.
    kill 'STOP', $device->{process}->pid;
    $history->heard($u, put($u, $u->{file}));
    soon(sub { !-e $armed }) or wrong("$step: $first was not reached");
    $device->kill9;
    arm($step);
    $device->start;    # the master starts another worker
    killed_at($step);
    wrong("$step: not stored") if $kept && !soon(sub { share_state($u) eq 'stored' });
    wrong("$step: left: @{files_of($u)}") if !$kept && @{ files_of($u) };
    return stored($step, $u, put($u, $u->{file}));
}

my @ways = (
    [ \&kill_put => [qw(after_create 0)], [qw(after_fallocate 0)], [qw(after_write 0)], [qw(after_fsync 0)], [qw(after_sidecar 0)],
        [qw(after_journal 1)], [qw(after_rename 1)], [qw(after_dirsync 1)], [qw(before_receipt 1)], [qw(after_receipt 1)],
        [qw(after_ack 1)] ],
    [ \&kill_part => (map { [ $_, 'first' ] } qw(after_create progress_written after_progress after_write progress_written:2 after_progress:2)),
        (map { [ $_, 'second' ] } qw(resumed after_write after_fsync after_journal after_rename record_removed after_receipt)),
        [ 'caught_up', 'after a start' ] ],
    [ \&kill_removal => map { [$_] } qw(data_removed sidecar_removed entry_removed before_work_done after_work_done) ],
    [ \&kill_inventory => ['inventory_told'], ['inventory_told:2'] ],
    [ \&kill_start => [ 'replayed', 'after_journal', 1 ], [ 'swept', 'after_fsync', 0 ] ],
    [ sub { return }, [] ],    # from here on it scrubs without a pause
    [ \&kill_removal => ['quarantine_emptied'] ],
    [ \&kill_scrub => map { [$_] } qw(scrub_step scrub_place data_aside sidecar_aside damage_told) ]);

# Each step of the program is killed at here, or (those of a fetch) in 290_storaged_fetch.t.
{
    my %known = map { $_ => 1 } slurp(root() . '/test/t/290_storaged_fetch.t') =~ /\b(fetch_\w+)/g;
    $known{ $_->[0] =~ s/:.*//r } = 1 for grep { @{$_} } map { @{$_}[ 1 .. $#{$_} ] } @ways;
    my %steps = map { $_ => 1 } map { slurp($_) =~ /gs_fault_exit\("(\w+)"\)/g } glob root() . '/storaged/*.c';
    cmp_ok(scalar keys %steps, '>', 25, keys(%steps) . ' steps have a name');
    is_deeply([ grep { !$known{$_} } sort keys %steps ], [], 'and each its kill');
}

for my $round (1 .. ($LONG ? 20 : 1)) {
    for my $way (@ways) {
        my ($kill, @steps) = @{$way};
        if (!@{ $steps[0] }) {
            $device->{config}{storage}{scrub_rate_bytes} = 1 << 40;
            $device->restart;
            next;
        }
        for my $step (@steps) {
            last if $round > 1 && time_is_up();
            next if !in_part($step->[0]);
            @wrong = ();
            $kill->(@{$step});
            is_deeply(\@wrong, [], "round $round: @{$step}");
        }
    }
    $device->{config}{storage}{scrub_rate_bytes} = 0;
    $device->restart;
}
my ($least) = sort { $a <=> $b } values %killed;
tell_soak(keys(%killed) . " steps, each killed at $least times or more");
is_deeply([ $history->check ], [], 'the history: ' . $history->acknowledged . ' acknowledged, all there and right');
settled($device);
is_deeply(files_under($device, 'staging'), [], 'staging is empty');
is(@{ files_under($device, 'objects') }, 2 * $cs->sql(q{SELECT count(*) FROM groupshare.share WHERE state = 'stored'}),
    'data and sidecar of what is stored, nothing more');
is($cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices'), 0, 'and no reservation is left');

# Killed while many uploads run: whatever was answered 201 is there, nothing else stays.
my @uploads = $history->notices(8, 800_000);
my @running = map { http_begin('PUT', $_->{url}, token => $_->{ticket}, file => $_->{file}, curl => [ '--limit-rate', '2M' ]) } @uploads;
wait_for(sub { @{ files_under($device, 'staging') } >= 4 }, 'uploads to run');
$device->kill9;
my @status = map { http_finish($_)->{status} } @running;
$device->start;
is_deeply(files_under($device, 'staging'), [], 'killed amid uploads: staging is empty after the start');
for my $i (0 .. $#uploads) {
    is_reply(put($uploads[$i], $uploads[$i]{file}), 201, "upload $i (was $status[$i]) can be stored");
}

done_testing;
