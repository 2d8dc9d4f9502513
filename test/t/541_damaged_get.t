# SPDX-License-Identifier: PostgreSQL
# One of two copies is damaged on its disk: whoever gets the share gets the right bytes at the first try, in order and by ranges;
# the damage is repaired, and the DBA can tell afterwards where it was.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Storage qw(large_file stored_path);

my $MIB    = 1 << 20;
my $cs     = new_control_server(name => 'cs1');
my %device = map { $_ => add_device(servers => [$cs], name => $_, location => 'eu', settings => { storage => { report_interval_ms => 200 } }) } qw(d1 d2 d3);
my $gateway = start_gateway(servers => [$cs]);
my ($ann, $bob) = map { new_person("$_\@example.org", gateway => $gateway, server => $cs) } qw(ann bob);
$cs->sql('UPDATE groupshare.plan SET copies = 2');
$ann->ask('create', 'Ours', '--join', 'anyone');
$bob->type('join', 'Ours');

# The device that a download is sent to first, and where it has the object.
sub first_copy {
    my ($share) = @_;
    my ($device, $object) = split /\|/, $cs->sql(q{SELECT device || '|' || substring(url from '[^/]*$') FROM groupshare.download_notice('bob@example.org', :'s'::uuid)}, s => $share);
    return ($device, $object, stored_path($device{$device}, $object));
}

for my $case ([ 'in order', 3, [] ], [ 'by ranges', 80, [] ], [ 'to a descriptor', 3, [ '-o', '-' ] ]) {
    my ($how, $mib, $options) = @{$case};
    my $file = large_file($mib);
    my $put  = $ann->ask('put', $file, '--as', $how);
    my $two  = sub { $cs->sql(q{SELECT count(*) = 2 AND bool_and(state = 'stored') FROM groupshare.copies WHERE share = :'n'}, n => $how) eq 't' };
    wait_for($two, 'the second copy', 30);
    my ($device, $object, $path) = first_copy($put->{share});
    chmod 0600, $path;
    open my $fh, '+<:raw', $path or die "$path: $!";
    seek $fh, 1_234_567, 0;
    print {$fh} 'damaged';
    close $fh;
    if (@{$options}) {
        my ($status) = run({ command => [ program('groupshare'), 'get', 'ann@example.org', $how, @{$options} ], env => $bob->env, cwd => $bob->{cwd} });
        is($status, 8, "$how: what is written can not be taken back");
    } else {
        ok($bob->ask('get', 'ann@example.org', $how), "$how: got") or diag($bob->{said});
        is(sha256_file("$bob->{cwd}/$how"), sha256_file($file), 'the right bytes');
    }
    my $told;     # by the device, which the client does not wait for
    wait_for(sub { $told = $cs->sql(q{SELECT jsonb_build_array(detail ->> 'device', length(detail ->> 'found_sha256'))
        FROM groupshare.audit_log WHERE action = 'damaged' AND detail ->> 'object' = :'o'}, o => $object) }, 'the damage to be told');
    is_deeply(json_decode($told), [ $device, 64 ], 'the audit tells where');
    wait_for($two, 'two good copies', 30);
    isnt((first_copy($put->{share}))[1], $object, 'the bad one is served no more');
    unlink "$bob->{cwd}/$how";
}
done_testing;
