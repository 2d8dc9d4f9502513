# SPDX-License-Identifier: PostgreSQL
# Call number N on the device's files, or its allocation number N, fails, for N = 1, 2, 3 ... until a run in which nothing
# was left to fail: uploads, downloads, deletions, the scrub, the start. Whatever happens: a clean answer, no answer that
# promises what is not there, nothing left behind, the others go on, and the same try succeeds afterwards. A failed sync
# is the end of uploads until a start. In make check an error each; GS_LONG=1: each error, allocations of libraries, and a
# disk that fails from call N on.
use GroupShare::Test;
use GroupShare::Faults;
use GroupShare::History;
use GroupShare::Storage;
use Digest::SHA qw(sha256_hex);
use Errno qw(EIO EINTR EMFILE ENOMEM ENOSPC);

my $LONG = $ENV{GS_LONG};
my $SIZE = 300_000;
# A failure there may be that of a sync, and a disk that can not be measured has failed.
my $READ_ONLY = qr{sync|statvfs|/journal|/objects|: (?!fstatat|unlinkat)\S+ .*(?:json|part|next)};
my $MEMORY    = qr/: (?:malloc|calloc|realloc) /;

# Each call of the program that touches a file has its wrapper in test/faults/calls.c.
if (!sanitized()) {
    my %wrapped = map { $_ => 1 } run_ok('nm', '-D', '--defined-only', program('test/faults.so')) =~ /^\S+ T (\w+)$/mg;
    my %harmless = map { $_ => 1 }
        qw(close closedir fdopendir readdir flock fclose fopen unlink rename strdup open_memstream posix_fadvise mmap);    # mmap: memory only
    my @imports = run_ok('nm', '-D', '--undefined-only', program('groupshare-storaged')) =~ /^\s+U (\w+)\@GLIBC/mg;
    my @calls = grep {/^(?:__)?(?:open|creat|p?read|p?write|f?(?:data)?sync|rename|unlink|link|mkdir|rmdir|f?stat|faccess|
        fallocate|posix_f|ftruncate|truncate|copy_file|sendfile|splice|mmap|malloc|calloc|realloc|strn?dup)/x} @imports;
    cmp_ok(scalar @calls, '>', 15, 'the program calls the C library');
    is_deeply([ grep { !$wrapped{$_} && !$harmless{$_} } @calls ], [], 'each of its calls can be made to fail');
}

my $cs     = new_control_server(name => 'cs1', fsync => 0);
my $faults = GroupShare::Faults->new;
my $device = add_device(
    servers  => [$cs], name => 'd1', location => 'eu/a', start => 0,
    settings => { storage => { report_interval_ms => 500, receipt_wait_ms => 2000, scrub_rate_bytes => 0 } });
$device->{env} = $faults->env($device->{root});
$device->start;
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});
my ($standing) = $history->notices(30, $SIZE);
$history->heard($standing, put($standing, $standing->{file}));
my $read = designation($ann, $standing);

# The soak's time is every part's alike; what one leaves over is the others'. The parts are counted by going through them once.
my ($counting, $parts, $until) = (1, 0, 0);
sub begin_part {
    my ($name) = @_;
    return 0 if !in_part($name);
    $parts += $counting ? 1 : -1;
    return 0 if $counting;
    $until = time + ($^T + ($ENV{GS_SOAK_SECONDS} || 0) - time) / ($parts + 1);
    return 1;
}
# Under the sanitizers allocations are theirs, and none can be refused; calls on files can.
sub is_possible { my ($arm) = @_; return !sanitized() || $arm->{calls} !~ /^(?:malloc|library)$/ }
sub part_is_up { return $ENV{GS_SOAK_SECONDS} && time >= $until }

my @wrong;
sub wrong { push @wrong, join ' ', @_; return }

sub files_of { my ($upload) = @_; return [ glob "$device->{root}/{staging,journal,quarantine,objects/??}/$upload->{object}*" ] }
sub descriptors { my @all = glob '/proc/' . worker_of($device) . '/fd/*'; return scalar @all }
sub soon { my ($sub) = @_; return eval { wait_for($sub, 'it', 5) } }

