# SPDX-License-Identifier: PostgreSQL
# The storage daemon is killed at each step of an upload. After its next start the object is whole and its share stored
# if the step lay behind the commit point, else there is nothing of it; and the client's next try succeeds in any case.
use GroupShare::Test;
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', program => program('faults/groupshare-storaged'),
    settings => { storage => { report_interval_ms => 200 } });
my $ann     = new_owner($cs, 'ann@example.org');
my $content = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 200_000;
my $file    = spit(scratch('f') . '/f', $content);
my %sha     = ();
my $stored  = 0;

# In the order of an upload; what is kept from which step on.
my @steps = (
    [ after_fallocate => 0 ], [ after_write => 0 ], [ after_fsync => 0 ], [ after_sidecar => 0 ], [ after_journal => 1 ],
    [ after_rename => 1 ], [ after_dirsync => 1 ], [ before_receipt => 1 ], [ after_receipt => 1 ], [ after_ack => 1 ]);
for my $step (@steps) {
    my ($name, $kept) = @{$step};
    $device->{env} = { GROUPSHARE_STORAGED_EXIT_AT => $name };
    $device->restart;
    my $upload = notice($ann, length $content);
    my $worker = worker_of($device);
    # The answer does not wait for the last step.
    like(put($upload, $file)->{status}, $name eq 'after_ack' ? qr/^(0|201)$/ : qr/^0$/, "$name: no answer");
    wait_for(sub { !-e "/proc/$worker" }, "$name: the end of the worker");
    $device->kill9;
    $device->{env} = {};
    $device->start;
    if ($kept) {
        wait_for(sub { share_state($upload) eq 'stored' }, "$name: the journal to be replayed");
        ok(get(designation($ann, $upload))->{body} eq $content, "$name: the object is whole without the client");
    } else {
        is(share_state($upload), 'pending', "$name: not stored");
        is_deeply([ grep {/\Q$upload->{object}\E/} @{ files_under($device) } ], [], "$name: nothing is left");
    }
    is_reply(put($upload, $file), 201, "$name: the client tries again");
    ok(get(designation($ann, $upload))->{body} eq $content, "$name: the object is whole");
    $stored++;
    is_deeply(files_under($device, 'staging'), [], "$name: staging is empty");
    ok(settled($device), "$name: the journal becomes empty");
    is(@{ files_under($device, 'objects') }, 2 * $stored, "$name: data and sidecar, nothing more");
}
is($cs->sql(q{SELECT count(*) FROM groupshare.share WHERE state = 'stored'}), $stored, 'each is stored once');
is($cs->sql('SELECT reserved_bytes FROM groupshare.device_ledger'), 0, 'and no reservation is left');

# Killed while many uploads run: whatever was answered 201 is there, nothing else stays.
my @uploads = map { notice($ann, length $content) } 1 .. 8;
my @running = map { http_begin('PUT', $_->{url}, token => $_->{ticket}, file => $file, curl => [ '--limit-rate', '2M' ]) } @uploads;
wait_for(sub { @{ files_under($device, 'staging') } >= 4 }, 'uploads to run');
$device->kill9;
my @status = map { http_finish($_)->{status} } @running;
$device->start;
is_deeply(files_under($device, 'staging'), [], 'killed amid uploads: staging is empty after the start');
for my $i (0 .. $#uploads) {
    is_reply(put($uploads[$i], $file), 201, "upload $i (was $status[$i]) can be stored");
}
is(@{ files_under($device, 'objects') }, 2 * ($stored + @uploads), 'data and sidecar, nothing more');

done_testing;
