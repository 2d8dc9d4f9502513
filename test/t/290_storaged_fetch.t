# SPDX-License-Identifier: PostgreSQL
# A copy is made from device to device: whole, durable, resumed after whatever ends either of them, given up with a
# reason, stopped when it is not wanted any more.
use GroupShare::Test;
use GroupShare::Http qw(json_decode);
use GroupShare::Storage;

my $cs = new_control_server(
    name => 'cs1',
    conf => { 'groupshare.maintenance_interval' => 100, 'groupshare.delete_hold' => 0, 'groupshare.device_silent_intervals' => 1000 });
my %known = (servers => [$cs], settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 0 } });
my $from  = add_device(%known, name => 'd1', location => 'eu/a');
my $to    = add_device(%known, name => 'd2', location => 'eu/b', program => program('faults/groupshare-storaged'));
my $ann   = new_owner($cs, 'ann@example.org');
my $armed = scratch('armed') . '/step';
$cs->sql('UPDATE groupshare.plan SET copies = 2');

# A file that is stored on d1 while d2 is away, which so gets its copy when it comes back.
sub store_first {
    my ($file) = @_;
    $to->stop;
    $cs->sql(q{UPDATE groupshare.device_ledger l SET epoch = NULL FROM groupshare.device d WHERE d.id = l.device_id AND d.name = 'd2'});
    my $upload = notice($ann, -s $file);
    is_reply(put($upload, $file), 201, "stored on $upload->{device}");
    return $upload;
}

sub copies {
    my ($upload) = @_;
    return $cs->sql(<<'SQL', share => $upload->{share});
SELECT string_agg(device || ' ' || state, ', ' ORDER BY device) FROM groupshare.copies WHERE share_id = :'share'
SQL
}
# The worker tries at once what it would try again in a while.
sub hurry  { return $cs->sql(q{UPDATE groupshare.copy_need SET not_before = now() WHERE not_before BETWEEN now() AND now() + interval '1 day'}) }
sub copied { my ($upload) = @_; hurry(); return copies($upload) eq 'd1 stored, d2 stored' }
sub problem  { my ($upload) = @_; return $cs->sql(q{SELECT problem FROM groupshare.copy_need WHERE share_id = :'s'}, s => $upload->{share}) }
sub told {
    my ($upload, $reason) = @_;
    return wait_for(sub { return 1 if problem($upload) eq $reason; hurry(); return }, "$reason to be told");
}
sub metric {
    my ($device, $name) = @_;
    return http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_\Q$name\E(?:\{[^}]*\})? ([0-9.e+]+)$/m ? $1 : undef;
}
sub object_on {
    my ($device, $upload) = @_;
    return $cs->sql(q{SELECT object FROM groupshare.copies WHERE share_id = :'s' AND device = :'d'}, s => $upload->{share}, d => $device->{name});
}
sub same_bytes {
    my ($upload, $file, $what) = @_;
    my $path = stored_path($to, object_on($to, $upload));
    return is(sha256_file($path), sha256_file($file), $what);
}
my $stored = 0;
sub in_order {
    my ($what) = @_;
    is_deeply(files_under($to, 'staging'), [], "$what: staging is empty");
    settled($to);
    return is(@{ files_under($to, 'objects') }, 2 * ++$stored, "$what: data and sidecar, nothing more");
}

