# SPDX-License-Identifier: PostgreSQL
# Copies from device to device with more than two parties: when a source dies in the middle another one takes over, and nothing is
# fetched twice; several control servers share the places for copies of one device, whatever each of them has waiting.
use GroupShare::Test;
use GroupShare::Storage;

my %conf = ('groupshare.maintenance_interval' => 100, 'groupshare.delete_hold' => 0);
my ($cs, $other) = map { new_control_server(name => $_, conf => {%conf}) } 'cs1', 'cs2';
sub device {
    my ($name, $rate, %storage) = @_;
    return add_device(
        servers => [ $cs, $other ], name => $name, location => "eu/$name",
        settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 0, fetch_rate_bytes => $rate, %storage } });
}
my %device = map { $_ => device($_, 0) } 'd1', 'd2';
my ($ann, $eve) = (new_owner($cs, 'ann@example.org'), new_owner($other, 'eve@example.org'));
sub copies { my ($server, $n) = @_; return $server->sql("UPDATE groupshare.plan SET copies = $n") }
sub metric {
    my ($name, $metric) = @_;
    return http('GET', $device{$name}->url . '/metrics')->{body} =~ /^groupshare_storaged_\Q$metric\E(?:\{[^}]*\})? ([0-9.e+]+)$/m ? $1 : 0;
}
sub stored_on {
    my ($server, $name) = @_;
    return $server->sql(q{SELECT count(*) FROM groupshare.copies WHERE device = :'d' AND state = 'stored'}, d => $name);
}
sub hurry { my ($server) = @_; return $server->sql(q{UPDATE groupshare.copy_need SET not_before = now() WHERE not_before > now()}) }

# On d1 and d2; a third copy, which is slow to make (2 MiB a second: one of four at a time), when d3 comes.
copies($cs, 2);
my $size   = 16 << 20;
my $file   = random_file($size);
my $upload = notice($ann, $size);
is_reply(put($upload, $file), 201, 'stored');
wait_for(sub { hurry($cs); stored_on($cs, 'd1') + stored_on($cs, 'd2') == 2 }, 'the second copy');
copies($cs, 3);
$device{d3} = device('d3', 8 << 20, max_fetches => 4);
$cs->sql(q{SELECT groupshare.start_job('copies')});
wait_for(sub { hurry($cs); metric('d3', 'fetched_bytes_total') > 3 << 20 }, 'a copy to be under way');
my ($source) = sort { metric($b, 'transfers') <=> metric($a, 'transfers') } 'd1', 'd2';
is(metric($source, 'transfers'), 1, "$source is being read");
my ($heir) = grep { $_ ne $source } 'd1', 'd2';
my $served = metric($heir, 'download_bytes_total');
$device{$source}->kill9;
wait_for(sub { hurry($cs); stored_on($cs, 'd3') == 1 }, 'the copy to be made by the other one');
my ($object) = $cs->sql(q{SELECT object FROM groupshare.copies WHERE device = 'd3'});
is(sha256_file(stored_path($device{d3}, $object)), sha256_file($file), 'its source died amid: every byte');
my $came = metric('d3', 'fetched_bytes_total');
is($came, $size, 'and none was fetched twice');
my $rest = metric($heir, 'download_bytes_total') - $served;
cmp_ok($rest, '<', $size - (2 << 20), "$heir gave only what lacked: $rest of $size");
cmp_ok($rest, '>', 0, 'but that it gave');
unlike($device{d3}->log, qr/a fetch is given up/, 'nothing was given up');
$device{$source}->start;

# One place only, and a control server that has had it for long, with many copies to make: the other gets every second turn.
sub away {
    my ($name) = @_;
    $device{$name}->stop;
    $_->sql(<<'SQL', name => $name) for $cs, $other;
UPDATE groupshare.device_ledger SET epoch = NULL WHERE device_id = (SELECT id FROM groupshare.device WHERE name = :'name')
SQL
    return;
}
copies($_, 1) for $cs, $other;
my ($stays, $goes) = $source eq 'd1' ? ('d1', 'd2') : ('d2', 'd1');
away($_) for $goes, 'd3';
my $small = random_file(1 << 20);
my ($many, $few) = (20, 4);
is_reply(put($_, $small), 201, 'to be copied') for (map { notice($ann, 1 << 20) } 1 .. $many), (map { notice($eve, 1 << 20) } 1 .. $few);
my %before = (cs1 => stored_on($cs, 'd3'), cs2 => stored_on($other, 'd3'));
$device{d3}->{config}{storage}{max_fetches} = 1;
$device{d3}->{config}{storage}{report_interval_ms} = 1500;
$device{d3}->{config}{storage}{fetch_rate_bytes} = 2 << 20;
copies($_, 2) for $cs, $other;
$cs->sql(q{SELECT groupshare.start_job('copies')});
$device{d3}->start;
wait_for(sub { hurry($cs); metric('d3', 'fetches_total') >= 3 && stored_on($cs, 'd3') > $before{cs1} }, 'the first copies');
$other->sql(q{SELECT groupshare.start_job('copies')});
my ($from, $most) = (0, 0);
wait_for(sub {
        hurry($_) for $cs, $other;
        my $running = metric('d3', 'fetches');
        $most = $running if $running > $most;
        $from ||= stored_on($cs, 'd3') if stored_on($other, 'd3') > $before{cs2};
        return stored_on($other, 'd3') == $before{cs2} + $few;
    }, 'the few copies of cs2', 90);
my $meanwhile = stored_on($cs, 'd3') - $from;
cmp_ok($meanwhile, '<=', $few, "cs2 had every second turn: " . ($few - 1) . " of its copies, $meanwhile of cs1's meanwhile");
cmp_ok($most, '<=', 1, 'never more than one at a time');
wait_for(sub { hurry($cs); $cs->sql('SELECT count(*) FROM groupshare.copy_need') == 0 }, 'the copies of cs1', 90);
pass('and the others are made, too');
is_deeply(files_under($device{d3}, 'staging'), [], 'staging is empty');
is($_->sql('SELECT sum(reserved_bytes) FROM groupshare.devices'), 0, 'no reservation is left') for $cs, $other;

done_testing;
