# SPDX-License-Identifier: PostgreSQL
# The README's "API by example", typed line by line into a shell in an empty directory.
use GroupShare::Test;

my $cs      = new_control_server(name => 'cs1');
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu');
my $gateway = start_gateway(servers => [$cs]);
my $dir     = scratch('readme');
run_ok('mkdir', '-p', "$dir/build/run");
spit("$dir/build/run/env", <<"EOT");
GROUPSHARE_URL=${\ $gateway->url}
GROUPSHARE_CA=${\ tls_dir()}/ca.pem
PGHOST=${\ $cs->host}
PGPORT=${\ $cs->port}
PGDATABASE=gs
PGUSER=postgres
EOT

my ($section) = slurp(root() . '/README.md') =~ /^## The API by example\n(.*?)^## /ms;
my @blocks = $section =~ /^```sh\n(.*?)^```/msg;
is(scalar @blocks, 3, 'the README has its three blocks');
my ($status, $out, $err) =
    run({ command => [qw(bash -e -u -o pipefail)], input => join('', @blocks), cwd => $dir });
is($status, 0, 'they work as they stand') or diag($out, $err);
like($out, qr/the same$/m, 'the file that comes back is the one that was shared');
like($out, qr/\bd1\b/,      'the DBA sees the device');
unlike($out, qr/"code"/,    'no call failed');

done_testing;