# The worker as it is now: what a try must leave.
my ($worker, $idle);
sub fresh {
    $device->kill9;
    $device->start;
    ($worker, $idle) = (worker_of($device), 0);
    get($read);
    soon(sub { my $n = descriptors(); my $same = $n == $idle; $idle = $n; return $same });
    return;
}

sub is_read_only { return $cs->sql(q{SELECT count(*) FROM groupshare.device_ledger WHERE read_only}) > 0 }

sub healthy {
    my ($what) = @_;
    my $now = soon(sub { worker_of($device) }) || 0;
    wrong("$what: the worker died:", (split /\n/, $device->log)[-1]) if $now != $worker;
    $worker = $now;
    my $reply = get($read);
    # Without memory for one revocation the device refuses all that was issued before it; whoever asks again gets another ticket.
    if ($reply->{status} == 401 && $what =~ $MEMORY && $reply->{body} =~ /"ticket_revoked"/) {
        soon(sub { $read = designation($ann, $standing); $reply = get($read); return $reply->{status} == 200 });
    }
    wrong("$what: another download: $reply->{status} $reply->{curl_error} " . substr $reply->{body}, 0, 200)
        if $reply->{status} != 200 || sha256_hex($reply->{body}) ne $standing->{sha256};
    wrong("$what: " . descriptors() . " descriptors, were $idle") if !soon(sub { descriptors() <= $idle });
    return;
}

# What an upload may be answered: for want of memory never that the disk has failed.
sub clean_of { my ($what) = @_; return $what =~ $MEMORY ? qr/^(?:20[12]|50[37])$/ : qr/^(?:20[12]|50[037])$/ }

