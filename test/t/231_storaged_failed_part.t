# SPDX-License-Identifier: PostgreSQL
# A write of a part fails while something harmless ends the part, too: nothing of the upload may survive, since neither
# its digest nor what the disk has of it can be relied on.
use GroupShare::Test;
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', program => program('faults/groupshare-storaged'),
    settings => { storage => { report_interval_ms => 200 } }, env => { GROUPSHARE_STORAGED_FAIL_AT => 'write:5:1000' });
my $ann     = new_owner($cs, 'ann@example.org');
my $content = 'x' x 30_000;
my $upload  = notice($ann, length $content);

sub patch_begin {
    return http_begin('PATCH', $upload->{url}, token => $upload->{ticket}, body => $content, curl => ['-v'],
        headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ]);
}
sub ask { return http('HEAD', $upload->{url}, token => $upload->{ticket}) }

for my $end ('vanishes', 'is cut') {
    my $part = patch_begin();
    wait_for(sub { @{ files_under($device, 'staging') } == 2 }, 'the part to begin');
    if ($end eq 'vanishes') {
        $part->{process}->stop('KILL');
    } else {
        is(ask()->{headers}{'upload-offset'}, 0, 'who cuts it meets the beginning');
        isnt(http_finish($part)->{status}, 204, 'the part fails');
    }
    wait_for(sub { !@{ files_under($device, 'staging') } }, "its sender $end: what was staged to go");
}
$device->{env} = {};
$device->restart;
is(ask()->{headers}{'upload-offset'}, 0, 'nothing is left of it');
is_reply(put($upload, spit(scratch('f') . '/f', $content)), 201, 'the next try succeeds');

done_testing;