# The way it goes when nothing happens: of some size, small, empty.
for my $size (5_000_000, 7, 0) {
    my $file   = random_file($size);
    my $upload = store_first($file);
    $to->start;
    wait_for(sub { copied($upload) }, 'the copy');
    same_bytes($upload, $file, "$size bytes: the same");
    in_order("$size bytes");
    settled($from);
    my ($original, $copy) = map { json_decode(slurp(stored_path($_, object_on($_, $upload)) . '.json')) } $from, $to;
    is_deeply([ @{$copy}{qw(terminal name sha256)} ], [ @{$original}{qw(terminal name sha256)} ], "$size bytes: says whose it is");
    ok($copy->{terminal}, "$size bytes: and does");
}
is($cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices'), 0, 'no reservation is left');

# 1.5 MiB a second: one of four at a time.
my $large = random_file(12 << 20);
$to->{config}{storage}{fetch_rate_bytes} = 6 << 20;
sub amid {
    my ($upload) = @_;
    wait_for(sub { hurry(); (metric($to, 'fetched_bytes_total') || 0) > 2 << 20 }, 'a fetch to be under way', 30);
    return;
}

# Killed at each step; of a fetch that is given up, too, since the source has lost it for the time being.
my $small = random_file(300_000);
my %killed;
sub killed_at {
    my ($step) = @_;
    my $upload = store_first($small);
    my $source = stored_path($from, object_on($from, $upload)) . '.json';
    $source = undef if $step !~ /given_up|told/;
    rename $source, "$source.away" or die "$source: $!\n" if $source;
    $to->{env} = { GROUPSHARE_STORAGED_EXIT_AT => "\@$armed" };
    spit($armed, $step);
    $to->{started_unready} = 1;
    $to->start;
    wait_for(sub { hurry(); !-e $armed }, "$step: the end of the worker");
    $to->kill9;
    delete $to->{started_unready};
    rename "$source.away", $source or die "$source: $!\n" if $source;
    $to->start;
    wait_for(sub { copied($upload) }, "$step: the copy");
    same_bytes($upload, $small, "$step: the same");
    in_order($step);
    return $killed{$step}++;
}

# The source breaks off amid the copy, and the fetching one is killed when it has noted how far it had come.
sub killed_after_a_break {
    my $upload = store_first($large);
    $to->{env} = { GROUPSHARE_STORAGED_EXIT_AT => "\@$armed" };
    $to->start;
    amid();
    spit($armed, 'fetch_interrupted');
    $from->kill9;
    wait_for(sub { !-e $armed }, 'the end of the worker after a break');
    $to->kill9;
    my $object = object_on($to, $upload);
    cmp_ok(json_decode(slurp("$to->{root}/staging/$object.part"))->{offset}, '>', 2 << 20, 'what came before is noted');
    $from->start;
    $to->start;
    wait_for(sub { copied($upload) }, 'the copy after both had died');
    cmp_ok(metric($to, 'fetched_bytes_total'), '<', 10 << 20, 'fetched was only what lacked');
    same_bytes($upload, $large, 'both died: the same');
    in_order('both died');
    return $killed{fetch_interrupted}++;
}
for my $round (1 .. ($ENV{GS_LONG} ? 20 : 1)) {
    for my $step (qw(fetch_opened progress_written after_write fetch_complete after_fsync after_journal after_rename record_removed
        before_receipt after_receipt after_ack fetch_given_up fetch_told)) {
        killed_at($step) if in_part($step) && ($round == 1 || !time_is_up());
    }
    killed_after_a_break() if in_part('fetch_interrupted') && ($round == 1 || !time_is_up());
}
my ($least) = sort { $a <=> $b } values %killed;
tell_soak(keys(%killed) . " steps of a copy, each killed at $least times or more");

# The source is killed meanwhile: resumed where it broke off.
my $upload = store_first($large);
$to->start;
amid();
$from->kill9;
# What has come is not thrown away because it is dead for a while: longer than a source would be asked that had given nothing yet.
my $object = object_on($to, $upload);
wait_for(sub { my $n = () = $to->log =~ /a fetch is interrupted.*$object|$object.*a fetch is interrupted/g; $n >= 6 }, 'the break, and more tries');
is(object_on($to, $upload), $object, 'it is not given up');
$from->start;
wait_for(sub { copied($upload) }, 'the copy after a break');
same_bytes($upload, $large, 'the source was killed: the same');
cmp_ok(metric($from, 'download_bytes_total'), '<', 11 << 20, 'it went on where it broke off');
in_order('the source was killed');

# The fetching daemon is ended, and goes on after its start; killed, and starts again from what is durable.
for my $signal (qw(TERM KILL)) {
    $upload = store_first($large);
    $to->start;
    amid();
    my $object = object_on($to, $upload);
    $signal eq 'TERM' ? $to->stop : $to->kill9;
    ok(-e "$to->{root}/staging/$object.part", "$signal: what came is kept");
    $to->start;
    wait_for(sub { copied($upload) }, 'the copy');
    cmp_ok(metric($to, 'fetched_bytes_total'), '<', 11 << 20, 'it went on where it had been') if $signal eq 'TERM';
    same_bytes($upload, $large, "$signal: the same");
    in_order($signal);
}

# The source has other bytes by then: the end is wrong, and nothing of it is stored.
$upload = store_first($large);
$to->start;
amid();
$to->stop;
my $source = stored_path($from, object_on($from, $upload));
my $good   = slurp($source);
my $bad    = $good;
substr($bad, -1, 1) = chr(ord(substr $bad, -1) ^ 1);
spit($source, $bad);
$to->start;
# Soon after, the source has read it whole and knows; then no copy is needed any more.
wait_for(sub { hurry(); http('GET', $to->url . '/metrics')->{body} =~ /fetch_failures_total\{[^}]*reason="source_damaged"[^}]*\} [1-9]/ },
    'source_damaged to be told');
