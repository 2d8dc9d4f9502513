# SPDX-License-Identifier: PostgreSQL
# The storage daemon's bounds: transfers, waiting receipts, room, and HUP which changes them.
use GroupShare::Test;
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', capacity => 1 << 30,
    settings => {
        storage => { report_interval_ms => 200, receipt_wait_ms => 100, max_transfers => 2, max_uploads => 1, max_receipts => 2 } });
my $ann  = new_owner($cs, 'ann@example.org');
my $size = 400_000;
my $file = spit(scratch('f') . '/f', 'z' x $size);
sub transfers { return http('GET', $device->url . '/metrics')->{body} =~ /^groupshare_storaged_transfers\S* (\d+)$/m ? $1 : die }
sub capacity { return $cs->sql('SELECT capacity_bytes FROM groupshare.device_ledger') }

# Uploads: one may run, the second is told to come again; a download still has its place.
my $large = large_file(80);    # more than the client's window
my $long  = notice($ann, -s $large);
is_reply(put($long, $large), 201, 'a large file to read slowly');
my @uploads = map { notice($ann, $size) } 1 .. 5;

sub slow_put {
    my ($to) = @_;
    return http_begin('PUT', $to->{url}, token => $to->{ticket}, file => $file, curl => [ '--limit-rate', '150k' ]);
}
my $running = slow_put($uploads[0]);
wait_for(sub { transfers() == 1 }, 'an upload to run');
my $reply = put($uploads[2], $file);
is_problem($reply, 503, 'try_again', 'one upload too many');
ok($reply->{headers}{'retry-after'}, 'with Retry-After');
is(http('HEAD', $uploads[2]{url}, token => $uploads[2]{ticket})->{status}, 200, 'asking has a place');
is_reply(http_finish($running), 201, 'the running one ends well');

# Transfers: two.
my $designation = designation($ann, $long);
my $reader = http_begin('GET', $designation->{url}, token => $designation->{ticket}, curl => [ '--limit-rate', '10k' ]);
$running = slow_put($uploads[1]);
wait_for(sub { transfers() == 2 }, 'an upload and a download to run');
is_problem(get($designation), 503, 'try_again', 'one transfer too many');
is_reply(http_finish($running), 201, 'the running one ends well');
$reader->{process}->stop('KILL');
wait_for(sub { transfers() == 0 }, 'the reader to be gone');
is_reply(put($uploads[2], $file), 201, 'then there is a place again');

# Receipts that wait: two, then the control server's uploads are refused.
my @late = map { notice($ann, $size) } 1 .. 3;
$cs->stop('immediate');
is_reply(put($late[$_], $file), 202, "a receipt waits: $_") for 0, 1;
is_problem(put($late[2], $file), 503, 'unavailable', 'too many receipts wait');
is_reply(put($late[1], $file), 202, 'an object that is stored already is none more');
is_deeply(files_under($device, 'staging'), [], 'nothing is left of the refused one');
$cs->start;
wait_for(sub { share_state($late[0]) eq 'stored' && share_state($late[1]) eq 'stored' }, 'the receipts');
is_reply(put($late[2], $file), 201, 'then it is taken');

# HUP: new bounds hold at once; a wrong file changes nothing.
my $stored = 6 * $size + -s $large;
$device->{config}{storage}{capacity_bytes} = $stored + $size;
$device->{config}{storage}{io_threads} = 128;
spit("$device->{dir}/config.ini", GroupShare::System::ini($device->{config}));
$device->{process}->signal('HUP');
wait_for(sub { capacity() == $stored + $size }, 'the lower capacity to be reported');
is($cs->sql('SELECT free_bytes FROM groupshare.device_ledger'), $size, 'what is free is what is left of it');
like($device->log, qr/io_threads takes a restart/, 'the threads there are, are shared out as before');
my $exact = { %{ $uploads[3] }, ticket => forge($cs, $uploads[3]{ticket}, { size => $size + 1 }) };
is_problem(put($exact, spit(scratch('f') . '/f', 'z' x ($size + 1))), 507, 'no_room', 'one byte more than is left');
is_reply(put($uploads[3], $file), 201, 'exactly what is left');
is_problem(put($uploads[4], $file), 507, 'no_room', 'nothing is left');
wait_for(sub { $cs->sql('SELECT free_bytes FROM groupshare.device_ledger') == 0 }, 'a report of it');
$cs->sql(q{ALTER DATABASE gs SET groupshare.delete_hold = 0});
$cs->sql(q{SELECT groupshare.delete_share(:'id', :'share')}, id => 'ann@example.org', share => $uploads[3]{share});
wait_for(sub { $cs->sql('SELECT free_bytes FROM groupshare.device_ledger') == $size }, 'a deletion to free it');
is_reply(put($uploads[4], $file), 201, 'then there is room again');
$device->{config}{storage}{capacity_bytes} = 'much';
spit("$device->{dir}/config.ini", GroupShare::System::ini($device->{config}));
$device->{process}->signal('HUP');
wait_for(sub { $device->log =~ /settings not reloaded/ }, 'the wrong settings to be refused');
is(capacity(), $stored + $size, 'the old ones stay');

# What is on the disk counts after a start too.
$device->{config}{storage}{capacity_bytes} = $stored + $size;
$device->restart;
is($cs->sql('SELECT free_bytes FROM groupshare.device_ledger'), 0, 'counted after a start');

done_testing;
