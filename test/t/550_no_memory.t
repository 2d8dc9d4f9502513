# SPDX-License-Identifier: PostgreSQL
# A storage device without memory says so: 503 `unavailable`, never that its disk has failed or that the object is unwanted. An upload may
# be stored when only its answer lacked memory; the client asks again, hears of it, and there is one object. The allocation is found by
# what follows it, not by its number: the last ones of an upload are those of its answer.
use GroupShare::Test;
use GroupShare::Cli;
use GroupShare::Faults;
use GroupShare::Storage;
use Digest::SHA qw(sha256_hex);

plan skip_all => 'under the sanitizers allocations are theirs: none can be refused' if sanitized();

my $cs     = new_control_server(name => 'cs1');
my $faults = GroupShare::Faults->new;
my $device = add_device(
    servers  => [$cs], name => 'd1', location => 'eu/a', start => 0,
    settings => { storage => { report_interval_ms => 60_000, scrub_rate_bytes => 0 } });
$device->{env} = $faults->env($device->{root});
$device->start;
my $gateway = start_gateway(servers => [$cs]);
my $ann     = new_person('ann@example.org', gateway => $gateway, server => $cs);
$ann->ask('create', 'ours', '--join', 'anyone') or diag($ann->{said});

# Downloads, by the pool and by the loop: every allocation of each is refused in turn.
for my $size (300_000, 3000) {
    my $file = random_file($size);
    my $put  = $ann->ask('put', $file, '--as', "of $size") or diag($ann->{said});
    my $read = designation({ cs => $cs, identifier => 'ann@example.org' }, $put);
    is(get($read)->{status}, 200, "$size bytes: a download");
    my ($told, $whole, $n, @wrong) = (0, 0, 1);
    for (; $n < 500; $n++) {
        $faults->arm(calls => 'malloc', effect => 'fail', first => $n);
        my $reply = get($read);
        my (undef, $hits, $what) = $faults->disarm;
        last if !$hits;
        my $is_whole = $reply->{curl} == 0 && $reply->{status} == 200;
        $whole++ if $is_whole;
        push @wrong, "$n, $what: other bytes" if $is_whole && sha256_hex($reply->{body}) ne $put->{sha256};
        next if $is_whole || !$reply->{status} || $reply->{curl};
        $told++ if $reply->{status} == 503 && ($reply->{json} || {})->{code} eq 'unavailable' && $reply->{headers}{'retry-after'};
        push @wrong, "$n, $what: $reply->{status} $reply->{body}"
            if $reply->{status} != 503 || $reply->{body} ne '' && $reply->{json}{code} ne 'unavailable';
    }
    is_deeply(\@wrong, [], "$size bytes: never told otherwise than that memory is out") or diag(join "\n", @wrong);
    cmp_ok($n,    '>', 20, "$size bytes: of each allocation");
    cmp_ok($told, '>', 0,  "$size bytes: and told, $told times");
}

# 201 is the control server's word, and without memory for that it is not given: not even to who asks again. The receipt is among the later
# allocations, after the bytes.
{
    my $owner  = { cs => $cs, identifier => 'ann@example.org' };
    my $file   = random_file(3000);
    my $upload = sub { my $u = notice($owner, 3000); my $reply = put($u, $file); return ($u, $reply) };
    $upload->();
    $faults->arm(calls => 'malloc', effect => 'fail', first => 1_000_000);
    $upload->();
    my ($count) = $faults->disarm;
    my ($failed, @wrong) = (0);
    for (my $n = $count; $n > $count - 90 && $n > 0; $n--) {
        $faults->arm(calls => 'malloc', effect => 'fail', first => $n);
        my ($u, $reply) = $upload->();
        my (undef, undef, $what) = $faults->disarm;
        $failed++ if $reply->{status} != 201;
        $reply = wait_for(sub { my $r = put($u, $file); $r->{status} =~ /^20[12]$/ ? $r : undef }, 'the upload') if $reply->{status} != 201;
        push @wrong, "$n, $what: 201" if $reply->{status} == 201 && share_state($u) ne 'stored';
    }
    is_deeply(\@wrong, [], 'no 201 without the control server') or diag(join "\n", @wrong);
    cmp_ok($failed, '>', 5, 'of uploads that were not acknowledged at once');
}

# What is stored says whose it is and what it was called, or it is not stored.
{
    my $owner = { cs => $cs, identifier => 'ann@example.org' };
    my $file  = random_file(3000);
    my ($refused, $stored, $n, @wrong) = (0, 0, 1);
    for (; $n < 500; $n++) {
        my $name = "record $n";
        my $u    = notice($owner, 3000, name => $name);
        $faults->arm(calls => 'malloc', effect => 'fail', first => $n);
        my $reply = put($u, $file);
        my (undef, $hits, $what) = $faults->disarm;
        settled($device);
        my ($record) = grep { -e } glob "$device->{root}/objects/??/$u->{object}.json";
        my $said = $record ? json_decode(slurp($record)) : undef;
        push @wrong, "$n, $what: " . slurp($record) if $said && (($said->{name} // '') ne $name || !$said->{terminal});
        $stored++  if $said;
        $refused++ if $hits && !$said && $reply->{status} == 503;
        last if !$hits;
    }
    is_deeply(\@wrong, [], 'no object is stored without its owner and its name') or diag(join "\n", @wrong);
    cmp_ok($refused, '>', 10, "others are refused, $refused of $n");
    cmp_ok($stored,  '>', 0,  "and some stored all the same, $stored");
}

# Uploads by the client whose object is stored and whose answer is not. By PUT, and by PATCH from 1 MiB on.
sub answers { my ($object) = @_; return [ $device->log =~ m{method=(?:PUT|PATCH) path=/v1/objects/\Q$object\E\S* status=(\d+)}g ] }

for my $size (50_000, 1_500_000) {
    my ($made, $untold, @wrong) = (0, 0);
    my $file = random_file($size);
    my $put_one = sub { return $ann->ask('put', $file, '--as', "$size, " . ++$made) };
    $put_one->() or diag($ann->{said});
    $faults->arm(calls => 'malloc', effect => 'fail', first => 1_000_000);
    $put_one->() or diag($ann->{said});
    my ($count) = $faults->disarm;
    for (my $n = $count + 5; $n > $count - 100 && $untold < 3; $n--) {
        $faults->arm(calls => 'malloc', effect => 'fail', first => $n);
        my $put = $put_one->();
        $faults->disarm;
        push @wrong, "$n: $ann->{said}" if !$put;
        my ($objects, $state, $object) = split / /, $cs->sql(<<'SQL', name => "$size, $made");
SELECT count(*) || ' ' || min(s.state::text) || ' ' || min(c.object::text) FROM groupshare.share_copy c JOIN groupshare.share s ON s.id = share_id WHERE s.name = :'name'
SQL
        push @wrong, "$n: $objects objects, $state" if $objects != 1 || $state ne 'stored';
        $untold++ if "@{ answers($object) }" =~ /^(?:204 )*503$/;
    }
    is_deeply(\@wrong, [], "$size bytes: what was put is there, once") or diag(join "\n", @wrong);
    cmp_ok($untold, '>', 0, "$size bytes: it was stored and the answer was 503, $untold times");
}
is(scalar @{ [ glob "$device->{root}/objects/??/*-*[0-9a-f]" ] }, $cs->sql(q{SELECT count(*) FROM groupshare.share_copy WHERE state = 'stored'}), 'nothing else is there');
is_deeply(files_under($device, 'staging'), [], 'and nothing staged');

done_testing;