# Memory was out, or the request before, whose connection is gone, is still being finished.
sub perhaps_later { my ($reply) = @_; return $reply->{status} == 503 || (($reply->{json} || {})->{code} // '') eq 'busy' }

# A try has ended with this answer: right, and is the next one as it should be?
sub upload_is_clean {
    my ($what, $upload, $reply, $try) = @_;
    my $outcome = $history->heard($upload, $reply);
    wrong("$what: 201 before the control server knew") if $reply->{status} == 201 && share_state($upload) ne 'stored';
    wrong("$what: $reply->{status} $reply->{body}")
        if $reply->{status} && !($reply->{status} =~ clean_of($what) && ($outcome eq 'ok' || ($reply->{json} || {})->{code}));
    # It may have been stored, and there was no memory to say so: then it is, and asking again says it.
    my $untold = $what =~ $MEMORY && (($reply->{json} || {})->{code} // q{}) eq 'unavailable' && @{ files_of($upload) };
    wrong("$what: left behind after $reply->{status}: @{files_of($upload)}")
        if $outcome eq 'failed' && !$untold && !soon(sub { !@{ files_of($upload) } });
    healthy($what);
    my $again = soon(sub { my $r = $try->(); $r->{status} && !perhaps_later($r) ? $r : undef }) || { status => 0 };
    if ($again->{status} == 507) {
        wrong("$what: read-only without a reason") if $what !~ $READ_ONLY;
        fresh();
        $again = $try->();
    } elsif ($what =~ /: (?:fsync|fdatasync|sync_file_range) .*staging/ && $outcome eq 'failed') {
        wrong("$what: a failed sync, and uploads go on");
    }
    wrong("$what: again: $again->{status} $again->{body}") if $history->heard($upload, $again) ne 'ok';
    wrong("$what: 201 before the control server knew") if $again->{status} == 201 && share_state($upload) ne 'stored';
    return;
}

# sweep($name, {arm options}, prepare => sub, try => sub($prepared), check => sub($what, $prepared, $result)).
# In make check the long sweeps look at every so many calls only.
sub sweep {
    my ($name, $arm, %o) = @_;
    return if !is_possible($arm) || !begin_part($name);
    @wrong = ();
    fresh();
    my ($hit, $step, $ended, $n) = (0, $LONG ? 1 : $o{step} || 1, 0, first_number());
    for (; $n < ($LONG ? 10_000 : 400); $n += $step) {
        last if part_is_up();
        my $thing = $o{prepare}->();
        $faults->arm(%{$arm}, first => $n);
        my $result = $o{try}->($thing);
        my ($count, $hits, $what) = $faults->disarm;
        $ended = !$hits;
        last if $ended;
        $hit++;
        $o{check}->("$name, call $n: $what", $thing, $result);
    }
    return swept($name, $hit, $step, $ended, $n, $o{least} || 1);
}

# How a sweep ended, and where: before call $n, because there was none or because the time was up.
sub swept {
    my ($name, $hit, $step, $ended, $n, $least) = @_;
    is_deeply(\@wrong, [], "$name: $hit calls failed in turn, each cleanly") or diag(join "\n", @wrong);
    tell_soak("$name: $hit calls failed in turn, from " . first_number() . ', ' . @wrong . ' not cleanly; '
        . ($ended ? "there is no call $n" : "cut short, to be gone on with GS_FROM=$n"));
    cmp_ok($n, '>=', $least, "$name: calls were found") if $ended;
    return;
}

# Until what follows an answer has been done, or has failed.
sub quiet {
    my ($upload) = @_;
    for (1 .. 20) {
        last if !-e "$device->{root}/journal/$upload->{object}.json";
        select undef, undef, undef, 0.01;
    }
    return;
}

my @spare;
sub more_uploads { return scalar(@spare = eval { $history->notices(30, $SIZE) }) }

# The server may just have heard that a sync failed: a start ends that.
sub next_upload {
    @spare || more_uploads() || (fresh(), wait_for(\&more_uploads, 'notices that the device has room for', 10));
    return shift @spare;
}

sub sweep_put {
    my ($name, $arm, $least, $step) = @_;
    return sweep("PUT, $name", $arm, least => $least, step => $step, prepare => \&next_upload,
        try => sub { my ($u) = @_; my $r = put($u, $u->{file}); quiet($u) if $r->{status} == 201; return $r },
        check => sub { my ($what, $u, $r) = @_; upload_is_clean($what, $u, $r, sub { put($u, $u->{file}) }) });
}

# As a client does it: in two parts, from where HEAD says, three times at most.
sub put_in_parts {
    my ($u) = @_;
    my ($reply, $bytes) = ({ status => 0 }, slurp($u->{file}));
    for (1 .. 4) {
        my $head = http('HEAD', $u->{url}, token => $u->{ticket});
        my $at   = $head->{headers}{'upload-offset'};
        next if $head->{status} != 200 || !defined $at;
        my $part = $at < $SIZE / 2 ? substr $bytes, $at, $SIZE / 2 - $at : substr $bytes, $at;
        $reply = http('PATCH', $u->{url}, token => $u->{ticket}, body => $part,
            headers => [ 'upload-offset' => $at, 'content-type' => 'application/partial-upload' ]);
        last if $reply->{status} =~ /^20[12]$/ || $reply->{status} == 507;
    }
    $reply->{status} = 503 if $reply->{status} == 204;
    return $reply;
}

sub sweep_patch {
    my ($name, $arm, $least, $step) = @_;
    return sweep("PATCH, $name", $arm, least => $least, step => $step, prepare => \&next_upload,
        try => sub { my ($u) = @_; my $r = put_in_parts($u); quiet($u) if $r->{status} == 201; return $r },
        check => sub {
            my ($what, $u, $r) = @_;
            $r = put_in_parts($u) if $r->{status} == 503 || !$r->{status};    # what came stays, to be gone on with
            upload_is_clean($what, $u, $r, sub { put_in_parts($u) });
        });
}

sub sweep_get {
    my ($name, $arm, $least, $step) = @_;
    return sweep("GET, $name", $arm, least => $least, step => $step, prepare => sub { },
        try => sub { return get($read) },
        check => sub {
            my ($what, undef, $reply) = @_;
            my $whole = $reply->{curl} == 0 && $reply->{status} == 200;
            wrong("$what: other bytes with 200") if $whole && sha256_hex($reply->{body}) ne $standing->{sha256};
            wrong("$what: $reply->{status}") if !$whole && $reply->{status} !~ ($what =~ $MEMORY ? qr/^(?:0|200|503)$/ : qr/^(?:0|200|50[03])$/);
            healthy($what);
        });
}

sub sweep_delete {
    my ($name, $arm, $least) = @_;
    return sweep("deletion, $name", $arm, least => $least,
        prepare => sub {
            # A sync failed with the last deletion, and the server has heard of it: no more notices.
            fresh(), soon(sub { !is_read_only() }) if is_read_only();
            my $u = next_upload();
            return $u if $history->heard($u, put($u, $u->{file})) eq 'ok' && (quiet($u), 1);
            fresh();    # it has not heard yet
            wrong('no upload to delete') if $history->heard($u, put($u, $u->{file})) ne 'ok';
            quiet($u);
            return $u;
        },
        try => sub { my ($u) = @_; $history->delete($u); soon(sub { ($faults->state)[1] || !@{ files_of($u) } }); return },
        check => sub {
            my ($what, $u) = @_;
            healthy($what);
            wrong("$what: still there: @{files_of($u)}") if !soon(sub { !@{ files_of($u) } });
        });
}

# Of what is stored, by who has its upload ticket: the same bytes are a success, others are none, and either leaves it as it is.
my $others = spit(scratch('others') . '/bytes', 'x' x $SIZE);
sub sweep_again {
    my ($name, $arm, $least, $step) = @_;
    for my $act ([ 'the same', qr/^201$/, sub { put($standing, $standing->{file}) } ],
        [ 'other bytes', qr/^409$/, sub { put($standing, $others) } ],
        [ 'a part',      qr/^201$/, sub { put_in_parts($standing) } ],
        [ 'DELETE',      qr/^409$/, sub { http('DELETE', $standing->{url}, token => $standing->{ticket}) } ])
    {
        my ($what_is_done, $right, $do) = @{$act};
        sweep("again, $what_is_done, $name", $arm, least => $least, step => $step, prepare => sub { },
            try => $do,
            check => sub {
                my ($what, undef, $reply) = @_;
                my $failed = $what =~ $MEMORY ? qr/^(?:0|503)$/ : $what =~ $READ_ONLY ? qr/^(?:0|50[037])$/ : qr/^(?:0|50[03])$/;
                wrong("$what: $reply->{status} $reply->{body}") if $reply->{status} !~ $right && $reply->{status} !~ $failed;
                healthy($what);
                my $again = $do->();
                if ($again->{status} == 507 && $what =~ $READ_ONLY) {
                    fresh();
                    $again = $do->();
                }
                wrong("$what: again: $again->{status} $again->{body}") if $again->{status} !~ $right;
            });
    }
    return;
}

my $FILES = GroupShare::Faults::files();
my @plain = grep { !/sync/ } split ' ', $FILES;

# The scrub: whatever it can't do, it suspects no good object.
sub scrub_hits {
    my ($n, $arm) = @_;
    $faults->arm(%{$arm}, first => $n);
    eval { wait_for(sub { ($faults->state)[0] > $n + 30 }, 'the scrub', 60) };    # of libraries it asks for little at a time
    return $faults->disarm;
}
my %known;
sub sweep_scrub {
    my ($name, $arm) = @_;
    return if !is_possible($arm) || !begin_part("scrub, $name");
    @wrong = ();
    fresh();
    my $tried = 0;
    for my $n (map { first_number() + $_ * 3 } 0 .. ($LONG ? 99 : 5)) {
        last if part_is_up();
        $tried++;
        my ($count, $hits, $what) = scrub_hits($n, $arm);
        wrong("call $n was not reached") if !$hits;
        my @suspected = grep { !$known{$_}++ } glob "$device->{root}/quarantine/*";
        next if !@suspected;
        wrong("$what: @suspected");
        last;
    }
    healthy("scrub, $name");
    is_deeply(\@wrong, [], "scrub, $name: no good object is suspected");
    tell_soak("scrub, $name: $tried calls failed in turn, from " . first_number() . ', ' . @wrong . ' not cleanly');
    return;
}

# A start looks at every object and directory of objects: its calls are the same ones each time only when those are. But the standing one.
sub remove {
    my (@uploads) = @_;
    $history->delete($_) for @uploads;
    wrong('not deleted') if !eval { wait_for(sub { !grep { @{ files_of($_) } } @uploads }, 'the deletions', 120) };
    return;
}

sub few_directories {
    my ($but) = @_;
    rmdir $_ for grep { !m{/\Q$but\E$} } glob "$device->{root}/objects/??";    # refused where something is
    return;
}

# The start, with a journal to replay: one that fails loses nothing. `entry`: only at what belongs to that entry.
sub sweep_start {
    my ($name, $arm, %o) = @_;
    return if !is_possible($arm) || !begin_part("start, $name");
    @wrong = ();
    my ($step, @met) = ($o{step} || 1);
    fresh();
    remove(grep { $_->{share} ne $standing->{share} && @{ files_of($_) } } map { $_->{upload} } values %{ $history->{of} });
    my ($hit, $n, $ended) = (0, first_number(), 0);
    while ($hit < 400 && !part_is_up()) {
        fresh();             # the last failure may have hit the end of a receipt, which the next start repeats; and no scrub renames anything
        my $u = next_upload();
        settled($device);    # no rename of an earlier one is to come
        # After the commit point; and if the master is quick to start another worker, that one replays nothing either.
        $faults->arm(calls => 'rename', effect => 'kill', first => 2, last => 0);
        $history->heard($u, put($u, $u->{file}));
        $device->kill9;
        $faults->disarm;
        few_directories(substr $u->{object}, -2);
        $faults->arm(%{$arm}, first => $n, only => $o{entry} ? $u->{object} : '');
        my $started = eval { $device->start };
        my ($count, $hits, $what) = $faults->disarm;
        push @met, $what =~ s/\Q$u->{object}/OBJECT/r;
        $device->start if !$started;    # it has ended and said why; whoever watches over it starts it again
        ($worker, $idle) = (worker_of($device), 100);
        $ended = !$hits;
        last if $ended;
        $hit++;
        wrong("call $n, $what: not stored") if !soon(sub { share_state($u) eq 'stored' });
        healthy("$name, call $n: $what");
        $history->{of}{ $u->{share} }{state} = 'kept';
        remove($u);
        $n += $step;
    }
    ok(!!grep({ $_ eq $o{entry} } @met), "start, $name: $o{entry} was among the calls") || diag(join "\n", @met) if $o{entry} && $ended;
    return swept("start, $name", $hit, $step, $ended, $n, $o{least} || 20);
}

# A disk that fails from call N on: never a wrong promise, and with a new disk beneath it nothing is left but what was promised.
sub sweep_disk {
    return if !begin_part('a disk that fails');
    @wrong = ();
    my ($hit, $n, $ended) = (0, first_number(), 0);
    for (; $n < ($LONG ? 400 : 40); $n += $LONG ? 1 : 13) {
        last if part_is_up();
        fresh();
        my $u = next_upload();
        $faults->arm(calls => $FILES, effect => 'fail', error => EIO, first => $n, last => 0);
        my $outcome = $history->heard($u, put($u, $u->{file}));
        wrong("from call $n on: the worker died") if worker_of($device) != $worker;
        quiet($u) if $outcome eq 'ok';
        $ended = !($faults->disarm)[1];
        last if $ended;
        $hit++;
        fresh();
        my $left = files_of($u);
        wrong("from call $n on: $outcome, and left: @{$left}")
            if grep({m{/staging/}} @{$left}) || ($outcome eq 'ok' && @{$left} != 2);
        wrong("from call $n on: again") if $history->heard($u, put($u, $u->{file})) ne 'ok';
    }
    return swept('a disk that fails from some call on', $hit, 1, $ended, $n, 15);
}

sub all_parts {
    sweep_put('EIO', { calls => $FILES, effect => 'fail', error => EIO }, 15, 5);
    sweep_put('no room', { calls => 'open write allocate rename mkdir', effect => 'fail', error => ENOSPC }, 6, 3);
    sweep_put('no room at a sync', { calls => 'sync sync_dir', effect => 'fail', error => ENOSPC }, 5, 2);
    sweep_put('EINTR', { calls => 'read write allocate sync sync_dir', effect => 'fail', error => EINTR }, 6, 3);
    sweep_put('short', { calls => 'read write', effect => 'short' }, 2);
    sweep_put('no memory', { calls => 'malloc', effect => 'fail' }, 3, 10);
    sweep_patch('EIO', { calls => "@plain", effect => 'fail', error => EIO }, 15, 10);
    sweep_patch('short', { calls => 'read write', effect => 'short' }, 2);
    sweep_patch('no memory', { calls => 'malloc', effect => 'fail' }, 3, 20);
    sweep_get($_->[0], $_->[1], 3, 3)
        for [ 'no descriptor', { calls => $FILES, effect => 'fail', error => EMFILE } ],
        [ 'EINTR', { calls => $FILES, effect => 'fail', error => EINTR } ], [ 'short', { calls => 'read', effect => 'short' } ],
        [ 'no memory', { calls => 'malloc', effect => 'fail' } ];
    sweep_again('EIO',       { calls => $FILES,   effect => 'fail', error => EIO }, 3, 3);
    sweep_again('no memory', { calls => 'malloc', effect => 'fail' }, 1, 10);
    sweep_delete('EIO', { calls => join(' ', grep { $_ ne 'stat' } split ' ', $FILES), effect => 'fail', error => EIO }, 4);
    if ($LONG) {
        sweep_patch('EIO of a sync', { calls => 'sync sync_dir', effect => 'fail', error => EIO });
        sweep_patch('no room', { calls => $FILES, effect => 'fail', error => ENOSPC });
        sweep_patch('EINTR', { calls => 'read write allocate sync sync_dir', effect => 'fail', error => EINTR });
        sweep_put('no memory for libraries', { calls => 'library', effect => 'fail' });
        sweep_patch('no memory for libraries', { calls => 'library', effect => 'fail' });
        sweep_again('no memory for libraries', { calls => 'library', effect => 'fail' });
        sweep_get('no memory for libraries', { calls => 'library', effect => 'fail' });
        sweep_delete('no memory', { calls => 'malloc', effect => 'fail' });
    }

    @{ $device->{config}{storage} }{qw(scrub_rate_bytes scrub_interval_ms)} = (1 << 40, 0);
    sweep_scrub($_->[0], $_->[1])
        for [ 'EINTR', { calls => 'open read stat', effect => 'fail', error => EINTR } ],
        [ 'no memory', { calls => 'open read stat malloc', effect => 'fail', error => ENOMEM } ],
        [ 'no memory for libraries', { calls => 'library', effect => 'fail' } ],
        [ 'short', { calls => 'read', effect => 'short' } ];
    delete $device->{config}{storage}{scrub_interval_ms};
    $device->{config}{storage}{scrub_rate_bytes} = 0;

    # What can't be looked at is not missing.
    sweep_start('EIO at an entry', { calls => $FILES, effect => 'fail', error => EIO }, entry => 'fstatat /staging/OBJECT', least => 3);
    sweep_start('EIO', { calls => $FILES, effect => 'fail', error => EIO }, step => $LONG ? 1 : 30);
    if ($LONG) {
        sweep_start('no memory', { calls => 'malloc', effect => 'fail' });
        # Some 22,000, most of them OpenSSL's: every 61st, and with another GS_FROM others.
        sweep_start('no memory for libraries', { calls => 'library', effect => 'fail' }, step => 61);
        sweep_start('EINTR', { calls => 'read write sync sync_dir', effect => 'fail', error => EINTR }, least => 5);
    }
    sweep_disk();
    return;
}
all_parts();
$counting = 0;
all_parts();

is_deeply([ $history->check ], [], 'the history: ' . $history->acknowledged . ' acknowledged, all there and right');
fresh();    # the last failure may have hit the end of a receipt, which the next start repeats
settled($device);
is_deeply(files_under($device, 'staging'), [], 'staging is empty');

done_testing;