isnt(copies($upload), 'd1 stored, d2 stored', 'a damaged source: no copy');
wait_for(sub { hurry(); copies($upload) eq 'd1 quarantined' }, 'the source to find its damage, when it is read whole');
pass('the damaged copy is found, and nothing waits for it any more');

# Its bytes are gone.
$upload = store_first($small);
$source = stored_path($from, object_on($from, $upload));
rename "$source.json", "$source.away" or die "$source: $!\n";
$to->start;
told($upload, 'source_missing');
pass('a missing source is told');
like(http('GET', $to->url . '/metrics')->{body}, qr/fetch_failures_total\{[^}]*reason="source_missing"[^}]*\} [1-9]/, 'and counted');
rename "$source.away", "$source.json" or die "$source: $!\n";
hurry();
wait_for(sub { copied($upload) }, 'the copy after all');
in_order('missing for a while');

# No room after all.
$upload = store_first($small);
$to->{env} = { GROUPSHARE_STORAGED_FAIL_AT => 'fallocate:28' };
$to->start;
told($upload, 'no_room');
pass('no room is told');
$to->stop;
$to->{env} = {};
$to->start;
hurry();
wait_for(sub { copied($upload) }, 'the copy when there is room');
in_order('no room for a while');

# An authority that it does not believe.
$upload = store_first($small);
local $to->{config}{storage}{fetch_ca} = '/etc/ssl/certs/ca-certificates.crt';
$to->start;
told($upload, 'source_unreachable');
like($to->log, qr/a fetch is interrupted.*certificate/, 'a peer without a good certificate gets no ticket');
$to->stop;
$to->{config}{storage}{fetch_ca} = $to->{certificate};
$to->start;
hurry();
wait_for(sub { copied($upload) }, 'the copy from one that it believes');
in_order('certificates');

# Withdrawn while it runs: it stops, what came is removed, its room is free again.
my $used = metric($to, 'used_bytes');
$upload = store_first($large);
$to->start;
amid();
$cs->sql(q{SELECT groupshare.delete_share('ann@example.org', :'share')}, share => $upload->{share});
wait_for(sub { !@{ files_under($to, 'staging') } && metric($to, 'fetches') == 0 }, 'the fetch to stop');
wait_for(sub { metric($to, 'used_bytes') == $used }, 'its room');
pass('a fetch that is not wanted any more stops');
# Somebody else may have taken its port while it was dead; then it was started again.
is_deeply([ grep {/level=error/ && !/worker died|Address already in use/} split /\n/, $to->log ], [], 'nothing went wrong there');
is(http('GET', $to->url . '/readyz')->{status}, 200, 'all is well');

done_testing;
