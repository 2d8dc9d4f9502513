# SPDX-License-Identifier: PostgreSQL
# A plan's rate: nothing of a terminal is faster, together or one after the other; nobody else is slower; and what is
# slow by order is not taken for a sender or reader that has stalled. What is asserted is only that there was not more
# than the rate allows in the time that it took, which no load can break.
use GroupShare::Test;
use GroupShare::Storage;
use Time::HiRes qw(time);

my $MIB  = 1 << 20;
my $RATE = 2 * $MIB;
my $cs  = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', settings => {
        storage => { report_interval_ms => 200, scrub_rate_bytes => 0 },
        # Both would end each of the transfers below, if these were not slow by order.
        limits => { send_stall_timeout_ms => 500, min_body_rate_bytes => 64 * $MIB } });
my $ann = new_owner($cs, 'ann@example.org');
my $bob = new_owner($cs, 'bob@example.org');
$cs->sql(q{INSERT INTO groupshare.plan (name) VALUES ('free')});
$cs->sql(q{UPDATE groupshare.terminal SET plan = 'free' WHERE identifier = 'bob@example.org'});
is(claims_of(notice($ann, 1)->{ticket})->{rate}, undef, 'without a rate the ticket has none');
$cs->sql(q{UPDATE groupshare.plan SET transfer_rate_bytes = :r WHERE name = 'standard'}, r => $RATE);
is(claims_of(notice($ann, 1)->{ticket})->{rate}, $RATE,  'the ticket has the plan\'s');
is(claims_of(notice($bob, 1)->{ticket})->{rate}, undef, 'of the terminal\'s own plan');
is($cs->sql(q{SELECT transfer_rate_bytes FROM groupshare.quotas WHERE terminal = 'ann@example.org'}), $RATE, 'as quotas shows');

# That many bytes since then are no more than the rate and one burst allow. Bytes in curl's and the kernel's buffers have
# not arrived, so the whole is waited for.
sub within_rate {
    my ($bytes, $since, $what) = @_;
    my $allowed = (time - $since + 0.1) * $RATE + $RATE / 4;
    return cmp_ok($bytes, '<=', $allowed, sprintf '%s: %.1f MiB in %.1f s', $what, $bytes / $MIB, time - $since);
}

my $large  = random_file(22 * $MIB); # longer than the 10 s over which rates of bodies are judged
my $upload = notice($ann, -s $large);
my $begin  = time;
my $others = notice($bob, -s $large);
my $run    = http_begin('PUT', $upload->{url}, token => $upload->{ticket}, file => $large);
is_reply(put($others, $large), 201, 'one without a rate');
is(share_state($upload), 'pending', 'is through before');
is_reply(http_finish($run), 201, 'an upload ends well');
within_rate(-s $large, $begin, 'an upload');

$begin = time;
my $download = designation($ann, $upload);
my @run = map { http_begin('GET', $download->{url}, token => $download->{ticket}, headers => [ range => "bytes=$_" ]) } '0-11534335', '11534336-';
my @got = map { http_finish($_) } @run;
is("$got[0]{status} $got[1]{status}", '206 206', 'two downloads at a time end well');
within_rate(-s $large, $begin, 'both together');
ok($got[0]{body} . $got[1]{body} eq slurp($large), 'every byte');

# Small ones, one after the other and beside each other, each of which fits into its first window.
my $small = random_file($MIB / 2);
$begin = time;
is_reply(put(notice($ann, -s $small), $small), 201, 'a small one') for 1 .. 4;
@run = map { http_begin('PUT', $_->{url}, token => $_->{ticket}, file => $small) } map { notice($ann, -s $small) } 1 .. 6;
is_reply(http_finish($_), 201, 'beside others') for @run;
within_rate(10 * -s $small, $begin, 'ten small ones');
$begin = time;
for (1 .. 8) {
    my $part = notice($ann, -s $small);
    my $reply = http('PATCH', $part->{url}, token => $part->{ticket}, file => $small,
        headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ]);
    is_reply($reply, 201, 'by PATCH');
}
within_rate(8 * -s $small, $begin, 'eight by PATCH');

# Without the rate the next tickets have no limit.
$cs->sql(q{UPDATE groupshare.plan SET transfer_rate_bytes = NULL});
$upload = notice($ann, -s $large);
is_reply(put($upload, $large), 201, 'the rate is taken away');
is($cs->sqlstate(q{UPDATE groupshare.plan SET transfer_rate_bytes = 1000}), '23514', 'a rate that clients would not wait for is refused');

done_testing;
