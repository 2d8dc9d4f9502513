# SPDX-License-Identifier: PostgreSQL
# A share that is deleted, replaced or hidden while it is fetched: get says what is left of it and where, and goes on there if it comes back.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage qw(large_file);

my $MIB     = 1 << 20;
my $cs      = new_control_server(name => 'cs1', conf => { 'groupshare.delete_hold' => '1d' });
my $device  = add_device(servers => [$cs], name => 'd1', location => 'eu/a', capacity => 1024 * $MIB);
my $gateway = start_gateway(servers => [$cs]);
my ($ann, $bob) = map { new_person("$_\@example.org", gateway => $gateway, server => $cs) } qw(ann bob);
my $group = $ann->ask('create', 'Ours', '--join', 'anyone')->{group};
$bob->type('join', 'Ours');
my $file = large_file(40);
my $part = 'film.' . substr(sha256_file($file), 0, 16) . '.part';
$ann->ask('put', $file, '--as', 'film') or diag($ann->{said});
$cs->sql('UPDATE groupshare.plan SET transfer_rate_bytes = 4000000');

# get of film, until something of it is here; then $lose->(). What it says, and its exit status.
sub lose_it {
    my ($lose, @options) = @_;
    my $get = GroupShare::Process->start(
        name => 'get', command => [ program('groupshare'), 'get', 'ann@example.org', 'film', @options ], log => scratch('get') . '/log',
        cwd => $bob->{cwd}, env => $bob->env);
    wait_for(sub { -s "$bob->{cwd}/$part" || !$get->alive }, 'bytes to come');
    $lose->();
    return ($get->wait >> 8, $get->log);
}

for my $case ([ 'in order', 1 ], [ 'by ranges', 2 ]) {
    my ($name, $lanes) = @{$case};
    my ($code, $said) = lose_it(sub { $ann->ask('rm', 'film') or diag($ann->{said}) }, '--parallel', $lanes);
    is($code, 4, "$name: the share is deleted meanwhile");
    like($said, qr/kept in \Q$part\E/, 'what is left of it is named');
    like($said, qr/remove it if/, 'and whose it is to remove');
    ok(-s "$bob->{cwd}/$part", 'it is there');
    $ann->ask('put', $file, '--as', 'film') or diag($ann->{said});
    ok($bob->ask('get', 'ann@example.org', 'film'), 'when the share is back, the next get ends') or diag($bob->{said});
    is(sha256_file("$bob->{cwd}/film"), sha256_file($file), 'with all bytes');
    ok(!-e "$bob->{cwd}/$part", 'and the part file is gone');
    unlink "$bob->{cwd}/film";
}

# A right that is lost.
my ($code, $said) = lose_it(sub { $ann->type('remove', 'Ours', 'bob@example.org') });
is($code, 4, 'no member any more');
like($said, qr/kept in \Q$part\E/, 'what is left of it is named');

# With nothing fetched there is nothing to name.
my $refusal = $bob->refusal('get', 'ann@example.org', 'film', '-o', 'other');
unlike($refusal->{hint}, qr/kept in/, 'nothing was fetched');

done_testing;
