# SPDX-License-Identifier: PostgreSQL
# The daemon lists what it has, whole; what differs from the catalog is found, what is in order is not.
use GroupShare::Test;
use GroupShare::Storage;
use Encode qw(encode);

my $cs     = new_control_server(name => 'cs1');
my $device = add_device(
    servers => [$cs], name => 'd1', location => 'eu/a', settings => { storage => { report_interval_ms => 200 } });
my $ann  = new_owner($cs, 'ann@example.org');
my $file = spit(scratch('f') . '/f', 'x' x 1000);
my @uploads = map { notice($ann, 1000) } 1 .. 120;    # more than a batch
put($_, $file) for @uploads;
settled($device);
my $part = notice($ann, 1000);
is(http('PATCH', $part->{url}, token => $part->{ticket}, body => 'x' x 10,
    headers => [ 'upload-offset' => 0, 'content-type' => 'application/partial-upload' ])->{status}, 204, 'an unfinished upload');

sub path { return stored_path($device, @_) }
sub make_shard { return mkdir path(@_) =~ s{/[^/]+\z}{}r }
sub findings {
    wait_for(sub { $cs->sql('SELECT state FROM groupshare.inventories') eq 'done' }, 'the inventory');
    return [ split /\n/, $cs->sql(q{SELECT problem FROM groupshare.inventory_report ORDER BY 1}) ];
}
sub inventory {
    findings();
    $cs->sql(q{SELECT groupshare.request_inventory('d1')});
    return findings();
}
is_deeply(inventory(), [], 'all in order');
is($cs->sql('SELECT objects FROM groupshare.inventories'), 121, 'all were listed');

# The connection breaks with a batch on the wire: the rest of the list alone would make what was in it missing.
$cs->sql(<<'SQL');
CREATE SEQUENCE public.batches;
GRANT USAGE ON SEQUENCE public.batches TO PUBLIC;
CREATE FUNCTION public.stick() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('public.batches') = 20 THEN
        PERFORM pg_sleep(600);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stick AFTER INSERT ON groupshare.inventory_object FOR EACH STATEMENT EXECUTE FUNCTION public.stick();
SELECT groupshare.request_inventory('d1');
SQL
wait_for(
    sub {
        $cs->sql(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'
            AND query ~ 'device_inventory_add'});
    },
    'the batch to be lost');
is_deeply(findings(), [], 'after a lost connection nothing is missing');
is($cs->sql('SELECT objects FROM groupshare.inventories'), 121, 'all were listed again');
$cs->sql('DROP TRIGGER stick ON groupshare.inventory_object');

# One sidecar that can't be read is no reason to tell nothing.
rename path($uploads[5]{object}) . '.json', "$device->{dir}/kept";
symlink 'nowhere', path($uploads[5]{object}) . '.json';
is_deeply(inventory(), ['missing'], 'an object whose sidecar can not be read');
rename "$device->{dir}/kept", path($uploads[5]{object}) . '.json';

my ($gone, $lost) = map { $_->{object} } @uploads[ 3, 4 ];
unlink path($gone);
my $orphan = 'aa0bd2f6-8d3a-4b76-9f00-4dd2e1c5a7b1';
make_shard($orphan);
spit(path($orphan), 'x' x 1000);
my $sidecar = slurp(path($lost) . '.json') =~ s/$lost/$orphan/r;
spit(path($orphan) . '.json', $sidecar);
is_deeply(inventory(), [ 'missing', 'orphan' ], 'what is gone, and what nobody knows');
is($cs->sql(q{SELECT object FROM groupshare.inventory_report WHERE problem = 'orphan'}), $orphan, 'the one');

# A share's row is gone, by whatever a superuser can do: the disk tells whose the bytes are and what they were called.
my $name   = qq(R\x{e9}union "d'\x{e9}t\x{e9}" \\ 1, {2}, NULL.mkv);
my $erased = notice($ann, 1000, name => encode('UTF-8', $name));
is_reply(put($erased, $file), 201, 'a share');
settled($device);
$cs->sql(q{DELETE FROM groupshare.share_copy WHERE share_id = :'share'; DELETE FROM groupshare.share WHERE id = :'share'}, share => $erased->{share});
my ($by_hand, $strange) = ('bb0bd2f6-8d3a-4b76-9f00-4dd2e1c5a7b1', 'cc0bd2f6-8d3a-4b76-9f00-4dd2e1c5a7b1');
for my $case ([ $by_hand, qq("name": "\\u001b[2J", "terminal": "$by_hand") ], [ $strange, '"name": [], "terminal": "me"' ]) {
    my ($object, $says) = @{$case};
    make_shard($object);
    spit(path($object), 'x' x 1000);
    spit(path($object) . '.json', slurp(path($orphan) . '.json') =~ s/$orphan/$object/r =~ s/, "terminal".*/, $says}/r);
}
inventory();
sub told { my ($columns, $object) = @_; return $cs->sql("SELECT json_build_array($columns) FROM groupshare.inventory_report WHERE object = '$object'") }
is_deeply(json_decode(told('owner, share, disk_owner, disk_share', $erased->{object})), [ undef, undef, 'ann@example.org', $name ], 'what no row names, the disk does');
is_deeply(json_decode(told('disk_owner, disk_share', $by_hand)), [ $by_hand, undef ], 'a terminal that is not known, a name that no share may have');
is_deeply(json_decode(told('disk_owner, disk_share', $strange)), [ undef, undef ], 'nonsense is nothing');
is_deeply(json_decode($cs->sql("SELECT json_build_array(owner, share, action) FROM groupshare.reconcile('d1') WHERE object = '$erased->{object}'")),
    [ 'ann@example.org', $name, 'wait' ], 'and so does the plan of what would be deleted');

done_testing;
