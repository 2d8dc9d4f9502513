# SPDX-License-Identifier: PostgreSQL
# Clients that are not ours, at the storage device: curl, nghttp, python3-h2, tus-js-client over Node's HTTP/2. Each uploads, is
# interrupted where it can go on, downloads by ranges, and gets the same bytes. One that is not installed is skipped, and says so.
use GroupShare::Test;
use GroupShare::Storage;

my $cs     = new_control_server(name => 'cs1', fsync => 0);
my $device = add_device(servers => [$cs], name => 'd1', location => 'eu', settings => { storage => { report_interval_ms => 500 } });
my $ann    = new_owner($cs, 'ann@example.org');
my $size   = 3_000_017;
my $file   = random_file($size);
my $sha256 = sha256_file($file);
my $dir    = scratch('foreign');
my $ca     = tls_dir() . '/ca.pem';
my $here   = root() . '/test/foreign';

sub has { my ($name) = @_; return grep { -x "$_/$name" } split /:/, $ENV{PATH} }

sub same { my ($upload, $path, $what) = @_; return is(sha256_file($path), $sha256, $what) }

sub stored { my ($upload, $what) = @_; return is(share_state($upload), 'stored', "$what: stored") }

subtest curl => sub {
    my $upload = notice($ann, $size);
    is_reply(put($upload, $file), 201, 'PUT');
    stored($upload, 'curl');
    my $d   = designation($ann, $upload);
    my @get = ('curl', '-sS', '--http2', '--cacert', $ca, '-H', "authorization: Bearer $d->{ticket}");
    run_ok(@get, '-o', "$dir/ranges", '-r', '0-999999', $d->{url});
    is(-s "$dir/ranges", 1_000_000, 'a range');
    run_ok(@get, '-o', "$dir/ranges", '-C', '-', $d->{url});
    same($upload, "$dir/ranges", 'curl -C - goes on with it');
    run_ok(@get, '-o', "$dir/parts#1", '-r', '0-1', $d->{url});
    run_ok(@get, '-Z', '-o', "$dir/whole", "$d->{url}");
    same($upload, "$dir/whole", 'the whole');
};

subtest nghttp => sub {
    plan skip_all => 'nghttp is not installed' if !has('nghttp');
    my $upload = notice($ann, $size);
    my ($status, $out, $err) = run({
        command => [ 'nghttp', '-d', $file, '-H', ':method: PUT', '-H', "authorization: Bearer $upload->{ticket}", $upload->{url} ] });
    like($out, qr/"state": ?"stored"/, 'PUT') or diag($err);
    stored($upload, 'nghttp');
    my $d = designation($ann, $upload);
    ($status, $out) = run({ command => [ 'nghttp', '-H', "authorization: Bearer $d->{ticket}", $d->{url} ] });
    same($upload, spit("$dir/nghttp", $out), 'GET');
    my @halves = map {
        (run({ command => [ 'nghttp', '-H', "range: bytes=$_", '-H', "authorization: Bearer $d->{ticket}", $d->{url} ] }))[1]
    } '0-1499999', '1500000-';
    same($upload, spit("$dir/nghttp", join '', @halves), 'two ranges');
};

subtest 'python3-h2' => sub {
    plan skip_all => 'python3-h2 is not installed' if !has('python3') || (run({ command => [qw(python3 -c), 'import h2'] }))[0];
    my $ask = sub {
        my ($t, @how) = @_;
        return json_decode(run_ok('python3', "$here/h2client.py", $t->{url}, $t->{ticket}, $ca, @how));
    };
    my $upload = notice($ann, $size);
    is($ask->($upload, 'PUT', $file)->{':status'}, 201, 'PUT');
    stored($upload, 'python3-h2');
    $upload = notice($ann, $size);
    # A cut that comes before the device has read anything leaves nothing, then it is cut again.
    my $offset = wait_for(
        sub {
            eval { $ask->($upload, 'PATCH', $file, 0, -1_500_000) };
            my $o = $ask->($upload, 'HEAD', $file)->{'upload-offset'};
            return $o && $o <= 1_500_000 ? $o : undef;
        },
        'what came before a cut');
    my $said = $ask->($upload, 'PATCH', $file, $offset, 1000);
    is_deeply([ @$said{qw(:status upload-complete upload-offset)} ], [ 204, '?0', $offset + 1000 ], "PATCH goes on at $offset");
    is($ask->($upload, 'PATCH', $file, $offset)->{'upload-offset'}, $offset + 1000, 'not twice at the same place');
    $said = $ask->($upload, 'PATCH', $file, $offset + 1000);
    is_deeply([ @$said{qw(:status upload-complete upload-draft-interop-version)} ], [ 201, '?1', 9 ], 'the rest');
    stored($upload, 'resumed');
    my $d = designation($ann, $upload);
    is($ask->($d, 'GET', "$dir/h2")->{':status'}, 200, 'GET');
    same($upload, "$dir/h2", 'the whole');
    truncate "$dir/h2", 1_234_567;
    is($ask->($d, 'GET', "$dir/h2", 1_234_567)->{':status'}, 206, 'a range');
    same($upload, "$dir/h2", 'the rest of it');
};

subtest 'tus-js-client' => sub {
    my $modules = build() . '/foreign/node_modules';
    plan skip_all => 'node is not installed' if !has('node');
    plan skip_all => 'tus-js-client could not be fetched from the npm registry when this was built' if !-d "$modules/tus-js-client";
    my $tus = sub {
        my ($upload, $chunk, $stop) = @_;
        my ($status, $out, $err) =
            run({ command => [ 'node', "$here/tus.mjs", $modules, $upload->{url}, $upload->{ticket}, $ca, $file, $chunk, $stop ] });
        diag($err) if $status;
        return eval { json_decode($out) } || {};
    };
    my $upload = notice($ann, $size);
    my $said   = $tus->($upload, 1 << 20, 0);
    is($said->{outcome}, 'stored', 'in one go');
    stored($upload, 'tus');
    $upload = notice($ann, $size);
    $said   = $tus->($upload, 700_000, 2);
    is($said->{outcome}, 'stopped', 'stopped after two chunks');
    is(share_state($upload), 'pending', 'not stored yet');
    $said = $tus->($upload, 700_000, 0);
    is($said->{outcome}, 'stored', 'gone on with');
    is($said->{seen}[0], 'HEAD 200', 'from where HEAD said');
    is(scalar(grep {/^PATCH/} @{ $said->{seen} }), 3, 'with the three chunks that were missing');
    stored($upload, 'resumed');
    is_reply(get(designation($ann, $upload), output => "$dir/tus"), 200, 'GET');
    same($upload, "$dir/tus", 'the bytes');
};

is_deeply(files_under($device, 'staging'), [], 'staging is empty');
done_testing;
