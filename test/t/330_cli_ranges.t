# SPDX-License-Identifier: PostgreSQL
# get by several ranges at a time, get to standard output and from alternates; folders and many files.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage qw(large_file);

my $MIB = 1 << 20;
my $cs  = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 512 * $MIB);
my $far     = add_device(servers => [$cs], name => 'far', location => 'us/a', capacity => 512 * $MIB);
my $gateway = start_gateway(servers => [$cs]);
my @known   = (gateway => $gateway, server => $cs);
my $ann     = new_person('ann@example.org', @known);
my $bob     = new_person('bob@example.org', @known);
$cs->sql(q{UPDATE groupshare.terminal SET location = 'eu/a'});
$ann->ask('create', 'Ours', '--join', 'anyone');
$bob->type('join', 'Ours');

sub object_file {
    my ($daemon, $name) = @_;
    my $object = $cs->sql(q{SELECT object FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = c.share_id WHERE s.name = :'name'},
        name => $name);
    return (grep { -s $_ > 0 && !/\.(?:json|meta)/ } split /\n/, run_ok('find', $daemon->{root}, '-name', $object, '-type', 'f'))[0];
}

sub names { my ($dir) = @_; opendir my $d, $dir or die "$dir: $!"; return join ' ', sort grep { !/^\.\.?$/ } readdir $d }
sub ranges { return scalar(() = $device->log =~ /method=GET \S*objects\S*.*status=206/g) }

# Bytes of ranges that the device's log has after the mark.
sub sent_since {
    my ($mark) = @_;
    my $sum = 0;
    $sum += $_ for substr($device->log, $mark) =~ /method=GET \S*objects\S*.*status=206.*?bytes=(\d+)/g;
    return $sum;
}

sub by_pipe {
    my ($who, $script) = @_;
    return run({ command => [ 'sh', '-c', $script, 'sh', program('groupshare') ], env => $who->env, cwd => $who->{cwd} });
}

# Several ranges at a time.
my $big  = large_file(80);
my $sha  = sha256_file($big);
my $part = "$bob->{cwd}/big." . substr($sha, 0, 16) . '.part';
ok($ann->ask('put', $big, '--as', 'big'), 'a large file') or diag($ann->{said});
my $got = $bob->ask('get', 'ann@example.org', 'big') or diag($bob->{said});
is($got->{sha256}, $sha, 'get of a large file');
is(sha256_file("$bob->{cwd}/big"), $sha, 'the same bytes');
is(-s "$bob->{cwd}/big", 80 * $MIB, 'without the map');
is(names($bob->{cwd}), 'big', 'and nothing beside it');
cmp_ok(ranges(), '>=', 4, 'by several ranges');
my $before = ranges();
ok($bob->ask('get', 'ann@example.org', 'big', '-o', 'one', '--parallel', '1'), 'by one connection');
is(ranges(), $before, 'without ranges');
is(sha256_file("$bob->{cwd}/one"), $sha, 'the same bytes');
is($bob->refusal('get', 'ann@example.org', 'big', '--parallel', $_)->{exit}, 2, "--parallel $_") for 0, 17, 'x';

# A part that was begun in order is continued by ranges.
my $content = slurp($big);
spit("$bob->{cwd}/mixed." . substr($sha, 0, 16) . '.part', substr($content, 0, 30 * $MIB + 5), 0600);
my $mark = length $device->log;
ok($bob->ask('get', 'ann@example.org', 'big', '-o', 'mixed', '--parallel', '3'), 'a part begun in order');
is(sha256_file("$bob->{cwd}/mixed"), $sha, 'the same bytes');
is(sent_since($mark), 50 * $MIB, 'of which only whole pieces are kept');

# Killed in the middle: what the map claims is not fetched again; what it does not claim is, wherever it lies.
unlink map {"$bob->{cwd}/$_"} qw(big one mixed);
my $map = pack 'a8 Q< Q< b80', "GSPART1\n", 80 * $MIB, $MIB, join '', map { $_ % 2 ? 1 : 0 } 0 .. 79;
my $half = $content;
substr($half, $_ * $MIB, $MIB) = "\0" x $MIB for grep { $_ % 2 == 0 } 0 .. 79;
spit($part, $half . $map, 0600);
$mark = length $device->log;
ok($bob->ask('get', 'ann@example.org', 'big'), 'a part with a map') or diag($bob->{said});
is(sha256_file("$bob->{cwd}/big"), $sha, 'the same bytes');
is(sent_since($mark), 40 * $MIB, 'only the missing half was sent');
unlink "$bob->{cwd}/big";
substr($half, 1, 1) = 'x';
substr($half, $MIB, 1) ^= "\x01";
spit($part, $half . $map, 0600);
ok($bob->ask('get', 'ann@example.org', 'big'), 'a damaged piece that the map claims is found out');
is(sha256_file("$bob->{cwd}/big"), $sha, 'and all fetched anew');
unlink "$bob->{cwd}/big";
spit($part, $content . ('x' x length $map), 0600);
ok($bob->ask('get', 'ann@example.org', 'big'), 'no map: from the beginning');
is(sha256_file("$bob->{cwd}/big"), $sha, 'the same bytes');
unlink "$bob->{cwd}/big";

