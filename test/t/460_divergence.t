# SPDX-License-Identifier: PostgreSQL
# A disk that went bad, and a disk and a database that tell different stories, in numbers: flipped, truncated, exchanged and
# missing files are found by one pass of the scrub, all of them and no other (40; GS_LONG=1: 1,000); objects without a row and
# rows without an object are listed by one inventory (15 each way; GS_LONG=1: 100).
use GroupShare::Test;
use GroupShare::History;
use GroupShare::Storage;

my $each = $ENV{GS_LONG} ? 250 : 10;
my $ways = $ENV{GS_LONG} ? 100 : 15;
my $cs   = new_control_server(name => 'cs1', fsync => 0);
my $device = add_device(
    servers  => [$cs], name => 'd1', location => 'eu/a',
    settings => { storage => { report_interval_ms => 200, scrub_rate_bytes => 0 } });
my $ann     = new_owner($cs, 'ann@example.org');
my $history = GroupShare::History->new($ann);
my @uploads = $history->notices(4 * $each + $ways + 20, 6_000);
$history->load(4, \@uploads);
$history->load_end;
settled($device);
is($history->acknowledged, scalar @uploads, 'all are stored');

sub path { my ($object) = @_; return stored_path($device, $object) }

sub flip {
    my ($path) = @_;
    my $bytes = slurp($path);
    my $at    = int rand length $bytes;
    substr($bytes, $at, 1) = chr(ord(substr $bytes, $at, 1) ^ 1 << int rand 8);
    spit($path, $bytes);
    return;
}

# The damage: as many of each kind.
$device->stop;
my @flipped   = splice @uploads, 0, $each;
my @truncated = splice @uploads, 0, $each;
my @exchanged = splice @uploads, 0, $each;
my @missing   = splice @uploads, 0, $each;
flip(path($_->{object})) for @flipped;
truncate path($_->{object}), int rand $_->{size} or die "truncate: $!\n" for @truncated;
for my $i (map { 2 * $_ } 0 .. $each / 2 - 1) {
    my ($one, $other) = map { path($exchanged[$_]{object}) } $i, $i + 1;
    rename $one, "$one.x" and rename $other, $one and rename "$one.x", $other or die "rename: $!\n";
}
unlink path($_->{object}) or die "unlink: $!\n" for @missing;
my @damaged = (@flipped, @truncated, @exchanged, @missing);
$history->spoiled($_) for @damaged;
$device->{config}{storage}{scrub_rate_bytes} = 1 << 40;
$device->start;
sub damaged { return $cs->sql('SELECT count(DISTINCT share) FROM groupshare.damaged') }
wait_for(sub { damaged() >= @damaged }, 'the scrub', 300);
wait_for(sub { -e "$device->{root}/scrub" }, 'the end of its pass');
my %planted = map { $_->{name} => 1 } @damaged;
my @found = split /\n/, $cs->sql('SELECT DISTINCT share FROM groupshare.damaged');
is(@found, @damaged, @damaged . ' damaged, ' . @found . ' found by one scrub');
is_deeply([ grep { !$planted{$_} } @found ], [], 'none of them false');
tell_soak(@damaged . ' damaged, ' . @found . ' found');
is_deeply([ $history->check ], [], 'nothing wrong is served, all others are');

# The divergence.
my @rowless = map { $uploads[$_] } 0 .. $ways - 1;    # only copied from
my @objects;
for my $from (@rowless) {
    my $object = substr($from->{object}, 0, 24) . sprintf 'abcd%08x', scalar @objects;
    push @objects, $object;
    mkdir path($object) =~ s{/[^/]+\z}{}r;
    spit(path($object), slurp(path($from->{object})));
    spit(path($object) . '.json', slurp(path($from->{object}) . '.json') =~ s/$from->{object}/$object/r);
}
wait_for(sub { $cs->sql('SELECT state FROM groupshare.inventories') eq 'done' }, 'an earlier inventory');
my @gone = @uploads[ 0 .. $ways - 1 ];
for my $u (@gone) {
    unlink path($u->{object}), path($u->{object}) . '.json';
    $history->spoiled($u);
}
$cs->sql(q{SELECT groupshare.request_inventory('d1')});
wait_for(sub { $cs->sql('SELECT state FROM groupshare.inventories') eq 'done' }, 'the inventory', 120);
sub listed {
    my ($problem) = @_;
    my $objects = $cs->sql(q{SELECT object FROM groupshare.inventory_report WHERE problem = :'p' ORDER BY object}, p => $problem);
    return [ split /\n/, $objects ];
}
is_deeply(listed('orphan'), [ sort @objects ], "$ways objects without a row, $ways listed");
my %gone = map { $_->{object} => 1 } @gone;
is(scalar(grep { $gone{$_} } @{ listed('missing') }), $ways, "$ways rows without an object, $ways listed");
is($cs->sql(q{SELECT count(*) FROM groupshare.device_work WHERE kind = 'delete' AND done_at IS NULL}), 0, 'nothing is deleted by that');
tell_soak("$ways each way, " . (@{ listed('orphan') } + grep { $gone{$_} } @{ listed('missing') }) . ' listed');
is_deeply([ $history->check ], [], 'all others are there');
done_testing;
