# SPDX-License-Identifier: PostgreSQL
# Clients vanish at random points of their uploads: 250 in make check, 1,000 a round with GS_LONG=1. What they had reserved, staged,
# opened and taken of memory is free again when their reservations end; whoever is well-behaved notices nothing.
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;

plan skip_all => 'python3-h2 is not installed' if (run({ command => [qw(python3 -c), 'import h2'] }))[0];

my $LONG   = $ENV{GS_LONG};
my $rounds = $LONG ? 5 : 2;
my $count  = $LONG ? 1000 : 125;
my $seed   = seeded();
my $life   = $LONG ? 60 : 8;

my $cs = new_control_server(
    name => 'cs1', fsync => 0, conf => {
        'groupshare.reservation_lifetime' => "${life}s", 'groupshare.ticket_lifetime' => "${life}s",
        'groupshare.maintenance_interval' => '500ms' });
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', capacity => 16 << 30,
    settings => { storage => { report_interval_ms => 500, scrub_rate_bytes => 0 } });
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);

sub descriptors { my @all = glob '/proc/' . worker_of($device) . '/fd/*'; return scalar @all }
sub resident { return slurp('/proc/' . worker_of($device) . '/status') =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }
sub reserved { return $cs->sql('SELECT sum(reserved_bytes) FROM groupshare.devices') }

my ($vanished, $kept) = (0, 0);
sub vanish {
    my ($n) = @_;
    my $lines = $cs->sql(<<'SQL', n => $n);
SELECT n.url || ' ' || n.ticket || ' ' || 400000 FROM generate_series(1, :'n'::int) i,
    groupshare.upload_notice('ann@example.org', 'vanished ' || clock_timestamp(), 400000) n
SQL
    my $said = run_ok({
        command => [ 'python3', '-B', root() . '/test/foreign/vanish.py', tls_dir() . '/ca.pem', $seed++, 16 ],
        input => "$lines\n" });
    my ($done) = $said =~ /^(\d+)/;
    $vanished += $done;
    cmp_ok($done, '>', $n * 0.9, "clients vanished: $said");
    return;
}

my ($worker, $idle, $early) = worker_of($device);
vanish(50);
for my $round (1 .. $rounds) {
    last if $round > 2 && time_is_up();
    my @good = $history->notices(20, 400_000);
    $kept += @good;
    $history->load(2, \@good);
    vanish($count);
    $history->load_end;
    # Those that sent everything may be stored, the others are not; nothing of theirs is left when their time is over.
    my $freed = eval {
        wait_for(sub { reserved() == 0 && !@{ files_under($device, 'staging') } }, 'all to be free again', $life + 10);
    };
    ok($freed, "round $round: reservations and staged bytes are free within their life and 10 s")
        or diag(reserved(), ' reserved, staged: ', join ' ', @{ files_under($device, 'staging') });
    is(worker_of($device), $worker, 'the worker lives');
    my $now = resident();
    if ($round == 1) {
        wait_for(sub { descriptors() < 40 }, 'descriptors to be closed');
        ($idle, $early) = (descriptors(), $now);
    } else {
        ok(eval { wait_for(sub { descriptors() <= $idle }, 'descriptors', 10) }, "no descriptor stays: $idle, " . descriptors());
        # AddressSanitizer keeps what is freed.
        cmp_ok($now, '<', ($early + (sanitized() ? 256 * 1024 : 0)) * 1.15 + 2048, "memory: $early KiB after the first round, now $now KiB");
    }
}
tell_soak("$vanished clients vanished, " . $history->acknowledged . ' stayed and were acknowledged');
is($history->acknowledged, $kept, 'each upload of a client that stayed was acknowledged');
is_deeply([ $history->check ], [], 'and is there');
settled($device);
is($cs->sql(q{SELECT count(*) FROM groupshare.share s WHERE state = 'stored'}) * 2,
    scalar @{ files_under($device, 'objects') }, 'the disk has what is stored, and nothing more');
done_testing;
