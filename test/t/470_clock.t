# SPDX-License-Identifier: PostgreSQL
# A device's clock that is wrong. An hour slow, an hour fast, and set from the one to the other while it runs, it takes tickets,
# refuses them and keeps unfinished uploads as if its clock were right: it is the control server's that counts.
use GroupShare::Test;
use GroupShare::Storage;
use Time::HiRes qw(sleep time);
use Time::Piece;

my ($library) = grep {-e} map {"$_/faketime/libfaketimeMT.so.1"} glob('/usr/lib/*-linux-gnu'), '/usr/lib';
plan skip_all => 'libfaketime and the runtime of the sanitizers wait for each other' if sanitized();
plan skip_all => 'libfaketime (Debian: faketime) is not installed' if !$library;

# What the clock says is in a file. Time since boot is the machine's, as where a clock is really set. No report puts right what
# the announcement did not.
my $clock  = scratch('clock') . '/offset';
my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', start => 0,
    settings => { storage => { report_interval_ms => 3_600_000 } },
    env      => {
        LD_PRELOAD        => $library, FAKETIME_TIMESTAMP_FILE => $clock,
        FAKETIME_NO_CACHE => 1,        map { $_ => 1 } qw(FAKETIME_DONT_FAKE_MONOTONIC DONT_FAKE_MONOTONIC) });
my $ann  = new_owner($cs, 'ann@example.org');
my $file = spit(scratch('f') . '/f', 'some bytes');
my $size = -s $file;

sub part {
    my ($upload, $until) = @_;
    my $ticket = forge($cs, $upload->{ticket}, { until => int $until, exp => int $until });
    return http('PATCH', $upload->{url}, token => $ticket, body => 'x',
        headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ]);
}

sub offset_of { return http('HEAD', $_[0]{url}, token => $_[0]{ticket})->{headers}{'upload-offset'} }

# How far the device's clock is ahead.
sub ahead {
    my $date = http('GET', $device->url . '/healthz')->{headers}{date};
    return Time::Piece->strptime($date, '%a, %d %b %Y %T GMT')->epoch - time;
}

# When a download ticket that was good until $expires was taken last.
sub taken_last {
    my ($seen, $expires) = @_;
    my $ticket = forge($cs, $seen->{ticket}, { exp => $expires });
    my $last   = 0;
    while (time < $expires + 30) {
        my $start = time;
        my $reply = get({ %{$seen}, ticket => $ticket });
        if ($reply->{status} != 200) {
            is_problem($reply, 401, 'ticket_expired', 'a ticket is refused in the end');
            return $last;
        }
        $last = $start;
        sleep 0.1;
    }
    return $last;
}

sub check {
    my ($offset_s, $what) = @_;
    cmp_ok(abs(ahead() - $offset_s), '<', 60, "a clock $what");
    my $upload = notice($ann, $size);
    is_reply(put($upload, $file), 201, "$what: a fresh ticket stores");
    my $seen = designation($ann, $upload);
    is(get($seen)->{body}, 'some bytes', "$what: a fresh ticket reads");
    is_problem(get({ %{$seen}, ticket => forge($cs, $seen->{ticket}, { exp => int(time) - $_ }) }),
        401, 'ticket_expired', "$what: one that expired $_ s ago does not")
        for 6, 1800, 7200;
    is_problem(get({ %{$seen}, ticket => forge($cs, $seen->{ticket}, { iat => int(time) + 1800 }) }),
        401, 'ticket_invalid', "$what: nor does one that is issued in half an hour");
    my $expires = int(time) - 2;
    cmp_ok(taken_last($seen, $expires), '<=', $expires + 5, "$what: not 5 s after its expiry");
    $cs->sql(q{SELECT groupshare.delete_share('ann@example.org', :'share')}, share => $upload->{share});
    wait_for(sub { get($seen)->{status} != 200 }, 'a revocation');
    is_problem(get($seen), 401, 'ticket_revoked', "$what: a right is taken back");
    return $seen;
}

spit($clock, '-1h');
$device->start;
my $kept = notice($ann, $size);
is_reply(part($kept, time + 1200), 204, 'an unfinished upload that has 20 minutes');
my $brief = notice($ann, $size);
my $until = time + 2;
is_reply(part($brief, $until), 204, 'one that has 2 s');
my @revoked = check(-3600, 'an hour slow');
wait_for(sub { ($device->log =~ /has expired.*\Q$brief->{object}\E/) || ($device->log =~ /\Q$brief->{object}\E.*has expired/) },
    'its end', 20);
pass('an hour slow: it goes in time');

spit($clock, '+1h');
push @revoked, check(3600, 'set from an hour slow to an hour fast');
$device->{process}->stop;
$device->start;
my $started = time;
push @revoked, check(3600, 'an hour fast from the start');
sleep 1 while time < $started + 6;    # the device looks every 5 s
is(offset_of($kept), 1, 'an hour fast: the unfinished upload is kept');

spit($clock, '-1h');
push @revoked, check(-3600, 'set from an hour fast to an hour slow');
is_problem(get($_), 401, 'ticket_revoked', 'what was revoked stays so') for @revoked;

done_testing;