# The client is killed, and the device too, while ranges come.
my $getting = GroupShare::Process->start(
    name => 'get', command => [ program('groupshare'), qw(get ann@example.org big) ], log => scratch('get') . '/log',
    cwd  => $bob->{cwd}, env => $bob->env);
wait_for(sub { -s $part || -e "$bob->{cwd}/big" }, 'the first bytes');
$getting->signal('KILL');
$getting->wait;
ok($bob->ask('get', 'ann@example.org', 'big'), 'get again after a kill') or diag($bob->{said});
is(sha256_file("$bob->{cwd}/big"), $sha, 'the same bytes');
unlink "$bob->{cwd}/big";
$getting = GroupShare::Process->start(
    name => 'get', command => [ program('groupshare'), qw(get ann@example.org big) ], log => scratch('get') . '/log',
    cwd  => $bob->{cwd}, env => $bob->env);
wait_for(sub { -s $part || -e "$bob->{cwd}/big" }, 'the first bytes');
$getting->signal('STOP');
$device->kill9;
$getting->signal('CONT');
$device->start;
is($getting->wait, 0, 'ranges go on over a crash of the device') or diag($getting->log);
is(sha256_file("$bob->{cwd}/big"), $sha, 'the same bytes');

# To standard output.
my ($status, $out, $err) = by_pipe($bob, '"$1" get ann@example.org big -o - | sha256sum');
is_deeply([ $status, (split ' ', $out)[0] ], [ 0, $sha ], 'get to standard output') or diag($err);
($status, $out, $err) = by_pipe($bob, '"$1" --json get ann@example.org big -o - 2>reply | wc -c');
is($out + 0, 80 * $MIB, 'with --json too there is nothing else');
like(slurp("$bob->{cwd}/reply"), qr/"sha256":"$sha"/, 'the answer is on standard error');
is($bob->refusal('get', 'ann@example.org', 'big', 'other', '-o', '-')->{exit}, 2, 'one share only');

# Many files, and folders.
my %tree = ('a' => 'A', 'b c' => 'BC', 'sub/a2' => 'A2', 'sub/deep/d' => 'D', '.hidden' => 'H', 'sub/empty' => '');
my $dir = "$ann->{cwd}/tree";
run_ok('mkdir', '-p', "$dir/sub/deep", "$dir/none");
spit("$dir/$_", $tree{$_}) for keys %tree;
symlink 'a', "$dir/link" or die "link: $!";
my @put = $ann->ask('put', 'tree');
is_deeply([ sort map { $_->{name} } @put ], [ sort map { s{.*/}{}r } keys %tree ], 'all files of a folder, without links');
@put = $ann->ask('put', 'tree/', '--paths', ' - ');
is_deeply([ sort map { $_->{name} } @put ], [ sort map { "tree - " . s{/}{ - }gr } keys %tree ], 'by their paths');
spit("$dir/sub/a", 'another a');
($status, $out, $err) = $ann->type('put', 'tree');
is($status, 2, 'two of one name are refused');
like($err, qr/--paths/, 'and what to do is said');
is_deeply([ map { $_->{name} } $ann->ask('put', '--paths', '+', "$dir/sub/") ], [ 'sub+a', 'sub+a2', 'sub+deep+d', 'sub+empty' ],
    'a folder is called by its name, whatever the way to it');
is($ann->refusal('put', 'tree', '--as', 'x')->{exit}, 2, 'one name for a folder');
is($ann->refusal('put', 'tree', '--paths', $_)->{exit}, 2, "--paths '$_'") for '', '/';
is(($ann->type('put', 'tree/none'))[0], 0, 'an empty folder is nothing');
($status, $out, $err) = $ann->type('put', 'tree/a', 'absent', 'tree/b c');
is($status, 1, 'one of three fails');
like($err, qr/absent: .*\n(?:.*\n)*0 stored, 2 there already, 1 failed\./, 'what and how many is said');

$got = () = $bob->ask('get', 'ann@example.org', 'a2', 'd', '-o', 'some');
is($got, 2, 'two by name');
is(names("$bob->{cwd}/some"), 'a2 d', 'into a directory that is made');
my @all = $bob->ask('get', 'ann@example.org', '--all', '-o', 'all');
is(scalar @all, 1 + 6 + 6 + 4, 'all that somebody shares') or diag($bob->{said});
is(slurp("$bob->{cwd}/all/tree - sub - deep - d"), 'D', 'the right bytes');
is(slurp("$bob->{cwd}/all/_hidden"), 'H', 'by safe names');
spit("$bob->{cwd}/all/a", 'in the way');
($status, $out, $err) = $bob->type('get', 'ann@example.org', '--all', '--group', 'Ours', '-o', 'all');
is($status, 5, 'one is in the way');
like($err, qr/\ba: .*exists already.*\n(?:.*\n)*0 fetched, 16 here already, 1 failed\./, 'the others are treated');
is($bob->refusal('get', 'nobody@example.org', '--all')->{exit}, 4, 'all of nobody');
is($bob->refusal('get', 'ann@example.org', '--group', 'Ours')->{exit}, 2, '--group without --all');
is($bob->refusal('get', 'ann@example.org')->{exit}, 2, 'no name');

# From standard input, of unknown size: kept on disk first, where nothing is left of it.
mkdir "$ann->{cwd}/tmp" or die;
$ann->{env} = { TMPDIR => "$ann->{cwd}/tmp" };
($status, $out, $err) = by_pipe($ann, "cat '$big' | \"\$1\" --json put - --as piped");
is($status, 0, 'put of standard input') or diag($err);
like($out, qr/"sha256":"$sha"/, 'the right bytes');
is(names("$ann->{cwd}/tmp"), '', 'nothing is left on disk');
is((by_pipe($ann, ': | "$1" put - --as nothing'))[0], 0, 'an empty input');
is((by_pipe($ann, ': | "$1" put -'))[0], 2, 'without a name');
is((by_pipe($ann, ': | "$1" put - tree --as x'))[0], 2, 'with others');
is((by_pipe($ann, '"$1" put tree/a --size 1'))[0], 2, 'the size of a file');

# A designation with alternates: what the first device does not have comes from the next.
$cs->sql(q{UPDATE groupshare.terminal SET location = 'us/a' WHERE identifier = 'ann@example.org'});
is($ann->ask('put', $big, '--as', 'copy')->{device}, 'far', 'the same bytes on another device');
$cs->sql(<<'SQL');
ALTER FUNCTION groupshare.api_download(text, inet, text, jsonb, jsonb) RENAME TO api_download_one;
CREATE FUNCTION groupshare.api_download(session text, peer inet, request_id text, params jsonb, body jsonb,
    OUT status int, OUT reply jsonb, OUT etag text) LANGUAGE plpgsql SECURITY DEFINER SET search_path = groupshare, pg_temp AS $$
DECLARE
    other jsonb;
BEGIN
    SELECT d.status, d.reply, d.etag INTO status, reply, etag FROM api_download_one(session, peer, request_id, params, body) d;
    SELECT d.reply INTO other
        FROM api_download_one(session, peer, request_id, params, '{"owner":"ann@example.org","name":"copy"}') d;
    reply := reply || jsonb_build_object('alternates',
        jsonb_build_array(jsonb_build_object('device', other->'device', 'url', other->'url', 'ticket', other->'ticket')));
END $$;
GRANT EXECUTE ON FUNCTION groupshare.api_download(text, inet, text, jsonb, jsonb) TO groupshare_gateway;
SQL
my $lost = object_file($device, 'big');
rename $lost, "$lost.away" or die "$lost: $!";
unlink "$bob->{cwd}/big";
for my $parallel (1, 4) {
    ok($bob->ask('get', 'ann@example.org', 'big', '--parallel', $parallel, '--force'), "from an alternate, $parallel at a time")
        or diag($bob->{said});
    is(sha256_file("$bob->{cwd}/big"), $sha, 'the same bytes');
    unlink "$bob->{cwd}/big";
}
($status, $out, $err) = by_pipe($bob, '"$1" get ann@example.org big -o - | sha256sum');
is((split ' ', $out)[0], $sha, 'to standard output too');

# A copy that is damaged on the device: nothing good is said of it.
my $path = object_file($device, 'a2');
ok($path, 'the object on the device');
chmod 0600, $path;
spit($path, 'XX');
isnt((by_pipe($bob, '"$1" get ann@example.org a2 -o - >stream'))[0], 0, 'a damaged copy to standard output fails');

done_testing;
